"""The performer: owns lanes, starts what is due on them, and settles what came of it, one transaction a turn.

Everything that waits at the start of a turn is done in it: the busier the worker, the more deliveries share a commit.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ombud.db.writer import Writer
from ombud.errors import StorageUnavailable
from ombud.mailbox.mailbox import LEASE_SECONDS, Mailbox
from ombud.mailbox.model import Delivery, Done, Fault, Interrupted, Lane, Loaded, Outcome, Result, Retry
from ombud.mailbox.retry import window_after
from ombud.mailbox.turn import HeldLane, Touch, TurnDone, give_back, take_turn

Perform = Callable[[Delivery, Mapping[str, Any]], Awaitable[Outcome]]

log = logging.getLogger("ombud.mailbox")

# Deliveries in flight in this process; each may hold a socket, and the usual limit is 1,024 open files.
SLOTS = 512
# Lanes owned at once, and leased by one turn: the loads of a turn must fit in a commit of some tens of milliseconds.
LANES = 2_048
LEASE_LANES = 128
# Seconds between two looks for work that another process has committed; its datagram usually comes first.
POLL_SECONDS = 0.1
# Seconds between two signs of life for a lane that stays owned, when it is also loaded afresh.
EXTEND_SECONDS = min(2.0, LEASE_SECONDS / 3)
# Seconds until the next try when the database refused a turn.
STORAGE_PAUSE_SECONDS = 0.5
# Seconds that a stopping process leaves to what is in flight, and then to what it has cut: supervisors kill after 5 or
# more.
STOP_SECONDS = 4.0
CUT_SECONDS = 0.3
# How the reason begins when a try failed for a mistake of ours.
INTERNAL = "internal error"


class Worker:
    """Performs the due deliveries of one mailbox, on one event loop. The only performer of its box on this database."""

    def __init__(self, mailbox: Mailbox, writer: Writer, perform: Perform, *, slots: int = SLOTS) -> None:
        self._mailbox = mailbox
        self._writer = writer
        self._perform = perform
        self._slots = slots
        # By lane; who was served last stands at the end.
        self._held: dict[int, HeldLane] = {}
        self._awake = asyncio.Event()
        self._next_wake: int | None = None
        self._leases_freed = False
        self._stopping = False

    def wake(self) -> None:
        """Say that something was committed. Call it on the worker's event loop."""
        for held in self._held.values():
            held.stale = True
        self._awake.set()

    def stop(self) -> None:
        """Start nothing more; `run` returns within STOP_SECONDS and a commit. Call it on the worker's event loop."""
        self._stopping = True
        self._awake.set()

    async def run(self) -> None:
        """Perform until `stop`; then leave STOP_SECONDS to what is in flight, cut the rest, give every lane back."""
        try:
            while not self._stopping:
                try:
                    await self._step()
                except StorageUnavailable as error:
                    log.warning("deliveries wait: %s", error)
                    await asyncio.sleep(STORAGE_PAUSE_SECONDS)
            await self._finish()
        finally:
            # After an error or a cancellation: another process may be elected at once, and start the same.
            for task in self._tasks():
                task.cancel()

    async def _step(self) -> None:
        if not self._leases_freed:
            await self._writer.write(self._mailbox.free_leases)
            self._leases_freed = True
        self._awake.clear()
        touches = self._touches()
        if touches or self._lane_is_due():
            await self._turn(touches)
        else:
            await self._rest()

    def _touches(self) -> list[Touch]:
        """Name the held lanes that need this turn's transaction."""
        now, monotonic = self._mailbox.clock(), time.monotonic()
        touches = []
        for held in self._held.values():
            extend = monotonic >= held.extend_at
            if extend or (held.next_due is not None and now >= held.next_due):
                held.stale, held.next_due = True, None
            load = held.hungry or (held.idle and not held.lost)
            if held.results or load or extend:
                in_flight = list(held.in_flight.values())
                touches.append(Touch(held, list(held.results), in_flight, load, held.idle, extend))
        return touches

    def _lane_is_due(self) -> bool:
        room = len(self._held) < LANES
        self._next_wake = self._writer.database.read(self._mailbox.next_wake) if room else None
        return self._next_wake is not None and self._next_wake <= self._mailbox.clock()

    async def _turn(self, touches: list[Touch]) -> None:
        for touch in touches:
            if touch.load:
                # A wake that comes while the turn is committed makes it stale again.
                touch.held.stale = False
        lease = min(LEASE_LANES, max(0, LANES - len(self._held)))
        try:
            done = await self._writer.write(lambda: take_turn(self._mailbox, touches, lease))
        except Exception as error:
            for touch in touches:
                touch.held.stale = True
            if isinstance(error, StorageUnavailable) or not await self._settle_singly(touches):
                raise
            return
        for touch in touches:
            del touch.held.results[: len(touch.results)]
            if touch.extend:
                touch.held.extend_at = time.monotonic() + EXTEND_SECONDS
        self._take_over(done)
        self._start()
        _call_then(result for touch in touches for result in touch.results)

    async def _settle_singly(self, touches: Sequence[Touch]) -> bool:
        """After a turn that could not be written: a result that is to blame becomes a try that failed.

        Returns whether there was one; when there was none, nothing that was tried is the reason.
        """
        found = False
        for touch in touches:
            for result in touch.results:
                try:
                    await self._writer.write(partial(self._mailbox.settle, touch.held.lane, [result]))
                    touch.held.results.remove(result)
                    _call_then([result])
                except StorageUnavailable:
                    raise
                except Exception as error:
                    if str(getattr(result.outcome, "reason", "")).startswith(INTERNAL):
                        raise
                    log.exception("the result of %s cannot be written", result.delivery)
                    failed = Retry(f"{INTERNAL}: {type(error).__name__}: {error}")
                    touch.held.results[touch.held.results.index(result)] = replace(result, outcome=failed)
                    found = True
        return found

    def _take_over(self, done: TurnDone) -> None:
        for held in done.lost:
            held.lost = True
            held.ready.clear()
            if held.idle and not held.results:
                del self._held[held.lane.id]
        for held in done.released:
            del self._held[held.lane.id]
        for held, loaded, next_due in done.loaded:
            held.next_due = next_due
            _fill(held, loaded)
        for lane, loaded in done.leased:
            mine = self._held.get(lane.id)
            if mine is None:
                self._held[lane.id] = mine = _hold(lane)
                _fill(mine, loaded)
            else:
                # The clock jumped past the end of our own lease, or a lost lane came back. What is in flight goes on.
                mine.lane, mine.lost, mine.stale = lane, False, True

    def _start(self) -> None:
        """Start what windows and slots allow, a delivery of each lane in turn, so that no lane takes every slot."""
        free = self._slots - len(self._tasks())
        able = [held for held in self._held.values() if held.ready]
        while free > 0 and able and not self._stopping:
            able = [held for held in able if len(held.in_flight) < held.window and self._is_fresh(held)]
            for held in able[:free]:
                self._held[held.lane.id] = self._held.pop(held.lane.id)
                delivery = held.ready.popleft()
                task = asyncio.create_task(self._try(held, delivery))
                held.in_flight[task] = delivery
            free -= len(able)

    def _is_fresh(self, held: HeldLane) -> bool:
        """Return whether something may start as it was loaded. If that was long ago, have it loaded again."""
        if held.ready and time.monotonic() > held.loaded_at + EXTEND_SECONDS:
            held.ready.clear()
            held.stale = True
            self._awake.set()
        return bool(held.ready)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for held in self._held.values() for task in held.in_flight]

    async def _try(self, held: HeldLane, delivery: Delivery) -> None:
        at, started = self._mailbox.clock(), time.monotonic()
        outcome: Outcome
        try:
            outcome = await self._perform(delivery, held.facts)
        except asyncio.CancelledError:
            outcome = Interrupted() if self._stopping else Retry(f"{INTERNAL}: the try cancelled itself")
        except Exception as error:
            log.exception("performing %s failed", delivery)
            outcome = Retry(f"{INTERNAL}: {type(error).__name__}: {error}")
        milliseconds = round((time.monotonic() - started) * 1000)
        held.results.append(Result(delivery, at, milliseconds, outcome))
        held.window = window_after(held.window, outcome)
        held.failures = held.failures + 1 if getattr(outcome, "fault", None) is Fault.LANE else 0
        held.stale = True
        task = asyncio.current_task()
        assert task is not None
        del held.in_flight[task]
        self._awake.set()

    async def _rest(self) -> None:
        """Wait until something ended or was committed here, is due, or may have been committed elsewhere."""
        now = self._mailbox.clock()
        due = [self._next_wake, *(held.next_due for held in self._held.values())]
        seconds = min([POLL_SECONDS, *((time_due - now) / 1e6 for time_due in due if time_due is not None)])
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._awake.wait()
        except TimeoutError:
            return

    async def _finish(self) -> None:
        for seconds in (STOP_SECONDS, CUT_SECONDS):
            if tasks := self._tasks():
                _, late = await asyncio.wait(tasks, timeout=seconds)
                for task in late:
                    task.cancel()
        # Lane by lane, in one commit all the same: what cannot be written of one must not keep the others.
        given = [self._writer.write(partial(give_back, self._mailbox, held)) for held in self._held.values()]
        for error in await asyncio.gather(*given, return_exceptions=True):
            if error is not None:
                log.warning("what was in flight is not on record and will be repeated: %s", error)


def _call_then(settled: Iterable[Result]) -> None:
    for result in settled:
        if isinstance(result.outcome, Done) and result.outcome.then is not None:
            try:
                result.outcome.then()
            except Exception:
                log.exception("after %s was settled, what should follow failed", result.delivery)


def _fill(held: HeldLane, loaded: Loaded) -> None:
    held.facts = loaded.facts
    held.ready.extend(loaded.deliveries)
    held.loaded_at = time.monotonic()


def _hold(lane: Lane) -> HeldLane:
    return HeldLane(lane, lane.window, lane.failures, time.monotonic() + EXTEND_SECONDS)
