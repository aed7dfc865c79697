"""The performer: owns lanes, starts what is due on them, and settles what came of it, one transaction a turn.

Everything that waits at the start of a turn is done in it: the busier the worker, the more deliveries share a commit.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ombud.db.database import Writer
from ombud.errors import StorageUnavailable
from ombud.mailbox.held import HeldLane
from ombud.mailbox.lease import free_leases, lane_of, new_token, next_wake, sweep
from ombud.mailbox.load import facts_of
from ombud.mailbox.mailbox import LEASE_SECONDS, Appended, Mailbox
from ombud.mailbox.model import Delivery, Done, Interrupted, Lane, Loaded, Outcome, Result, Retry
from ombud.mailbox.settle import settle
from ombud.mailbox.slots import Slots
from ombud.mailbox.turn import Touch, TurnDone, give_back, take_turn

Perform = Callable[[Delivery, Mapping[str, Any]], Awaitable[Outcome]]

log = logging.getLogger("ombud.mailbox")

# Deliveries in flight in this process; each may hold a socket, and a thousand endpoints that hang must find room.
SLOTS = 2_048
# Lanes owned at once, and leased by one turn: the loads of a turn must fit in a commit of some tens of milliseconds.
LANES = 4_096
LEASE_LANES = 256
# Deliveries of a lane, or seconds of its lease, after which it makes room when more lanes are due than can be owned.
QUANTUM_STARTS = 64
QUANTUM_SECONDS = 2.0
# Seconds between two looks for work that another process has committed; its wake-up usually comes first.
POLL_SECONDS = 0.1
# Seconds between two looks into lanes that are kept although nothing is known to wait in them.
KEPT_POLL_SECONDS = 0.02
# Seconds between two signs of life for a lane that stays owned, when it is also read from the front again.
EXTEND_SECONDS = min(2.0, LEASE_SECONDS / 3)
# Seconds that a busy lane stays owned although it is empty.
LINGER_SECONDS = 2.0
# Seconds between two sweeps where an append and its ring are two commits.
SWEEP_SECONDS = 2.0
# Seconds until the next try when the database refused a turn.
STORAGE_PAUSE_SECONDS = 0.5
# Seconds that a stopping process leaves to what is in flight, and then to what it has cut: supervisors kill after 5 or
# more.
STOP_SECONDS = 4.0
CUT_SECONDS = 0.3
# How the reason begins when a try failed for a mistake of ours.
INTERNAL = "internal error"


class Worker:
    """Performs the due deliveries of one mailbox, on one event loop; the mailbox's bell while it runs."""

    def __init__(self, mailbox: Mailbox, writer: Writer, perform: Perform, *, slots: int = SLOTS) -> None:
        self._mailbox = mailbox
        self._writer = writer
        self._perform = perform
        self._slots = Slots(slots, self._try)
        # By lane; who was served last stands at the end.
        self._held: dict[int, HeldLane] = {}
        self._dirty: dict[int, HeldLane] = {}
        self._able: dict[int, HeldLane] = {}
        self._heard: deque[tuple[list[Sequence[Any]], list[Sequence[Appended]]]] = deque()
        self._taken: list[Sequence[Any]] = []
        self._greeting: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._awake = asyncio.Event()
        self._look_at = 0.0
        self._tick_at = 0.0
        self._sweep_at = 0.0
        self._others_wait = False
        self._woken = False
        self._leases_freed = False
        self._stopping = False

    # The bell, from any thread ----------------------------------------------------------------------------------------

    def take(self) -> int | None:
        """Return a token to lease with, while there is room for what an append brings."""
        room = len(self._held) < LANES // 2 and self._slots.used < self._slots.most // 2
        return new_token() if room and not self._stopping and self._loop is not None else None

    def taken(self, lanes: list[Sequence[Any]], _gifts: list[Any]) -> None:
        """Own the lanes that were leased by an append."""
        self._taken += lanes

    def rung(self, _lanes: list[Sequence[Any]], gifts: list[Sequence[Appended]]) -> None:
        """Hear what was committed here."""
        taken, self._taken = self._taken, []
        first = not self._heard
        self._heard.append((taken, gifts))
        if first and self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._hear)
            except RuntimeError:
                log.warning("an event loop has ended with lanes in its hands; they are free when their lease ends")

    # The life of the worker -------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Say that another process has committed something. Call it on the worker's event loop."""
        self._woken = True
        self._look_at = 0.0
        self._awake.set()

    def stop(self) -> None:
        """Start nothing more; `run` returns within STOP_SECONDS and a commit. Call it on the worker's event loop."""
        self._stopping = True
        self._awake.set()

    async def run(self) -> None:
        """Perform until `stop`; then leave STOP_SECONDS to what is in flight, cut the rest, give every lane back."""
        self._loop = asyncio.get_running_loop()
        silence, self._mailbox.bell = self._mailbox.bell, self
        try:
            while not self._stopping:
                try:
                    await self._step()
                except StorageUnavailable as error:
                    log.warning("deliveries wait: %s", error)
                    await asyncio.sleep(STORAGE_PAUSE_SECONDS)
            self._mailbox.bell = silence
            await self._finish()
        finally:
            # After an error or a cancellation: another process may be elected at once, and start the same.
            self._mailbox.bell = silence
            self._slots.cancel()

    async def _step(self) -> None:
        await self._clean_up()
        self._awake.clear()
        self._tick()
        self._start()
        touches = self._touches()
        lanes = await self._lanes_to_lease()
        if touches or lanes:
            await self._turn(touches, lanes)
        else:
            await self._rest()

    async def _clean_up(self) -> None:
        """Free what dead performers held, where there can be no other; ring what an append left unrung."""
        if not self._leases_freed and self._writer.database.exclusive:
            await self._writer.write(lambda: free_leases(self._mailbox))
        if not self._leases_freed or (not self._writer.database.exclusive and time.monotonic() >= self._sweep_at):
            self._sweep_at = time.monotonic() + SWEEP_SECONDS
            await self._writer.write(sweep)
        self._leases_freed = True

    def _tick(self) -> None:
        """Find the kept lanes that need a sign of life, a look, or to give way."""
        now = time.monotonic()
        if now < self._tick_at:
            return
        self._tick_at = now + KEPT_POLL_SECONDS
        give_way = self._others_wait and len(self._held) >= LANES
        for held in self._held.values():
            if now >= held.extend_at:
                held.drop_unstarted()
                held.asks_due = True
            elif held.next_due is not None and now >= held.next_due:
                held.stale, held.next_due = True, None
            elif self._woken or (held.idle and now >= held.worked_at + KEPT_POLL_SECONDS):
                held.stale = True
            elif held.health.closed_at is None or self._mailbox.clock() < held.health.hold_until:
                continue
            self._dirty[held.lane.id] = held
            if give_way and (held.started >= QUANTUM_STARTS or now >= held.leased_at + QUANTUM_SECONDS):
                held.drop_unstarted()
                held.yielding = True
        self._woken = False

    def _hear(self) -> None:
        """Take over what appends have handed over, and look where they have rung."""
        while self._heard:
            taken, gifts = self._heard.popleft()
            fresh = {row[0]: _hold(lane_of(row)) for row in taken}
            for appended in (one for gift in gifts for one in gift):
                if (held := fresh.get(appended.lane_id)) is not None:
                    for delivery in appended.deliveries:
                        held.add(delivery)
                elif (held := self._held.get(appended.lane_id)) is not None:
                    held.stale = True
                    self._dirty[held.lane.id] = held
                else:
                    self._look_at = 0.0
            if fresh:
                self._held |= fresh
                task = asyncio.create_task(self._greet(list(fresh.values())))
                self._greeting.add(task)
                task.add_done_callback(self._greeting.discard)
        self._awake.set()

    async def _greet(self, fresh: Sequence[HeldLane]) -> None:
        """Learn where fresh lanes lead, and start what they were handed over with."""
        lane_ids = [held.lane.id for held in fresh]
        try:
            facts = await self._writer.database.fetch(lambda: facts_of(self._mailbox, lane_ids))
        except StorageUnavailable:
            facts = {}
        for held in fresh:
            known = facts.get(held.lane.id)
            if known is None or known["closed"]:
                # A load finds out, and skips what a closed destination has waiting.
                held.drop_unstarted()
                self._dirty[held.lane.id] = held
            else:
                held.facts = known
                self._able[held.lane.id] = held
        self._start()
        self._awake.set()

    # A turn -----------------------------------------------------------------------------------------------------------

    def _touches(self) -> list[Touch]:
        """Name the held lanes that need this turn's transaction."""
        now, clock, merging = time.monotonic(), self._mailbox.clock(), self._mailbox.policy.merging
        touches = []
        for held in self._dirty.values():
            wanted = held.wanted(clock, merging=merging)
            keeps = (held.stored_health, held.health) if held.keeps and not held.lost else None
            extend = now >= held.extend_at
            lingers = held.busy_enough_to_linger and now < held.worked_at + LINGER_SECONDS
            idle = held.idle and held.facts is not None
            if held.results or wanted or keeps or extend or (idle and not lingers):
                touches.append(
                    Touch(
                        held, list(held.results), wanted, keeps, extend, idle, lingers, held.asks_due, held.careful > 0
                    )
                )
        self._dirty = {}
        return touches

    async def _lanes_to_lease(self) -> int:
        """Return how many lanes to lease in this turn: none before it is time to look."""
        room = min(LEASE_LANES, LANES - len(self._held))
        if room <= 0 or time.monotonic() < self._look_at:
            return 0
        wait = await self._writer.database.fetch(lambda: next_wake(self._mailbox))
        if wait is not None and wait <= 0:
            return room
        self._plan_look(wait)
        return 0

    def _plan_look(self, wait: int | None) -> None:
        seconds = POLL_SECONDS if wait is None else min(POLL_SECONDS, max(0.0, wait / 1e6))
        self._look_at = time.monotonic() + seconds

    async def _turn(self, touches: list[Touch], lanes: int) -> None:
        for touch in touches:
            touch.held.asks_due = False
            if touch.wanted is not None:
                # A ring that comes while the turn is committed makes it stale again.
                touch.held.stale = False
        try:
            done = await self._writer.write(lambda: take_turn(self._mailbox, touches, lanes))
        except Exception as error:
            self._undo(touches)
            if isinstance(error, StorageUnavailable) or not await self._settle_singly(touches):
                raise
            return
        self._note(touches)
        self._take_over(done)
        if lanes:
            self._others_wait = done.found >= lanes
            self._plan_look(0 if self._others_wait else done.wait)
        self._start()
        _call_then(result for touch in touches for result in touch.results)

    def _undo(self, touches: Iterable[Touch]) -> None:
        for touch in touches:
            touch.held.stale = touch.held.stale or touch.wanted is not None
            touch.held.asks_due = touch.held.asks_due or touch.asks_due
            self._dirty[touch.held.lane.id] = touch.held

    def _note(self, touches: Iterable[Touch]) -> None:
        """Remember what is stored now."""
        now = time.monotonic()
        for touch in touches:
            held = touch.held
            held.settled(len(touch.results))
            if touch.keeps is not None:
                held.stored_health = touch.keeps[1]
            if touch.extend:
                held.extend_at = now + EXTEND_SECONDS

    async def _settle_singly(self, touches: Sequence[Touch]) -> bool:
        """After a turn that could not be written: a result that is to blame becomes a try that failed.

        Returns whether there was one; when there was none, nothing that was tried is the reason.
        """
        found = False
        for touch in touches:
            for result in touch.results:
                try:
                    await self._writer.write(partial(_settle_one, self._mailbox, touch.held.lane, result))
                    touch.held.settled(1)
                    _call_then([result])
                except StorageUnavailable:
                    raise
                except Exception as error:
                    if str(getattr(result.outcome, "reason", "")).startswith(INTERNAL):
                        raise
                    log.exception("the result of %s cannot be written", result.delivery)
                    failed = Retry(f"{INTERNAL}: {type(error).__name__}: {error}")
                    touch.held.results[touch.held.results.index(result)] = result._replace(outcome=failed)
                    found = True
                    break
        return found

    def _take_over(self, done: TurnDone) -> None:
        now, clock = time.monotonic(), self._mailbox.clock()
        for held in done.lost:
            held.lost = True
            held.drop_unstarted()
            if held.idle and not held.results:
                self._forget(held)
        for held in done.released:
            self._forget(held)
        for held, hold_until, given_up_at in done.holds:
            held.sees_hold(hold_until, given_up_at)
        for held, loaded in done.loaded:
            held.fill(loaded, now)
            self._able[held.lane.id] = held
            if held.stale or held.idle:
                self._dirty[held.lane.id] = held
        for lane_id, due_at in done.due.items():
            if (held := self._held.get(lane_id)) is not None:
                held.next_due = now + max(0.0, (due_at - clock) / 1e6)
        for lane, loaded in done.leased:
            self._own(lane, loaded, now)

    def _own(self, lane: Lane, loaded: Loaded, now: float) -> None:
        mine = self._held.get(lane.id)
        if mine is None:
            mine = self._held[lane.id] = _hold(lane)
            mine.fill(loaded, now)
        else:
            # The clock jumped past the end of our own lease, or a lost lane came back. What is in flight goes on.
            mine.lane, mine.lost = lane, False
            mine.drop_unstarted()
        self._able[lane.id] = mine
        self._dirty[lane.id] = mine

    def _forget(self, held: HeldLane) -> None:
        if self._held.get(held.lane.id) is held:
            del self._held[held.lane.id]
        self._able.pop(held.lane.id, None)
        self._dirty.pop(held.lane.id, None)

    # Tries ------------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Start what windows and slots allow, a delivery of each lane in turn, so that no lane takes every slot."""
        if not self._able or self._stopping:
            return
        clock = self._mailbox.clock()
        able = list(self._able.values())
        while able and self._slots.used < self._slots.most:
            served = []
            for held in able:
                delivery = held.take(clock, self._slots.admits)
                if delivery is None:
                    self._cannot_start(held, clock)
                    continue
                self._slots.start(held, delivery)
                served.append(held)
            able = served
        for held in able:
            # Who was served last goes to the end of the line.
            self._able[held.lane.id] = self._able.pop(held.lane.id)

    def _cannot_start(self, held: HeldLane, clock: int) -> None:
        """Take a lane out of the line that must load or wait; one that only found no slot stays in it."""
        if not held.ready or len(held.in_flight) >= held.window(clock):
            self._able.pop(held.lane.id, None)
        if held.stale:
            self._dirty[held.lane.id] = held
            self._awake.set()

    async def _try(self, held: HeldLane, delivery: Delivery) -> None:
        clock, started = self._mailbox.clock, time.monotonic()
        at = clock()
        outcome: Outcome
        try:
            assert held.facts is not None
            outcome = await self._perform(delivery, held.facts)
        except asyncio.CancelledError:
            outcome = Interrupted() if self._stopping else Retry(f"{INTERNAL}: the try cancelled itself")
        except Exception as error:
            log.exception("performing %s failed", delivery)
            outcome = Retry(f"{INTERNAL}: {type(error).__name__}: {error}")
        milliseconds = round((time.monotonic() - started) * 1000)
        open_age = held.health.open_age(delivery.open_since, at)
        result = Result(delivery, at, milliseconds, outcome, open_age)
        held.finish(result, clock(), self._mailbox.policy.care, random.random())  # noqa: S311 - jitter
        self._dirty[held.lane.id] = held
        if held.ready:
            self._able[held.lane.id] = held
        self._awake.set()

    async def _rest(self) -> None:
        """Wait until something ended or was committed here, is due, or may have been committed elsewhere."""
        now = time.monotonic()
        # Kept lanes are looked into at every tick.
        times = [self._look_at, *([self._tick_at] if self._held else [])]
        try:
            async with asyncio.timeout(max(0.0, min(times) - now)):
                await self._awake.wait()
        except TimeoutError:
            return

    async def _finish(self) -> None:
        await self._slots.finish(STOP_SECONDS, CUT_SECONDS)
        await asyncio.gather(*self._greeting)
        self._hear()
        # Lane by lane, in one commit all the same: what cannot be written of one must not keep the others.
        touches = [_last_touch(held) for held in self._held.values()]
        given = [self._writer.write(partial(give_back, self._mailbox, [touch])) for touch in touches]
        for error in await asyncio.gather(*given, return_exceptions=True):
            if error is not None:
                log.warning("what was in flight is not on record and will be repeated: %s", error)


def _hold(lane: Lane) -> HeldLane:
    return HeldLane(lane, time.monotonic(), EXTEND_SECONDS)


def _last_touch(held: HeldLane) -> Touch:
    keeps = (held.stored_health, held.health) if held.keeps else None
    idle = not held.in_flight
    return Touch(held, list(held.results), None, keeps, extend=False, idle=idle, lingers=False, asks_due=False, careful=False)


def _settle_one(mailbox: Mailbox, lane: Lane, result: Result) -> Any:
    from ombud.mailbox.lease import fence

    owned = yield from fence([lane])
    yield from settle(mailbox, [result], set(owned))


def _call_then(settled: Iterable[Result]) -> None:
    for result in settled:
        if isinstance(result.outcome, Done) and result.outcome.then is not None:
            try:
                result.outcome.then()
            except Exception:
                log.exception("after %s was settled, what should follow failed", result.delivery)
