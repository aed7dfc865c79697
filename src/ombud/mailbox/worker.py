"""The performer: owns lanes, has what is due on them started, and settles what came of it, one transaction a turn.

Everything that waits at the start of a turn is done in it: the busier the worker, the more deliveries share a commit.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from ombud.db.database import Writer
from ombud.errors import StorageUnavailable
from ombud.mailbox.bell import Heard, WorkerBell
from ombud.mailbox.held import HeldLane, Touch
from ombud.mailbox.lease import free_leases, lane_of, next_wake, sweep
from ombud.mailbox.load import facts_of
from ombud.mailbox.mailbox import LEASE_SECONDS, Appended, Mailbox
from ombud.mailbox.model import Done, Lane, Loaded, Result, Retry
from ombud.mailbox.starter import INTERNAL, Perform, Starter
from ombud.mailbox.turn import TurnDone, give_back, take_turn

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
KEPT_POLL_SECONDS = 0.5
# Seconds between two signs of life for a lane that stays owned, when it is also read from the front again.
EXTEND_SECONDS = min(2.0, LEASE_SECONDS / 3)
# Seconds that a busy lane stays owned although it is empty.
LINGER_SECONDS = 2.0
# Seconds between two sweeps where an append and its ring are two commits.
SWEEP_SECONDS = 2.0
# Seconds between two rounds over the lanes that are kept: wakes of other processes are heard together.
TICK_SECONDS = 0.02
# Seconds until the next try when the database refused a turn.
STORAGE_PAUSE_SECONDS = 0.5
# Seconds that a stopping process leaves to what is in flight, and then to what it has cut: supervisors kill after 5 or
# more.
STOP_SECONDS = 4.0
CUT_SECONDS = 0.3


class Worker:
    """Performs the due deliveries of one mailbox, on one event loop."""

    def __init__(self, mailbox: Mailbox, writer: Writer, perform: Perform, *, slots: int = SLOTS) -> None:
        self._mailbox = mailbox
        self._writer = writer
        self._starter = Starter(mailbox, perform, slots, self._attend)
        self._held: dict[int, HeldLane] = {}
        # Held lanes that need the next turn.
        self._dirty: dict[int, HeldLane] = {}
        self._greetings: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()
        # On the monotonic clock, seconds: when to look for lanes that are due, into kept lanes, and to sweep.
        self._look_at = 0.0
        self._tick_at = 0.0
        self._sweep_at = 0.0
        self._others_wait = False
        self._woken = False
        self._stopping = False

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
        bell = WorkerBell(self._hear, lambda: self._starter.has_room and len(self._held) < LANES // 2, self._held)
        silence, self._mailbox.bell = self._mailbox.bell, bell
        try:
            await self._persist(self._take_stock)
            while not self._stopping:
                await self._persist(self._step)
            self._mailbox.bell = silence
            await self._finish(bell)
        finally:
            # After an error or a cancellation: another process may be elected at once, and start the same.
            self._mailbox.bell = silence
            self._starter.cancel()

    async def _persist(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except StorageUnavailable as error:
            log.warning("deliveries wait: %s", error)
            await asyncio.sleep(STORAGE_PAUSE_SECONDS)

    async def _take_stock(self) -> None:
        """Free what dead performers held, where there can be no other."""
        if self._writer.database.exclusive:
            await self._writer.write(lambda: free_leases(self._mailbox))
            await self._writer.write(sweep)

    async def _step(self) -> None:
        if not self._writer.database.exclusive and time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP_SECONDS
            await self._writer.write(sweep)
        self._awake.clear()
        self._tick()
        self._starter.start()
        touches = self._touches()
        lanes = await self._lanes_to_lease()
        if touches or lanes:
            await self._turn(touches, lanes)
        else:
            await self._rest()

    def _attend(self, held: HeldLane) -> None:
        self._dirty[held.lane.id] = held
        self._awake.set()

    def _tick(self) -> None:
        """Find the kept lanes that need a sign of life or a look, and those that must give way."""
        now = time.monotonic()
        if now < self._tick_at:
            return
        self._tick_at = now + TICK_SECONDS
        clock, give_way = self._mailbox.clock(), self._others_wait and len(self._held) >= LANES
        for held in self._held.values():
            if held.needs_a_look(now, clock, woken=self._woken, pause_seconds=KEPT_POLL_SECONDS):
                self._dirty[held.lane.id] = held
            if give_way and (held.started >= QUANTUM_STARTS or now >= held.leased_at + QUANTUM_SECONDS):
                held.give_way()
                self._dirty[held.lane.id] = held
        self._woken = False

    # What appends of this process bring -------------------------------------------------------------------------------

    def _hear(self, heard: Heard) -> None:
        """Take over what an append has handed over, and look where it has rung."""
        taken, gifts = heard
        fresh = {row[0]: _hold(lane_of(row)) for row in taken}
        self._held.update(fresh)
        brought: list[tuple[HeldLane, Appended]] = []
        for appended in (one for gift in gifts for one in gift):
            held = self._held.get(appended.lane_id)
            if held is None:
                self._look_at = 0.0
            elif appended.deliveries and (appended.lane_id in fresh or held.takes_over):
                brought.append((held, appended))
            else:
                held.stale = True
                self._dirty[held.lane.id] = held
        if brought:
            task = asyncio.create_task(self._greet(brought))
            self._greetings.add(task)
            task.add_done_callback(self._greetings.discard)
        self._awake.set()

    async def _greet(self, brought: Sequence[tuple[HeldLane, Appended]]) -> None:
        """Learn where the lanes lead now, and start from memory what was appended for them."""
        lane_ids = [held.lane.id for held, _ in brought]
        try:
            facts = await self._writer.database.fetch(lambda: facts_of(self._mailbox, lane_ids))
        except StorageUnavailable:
            facts = {}
        now = time.monotonic()
        for held, appended in brought:
            known = facts.get(held.lane.id)
            if known is None or known["closed"] or self._held.get(held.lane.id) is not held:
                # A load finds out, and skips what a closed destination has waiting.
                held.drop_unstarted()
                self._attend(held)
            else:
                held.take_over(appended.deliveries, known, now, merging=self._mailbox.policy.merging)
                self._starter.enter(held)
        self._starter.start()

    # A turn -----------------------------------------------------------------------------------------------------------

    def _touches(self) -> list[Touch]:
        """Name the held lanes that need this turn's transaction."""
        now, clock, merging = time.monotonic(), self._mailbox.clock(), self._mailbox.policy.merging
        found = [
            held.touch(now, clock, merging=merging, linger_seconds=LINGER_SECONDS) for held in self._dirty.values()
        ]
        self._dirty = {}
        return [touch for touch in found if touch is not None]

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

    async def _turn(self, touches: Sequence[Touch], lanes: int) -> None:
        for touch in touches:
            touch.held.begin(touch)
        try:
            done = await self._writer.write(lambda: take_turn(self._mailbox, touches, lanes))
        except Exception as error:
            for touch in touches:
                touch.held.undo(touch)
                self._dirty[touch.held.lane.id] = touch.held
            if isinstance(error, StorageUnavailable) or not await self._settle_singly(touches):
                raise
            return
        now = time.monotonic()
        for touch in touches:
            touch.held.note(touch, now + EXTEND_SECONDS)
        self._take_over(done, now)
        if lanes:
            self._others_wait = done.found >= lanes
            self._plan_look(0 if self._others_wait else done.wait)
        self._starter.start()
        _call_then(result for touch in touches for result in touch.results)

    async def _settle_singly(self, touches: Sequence[Touch]) -> bool:
        """After a turn that could not be written: a result that is to blame becomes a try that failed.

        Returns whether there was one; when there was none, nothing that was tried is the reason.
        """
        found = False
        for touch in touches:
            for result in touch.results:
                single = replace(touch, results=[result], keeps=None, idle=False)
                try:
                    await self._writer.write(partial(give_back, self._mailbox, [single]))
                    touch.held.settled([result])
                    _call_then([result])
                except StorageUnavailable:
                    raise
                except Exception as error:
                    if str(getattr(result.outcome, "reason", "")).startswith(INTERNAL):
                        raise
                    log.exception("the result of %s cannot be written", result.delivery)
                    touch.held.blame(result, Retry(f"{INTERNAL}: {type(error).__name__}: {error}"))
                    found = True
        return found

    def _take_over(self, done: TurnDone, now: float) -> None:
        for held in done.lost:
            held.lose()
            if held.idle and not held.results:
                self._forget(held)
        for held in done.released:
            self._forget(held)
        for held, hold_until, given_up_at in done.holds:
            held.sees_hold(hold_until, given_up_at)
        for held, loaded in done.loaded:
            held.fill(loaded, now)
            self._starter.enter(held)
            if held.stale or held.idle:
                self._dirty[held.lane.id] = held
        clock = self._mailbox.clock()
        for lane_id, due_at in done.due.items():
            if (kept := self._held.get(lane_id)) is not None:
                kept.next_due = now + max(0.0, (due_at - clock) / 1e6)
        for lane, loaded in done.leased:
            self._own(lane, loaded, now)

    def _own(self, lane: Lane, loaded: Loaded, now: float) -> None:
        mine = self._held.get(lane.id)
        if mine is None:
            mine = self._held[lane.id] = _hold(lane)
            mine.fill(loaded, now)
        else:
            # The clock jumped past the end of our own lease, or a lost lane came back. What is in flight goes on.
            mine.own_again(lane)
        self._starter.enter(mine)
        self._dirty[lane.id] = mine

    def _forget(self, held: HeldLane) -> None:
        if self._held.get(held.lane.id) is held:
            del self._held[held.lane.id]
            self._dirty.pop(held.lane.id, None)
        self._starter.leave(held)

    async def _rest(self) -> None:
        """Wait until something ended or was committed here, is due, or may have been committed elsewhere."""
        until = min(self._look_at, self._tick_at) if self._held else self._look_at
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._awake.wait()
        except TimeoutError:
            return

    async def _finish(self, bell: WorkerBell) -> None:
        await self._starter.stop(STOP_SECONDS, CUT_SECONDS)
        bell.deliver()
        await asyncio.gather(*self._greetings)
        # Lane by lane, in one commit all the same: what cannot be written of one must not keep the others.
        touches = [held.last_touch() for held in self._held.values()]
        given = [self._writer.write(partial(give_back, self._mailbox, [touch])) for touch in touches]
        for error in await asyncio.gather(*given, return_exceptions=True):
            if error is not None:
                log.warning("what was in flight is not on record and will be repeated: %s", error)


def _hold(lane: Lane) -> HeldLane:
    return HeldLane(lane, time.monotonic(), EXTEND_SECONDS)


def _call_then(settled: Iterable[Result]) -> None:
    for result in settled:
        if type(result.outcome) is Done and result.outcome.then is not None:
            try:
                result.outcome.then()
            except Exception:
                log.exception("after %s was settled, what should follow failed", result.delivery)
