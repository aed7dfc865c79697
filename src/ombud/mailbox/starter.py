"""Starting tries: of the lanes that have something ready, each in turn, as windows and slots allow."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, get_args

from ombud.mailbox.appetite import hungry
from ombud.mailbox.held import HeldLane
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Delivery, Interrupted, Outcome, Result, Retry
from ombud.mailbox.pool import Pool, Pooled
from ombud.mailbox.slots import Slots
from ombud.mailbox.trying import Known, Trying

# Makes one try. What it returns is awaited in a task, unless it is a Trying, which needs none.
Perform = Callable[[Delivery, Mapping[str, Any]], Awaitable[Outcome]]

log = logging.getLogger("ombud.mailbox")

_OUTCOMES = get_args(Outcome)
# Lanes that are served in one turn of the event loop, within a millisecond: the database, which waits for the loop
# between two statements, is heard in between. Of twice as many the first have left the processor's caches when their
# requests are sent.
LANES_AT_ONCE = 16
# How the reason begins when a try failed for a mistake of ours.
INTERNAL = "internal error"


class Starter:
    """Starts what is ready in held lanes and notes what came of it. On one event loop."""

    def __init__(self, mailbox: Mailbox, perform: Perform, slots: int, attend: Callable[[HeldLane], None]) -> None:
        """`attend` is called for a lane that has a result to settle, or that could start more than is loaded."""
        self._mailbox = mailbox
        self._perform = perform
        self._attend = attend
        self._slots = Slots(slots)
        self._pool = Pool()
        self._under_way: dict[Trying, _Started] = {}
        # What has ended and is not noted yet, with what came of it and when.
        self._ended: list[tuple[_Started, Outcome | BaseException, float]] = []
        # Who was served last stands at the end.
        self._able: dict[HeldLane, None] = {}
        self._care = mailbox.policy.care
        self._clock, self._clock_at = mailbox.clock(), time.monotonic()
        self._stopping = False
        # Lanes to look at until all had their turn, and whether the loop goes on with them.
        self._left, self._goes_on = 0, False
        self._leftover, self._gate = mailbox.leftover, mailbox.gate
        self._entered: object | None = None  # what the gate has said of who was admitted last
        self._refused = self._paced = False  # by the gate, or for its pace, just now

    @property
    def has_room(self) -> bool:
        """Less than half of the slots are in use."""
        return not self._stopping and self._slots.used < self._slots.most // 2

    def enter(self, held: HeldLane) -> None:
        """Let a lane stand in line if it has something ready."""
        if held.stock.ready.count:
            self._able[held] = None

    def leave(self, held: HeldLane) -> None:
        """Take a lane that is not ours any more out of the line."""
        self._able.pop(held, None)
        self._leftover.forget(held.lane.id)
        self._gate.forget(held.lane.id)

    def start(self) -> None:
        """Start a delivery of each lane in turn, so that no lane takes every slot: some now, then the others."""
        self._left = len(self._able)
        if self._left and not self._goes_on:
            self._start_some()

    async def stop(self, seconds: float, cut_seconds: float) -> None:
        """Start nothing more; leave that long to what runs, then cut it and leave it the second span."""
        self._stopping = True
        await self._slots.drain(seconds)
        self._pool.cut()
        self._cut()
        await self._slots.drain(cut_seconds)

    def cancel(self) -> None:
        """End every try at once, and start nothing more."""
        self._stopping = True
        self._pool.close()
        self._cut()

    def _cut(self) -> None:
        for trying in list(self._under_way):
            if not isinstance(trying, Pooled):
                trying.cancel()
                self._end(trying, Interrupted())

    def _start_some(self) -> None:
        self._goes_on = False
        clock, line = self._ask_clock(), deque(islice(self._able, min(self._left, LANES_AT_ONCE)))
        for _ in range(LANES_AT_ONCE):
            if not line or not self._has_slot:
                break
            held = line.popleft()
            if self._start_one(held, clock):
                line.append(held)
            else:
                self._left -= 1
            if held in self._able:
                self._able[held] = self._able.pop(held)
        if self._left and self._able and self._has_slot:
            self._goes_on = True
            asyncio.get_running_loop().call_soon(self._start_some)

    @property
    def _has_slot(self) -> bool:
        return not self._stopping and self._slots.used < self._slots.most

    def _ask_clock(self) -> int:
        """Every try asks for the time; the clock is asked once for all that start together."""
        self._clock, self._clock_at = self._mailbox.clock(), time.monotonic()
        return self._clock

    def _start_one(self, held: HeldLane, clock: int) -> bool:
        self._refused = self._paced = False
        delivery = held.take(clock, self._admits)
        if delivery is not None:
            self._begin(held, delivery)
            if held.stock.ready.count:
                return True
        # A lane that only finds no slot stays in line.
        if not held.stock.ready.count or len(held.in_flight) >= held.window(clock):
            del self._able[held]
        elif self._refused:
            self._wait_at_gate(held)
        elif self._paced:
            del self._able[held]
            self._leftover.wait(held.lane.id, partial(self._start_again, held))
        if hungry(held, clock):
            self._attend(held)
        return False

    def _admits(self, held: HeldLane, delivery: Delivery) -> bool:
        if not self._slots.admits(held, delivery):
            return False
        if not self._leftover.admits(delivery, self._clock):
            self._paced = True
            return False
        assert held.facts is not None
        self._entered = self._gate.enter(held.facts)
        self._refused = self._entered is None
        return not self._refused

    def _wait_at_gate(self, held: HeldLane) -> None:
        """Take a lane out of the line until there is room: to ask for hundreds of them at every start costs more."""
        del self._able[held]
        assert held.facts is not None
        self._gate.wait(held.lane.id, held.facts, partial(self._start_again, held))

    def _start_again(self, held: HeldLane) -> None:
        """Have this one start, and nobody who came later: they would take its turn."""
        if held.stock.ready.count:
            self.enter(held)
            clock = self._ask_clock()
            while self._has_slot and self._start_one(held, clock):
                pass

    def _begin(self, held: HeldLane, delivery: Delivery) -> None:
        assert held.facts is not None
        self._slots.enter(held, delivery)
        self._leftover.enter(delivery, self._clock)
        began = time.monotonic()
        at = self._clock + int((began - self._clock_at) * 1e6)
        try:
            work = self._perform(delivery, held.facts)
        except Exception as error:  # noqa: BLE001 - it is logged when the try ends
            work = Known(error)
        trying = work if isinstance(work, Trying) else Pooled(self._pool, work)
        self._under_way[trying] = _Started(held, delivery, held.lane.token, at, began, self._entered)
        try:
            trying.begin(self._end)
        except Exception as error:  # noqa: BLE001 - the same
            self._end(trying, error)

    def _end(self, trying: Trying, came: Outcome | BaseException) -> None:
        started = self._under_way.pop(trying, None)
        if started is None:
            return
        # Tries that end together are noted one right after the other (docs/decisions/0063).
        if not self._ended:
            asyncio.get_running_loop().call_soon(self._note_all)
        self._ended.append((started, came, time.monotonic()))

    def _note_all(self) -> None:
        ended, self._ended = self._ended, []
        results = []
        for started, came, at in ended:
            try:
                results.append(self._note(started, came, at))
            except Exception:
                log.exception("what came of %s was not noted", started.delivery)
            self._slots.leave(started.held, started.delivery)
        if self._mailbox.on_results is not None:
            self._mailbox.on_results(results)

    def _note(self, started: "_Started", came: Outcome | BaseException, ended: float) -> Result:
        held, delivery, token, at, began, entered = started
        outcome = came if isinstance(came, _OUTCOMES) else self._outcome_of(came, delivery)
        health, seconds = held.health, ended - began
        probe = health.closed_at is not None and at >= health.closed_at
        milliseconds, open_time = int(seconds * 1000 + 0.5), health.open_time(at)
        result = Result(delivery, at, milliseconds, outcome, open_time, token, held.schedule, probe)
        self._gate.leave(entered)
        held.finish(result, at + int(seconds * 1e6), self._care)
        self.enter(held)
        self._attend(held)
        return result

    def _outcome_of(self, came: object, delivery: Delivery) -> Outcome:
        if isinstance(came, asyncio.CancelledError):
            return Interrupted() if self._stopping else Retry(f"{INTERNAL}: the try cancelled itself")
        if isinstance(came, Exception):
            log.error("performing %s failed", delivery, exc_info=came)
            return Retry(f"{INTERNAL}: {type(came).__name__}: {came}")
        return Retry(f"{INTERNAL}: the try ended with {came!r}")


class _Started(NamedTuple):
    """A try under way: whose, since when (UTC microseconds, and on the monotonic clock), and what the gate is told."""

    held: HeldLane
    delivery: Delivery
    token: int
    at: int
    began: float
    entered: object
