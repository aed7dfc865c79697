"""Starting tries: of the lanes that have something ready, each in turn, as windows and slots allow."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, get_args

from ombud.mailbox.held import HeldLane
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Delivery, Interrupted, Outcome, Result, Retry
from ombud.mailbox.slots import Slots
from ombud.mailbox.wishes import schedule_of

Perform = Callable[[Delivery, Mapping[str, Any]], Awaitable[Outcome]]

log = logging.getLogger("ombud.mailbox")

_OUTCOMES = get_args(Outcome)
# How the reason begins when a try failed for a mistake of ours.
INTERNAL = "internal error"


class Starter:
    """Starts what is ready in held lanes and notes what came of it. On one event loop."""

    def __init__(self, mailbox: Mailbox, perform: Perform, slots: int, attend: Callable[[HeldLane], None]) -> None:
        """`attend` is called for a lane that has a result to settle, or that could start more than is loaded."""
        self._mailbox = mailbox
        self._perform = perform
        self._attend = attend
        self._slots = Slots(slots, self._try)
        # Who was served last stands at the end.
        self._able: dict[int, HeldLane] = {}
        self._care = mailbox.policy.care
        self._clock, self._clock_at = mailbox.clock(), time.monotonic()
        self._stopping = False
        # What the gate is to be told when it ends, by lane and event; and whether it has just refused.
        self._entered: dict[tuple[int, int], object] = {}
        self._refused = False

    @property
    def has_room(self) -> bool:
        """Less than half of the slots are in use."""
        return not self._stopping and self._slots.used < self._slots.most // 2

    def enter(self, held: HeldLane) -> None:
        """Let a lane that may have something ready stand in line."""
        self._able[held.lane.id] = held

    def leave(self, held: HeldLane) -> None:
        """Take a lane that is not ours any more out of the line, where it may stand as it was leased since."""
        if self._able.get(held.lane.id) is held:
            del self._able[held.lane.id]
        if self._mailbox.gate is not None:
            self._mailbox.gate.forget(held.lane.id)

    def start(self) -> None:
        """Start a delivery of each lane in turn, so that no lane takes every slot."""
        if self._able:
            self._start(list(self._able.values()))

    async def stop(self, seconds: float, cut_seconds: float) -> None:
        """Start nothing more; leave that long to what runs, then cut it and leave it the second span."""
        self._stopping = True
        await self._slots.finish(seconds, cut_seconds)

    def cancel(self) -> None:
        """End every try at once, and start nothing more."""
        self._stopping = True
        self._slots.cancel()

    def _start(self, able: list[HeldLane]) -> None:
        if self._stopping:
            return
        # Every try asks for the time; the clock is asked once for all that start together.
        clock, self._clock_at = self._mailbox.clock(), time.monotonic()
        self._clock = clock
        while able and self._slots.used < self._slots.most:
            able = [held for held in able if self._start_one(held, clock)]
        for held in able:
            self._able[held.lane.id] = self._able.pop(held.lane.id)

    def _start_one(self, held: HeldLane, clock: int) -> bool:
        self._refused = False
        delivery = held.take(clock, self._admits)
        if delivery is not None:
            self._enter_gate(held, delivery)
            self._slots.start(held, delivery)
            if held.stock.ready:
                return True
        # A lane that only finds no slot stays in line.
        if not held.stock.ready or len(held.in_flight) >= held.window(clock):
            del self._able[held.lane.id]
        elif self._refused and delivery is None:
            self._wait_at_gate(held)
        if held.hungry(clock):
            self._attend(held)
        return False

    def _admits(self, held: HeldLane, delivery: Delivery) -> bool:
        if not self._slots.admits(held, delivery):
            return False
        gate = self._mailbox.gate
        self._refused = gate is not None and held.facts is not None and not gate.admits(held.facts)
        return not self._refused

    def _enter_gate(self, held: HeldLane, delivery: Delivery) -> None:
        gate = self._mailbox.gate
        if gate is not None and held.facts is not None and (entered := gate.enter(held.facts)) is not None:
            self._entered[held.lane.id, delivery.event_id] = entered

    def _wait_at_gate(self, held: HeldLane) -> None:
        """Take a lane out of the line until there is room: to ask for hundreds of them at every start costs more."""
        del self._able[held.lane.id]
        assert self._mailbox.gate is not None
        assert held.facts is not None
        self._mailbox.gate.wait(held.lane.id, held.facts, partial(self._start_again, held))

    def _start_again(self, held: HeldLane) -> None:
        """Have this one start, and nobody who came later: they would take its turn."""
        if held.stock.ready:
            self.enter(held)
            self._start([held])

    async def _try(self, held: HeldLane, delivery: Delivery) -> None:
        started, token = time.monotonic(), held.lane.token
        at = self._clock + int((started - self._clock_at) * 1e6)
        outcome: Outcome
        try:
            assert held.facts is not None
            outcome = await self._perform(delivery, held.facts)
            if not isinstance(outcome, _OUTCOMES):
                outcome = Retry(f"{INTERNAL}: the try ended with {outcome!r}")
        except asyncio.CancelledError:
            outcome = Interrupted() if self._stopping else Retry(f"{INTERNAL}: the try cancelled itself")
        except Exception as error:
            log.exception("performing %s failed", delivery)
            outcome = Retry(f"{INTERNAL}: {type(error).__name__}: {error}")
        seconds = time.monotonic() - started
        health, milliseconds = held.health, int(seconds * 1000 + 0.5)
        probe = health.closed_at is not None and at >= health.closed_at
        schedule = schedule_of(held.facts)
        result = Result(delivery, at, milliseconds, outcome, health.open_time(at), token, schedule, probe)
        if self._entered:
            entered = self._entered.pop((held.lane.id, delivery.event_id), None)
            if entered is not None and self._mailbox.gate is not None:
                self._mailbox.gate.leave(entered)
        held.finish(result, at + int(seconds * 1e6), self._care)
        if held.stock.ready:
            self.enter(held)
        self._attend(held)
        if self._mailbox.on_result is not None:
            self._mailbox.on_result(result)
