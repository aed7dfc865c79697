"""The performer: owns lanes, starts what is due on them, and settles what came of it, one transaction a turn.

Everything that waits at the start of a turn is done in it: the busier the worker, the more deliveries share a commit.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
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
# Seconds that a stopping process leaves to what is in flight: supervisors kill after 5 or more.
STOP_SECONDS = 4.0


class Worker:
    """Performs the due deliveries of one mailbox, on one event loop. The only performer of its box on this database."""

    def __init__(self, mailbox: Mailbox, writer: Writer, perform: Perform, *, slots: int = SLOTS) -> None:
        self._mailbox = mailbox
        self._writer = writer
        self._perform = perform
        self._slots = slots
        self._held: set[HeldLane] = set()
        self._awake = asyncio.Event()
        self._next_wake: int | None = None
        self._stopping = False

    def wake(self) -> None:
        """Say that something was committed. Call it on the worker's event loop."""
        for held in self._held:
            held.stale = True
        self._awake.set()

    def stop(self) -> None:
        """Start nothing more; `run` returns within STOP_SECONDS and a commit. Call it on the worker's event loop."""
        self._stopping = True
        self._awake.set()

    async def run(self) -> None:
        """Perform until `stop`; then leave STOP_SECONDS to what is in flight, cut the rest, give every lane back."""
        await self._writer.write(self._mailbox.free_leases)
        while not self._stopping:
            self._awake.clear()
            try:
                touches = self._touches()
                if touches or self._lane_is_due():
                    await self._turn(touches)
                else:
                    await self._rest()
            except StorageUnavailable as error:
                log.warning("deliveries wait: %s", error)
                await asyncio.sleep(STORAGE_PAUSE_SECONDS)
        await self._finish()

    def _touches(self) -> list[Touch]:
        """Name the held lanes that need this turn's transaction."""
        now, monotonic = self._mailbox.clock(), time.monotonic()
        touches = []
        for held in self._held:
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
        except StorageUnavailable:
            for touch in touches:
                touch.held.stale = True
            raise
        for touch in touches:
            del touch.held.results[: len(touch.results)]
            if touch.extend:
                touch.held.extend_at = time.monotonic() + EXTEND_SECONDS
        self._take_over(done)
        self._start()
        _call_then(touches)

    def _take_over(self, done: TurnDone) -> None:
        for held in done.lost:
            held.lost = True
            held.ready.clear()
        for held, loaded, next_due in done.loaded:
            self._fill(held, loaded)
            held.next_due = next_due
        for lane, loaded in done.leased:
            held = _hold(lane)
            self._held.add(held)
            self._fill(held, loaded)
        self._held.difference_update(done.released)
        self._held = {held for held in self._held if not (held.lost and held.idle and not held.results)}

    def _fill(self, held: HeldLane, loaded: Loaded) -> None:
        held.facts = loaded.facts
        held.ready.extend(loaded.deliveries)

    def _start(self) -> None:
        """Start what windows and slots allow, a delivery of each lane in turn, so that no lane takes every slot."""
        free = self._slots - sum(len(held.in_flight) for held in self._held)
        able = [held for held in self._held if held.ready]
        while free > 0 and able and not self._stopping:
            able = [held for held in able if held.ready and len(held.in_flight) < held.window]
            for held in able[:free]:
                delivery = held.ready.popleft()
                task = asyncio.create_task(self._try(held, delivery))
                held.in_flight[task] = delivery
            free -= len(able)

    async def _try(self, held: HeldLane, delivery: Delivery) -> None:
        at, started = self._mailbox.clock(), time.monotonic()
        outcome: Outcome
        try:
            outcome = await self._perform(delivery, held.facts)
        except asyncio.CancelledError:
            outcome = Interrupted()
        except Exception as error:
            log.exception("performing %s failed", delivery)
            outcome = Retry(f"internal error: {type(error).__name__}: {error}")
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
        due = [self._next_wake, *(held.next_due for held in self._held)]
        seconds = min([POLL_SECONDS, *((time_due - now) / 1e6 for time_due in due if time_due is not None)])
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._awake.wait()
        except TimeoutError:
            return

    async def _finish(self) -> None:
        tasks = [task for held in self._held for task in held.in_flight]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        lanes = list(self._held)
        self._held.clear()
        await self._writer.write(lambda: give_back(self._mailbox, lanes))


def _call_then(touches: list[Touch]) -> None:
    for result in (result for touch in touches for result in touch.results):
        if isinstance(result.outcome, Done) and result.outcome.then is not None:
            result.outcome.then()


def _hold(lane: Lane) -> HeldLane:
    return HeldLane(lane, lane.window, lane.failures, time.monotonic() + EXTEND_SECONDS)
