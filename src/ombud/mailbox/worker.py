"""The performer: owns lanes, has what is due on them started, and settles what came of it, one transaction a turn.

Everything that waits at the start of a turn is done in it: the busier the worker, the more deliveries share a commit.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

from ombud.db.database import Writer
from ombud.db.operation import Operation
from ombud.errors import StorageUnavailable
from ombud.mailbox.bell import Heard, WorkerBell
from ombud.mailbox.holder import LANES, Holder
from ombud.mailbox.lease import free_leases, lane_of, next_wake, release, sweep
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Done, Health, Lane, Result, Retry
from ombud.mailbox.starter import INTERNAL, Perform
from ombud.mailbox.touch import Touch
from ombud.mailbox.turn import give_back, take_turn

log = logging.getLogger("ombud.mailbox")

# Deliveries in flight in this process; each may hold a socket, and a thousand destinations that hang must find room.
SLOTS = 2_048
# Lanes leased by one turn: its loads must fit in a commit of some tens of milliseconds.
LEASE_LANES = 256
# Seconds between two looks for work that another process has committed; its wake-up usually comes first.
POLL_SECONDS = 0.1
# Seconds between two turns that have few lanes to touch, and how many that are: with a turn for each of a thousand
# deliveries a second, a file would be locked half of the time for the other processes that append.
TURN_SECONDS = 0.01
FEW_LANES = 128
# Seconds between two sweeps where an append and its ring are two commits.
SWEEP_SECONDS = 2.0
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
        self._holder = Holder(mailbox, writer.database, perform, slots, self._look)
        # On the monotonic clock, seconds: when to look for lanes that are due, and to sweep.
        self._look_at = 0.0
        self._sweep_at = 0.0
        self._turned_at = 0.0
        self._others_wait = False
        self._stocked = False
        self._stopping = False
        self._returns: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Say that another process has committed something. Call it on the worker's event loop."""
        self._holder.wake()
        self._look()

    def stop(self) -> None:
        """Start nothing more; `run` returns within STOP_SECONDS and a commit. Call it on the worker's event loop."""
        self._stopping = True
        self._holder.awake.set()

    async def run(self) -> None:
        """Perform until `stop`; then leave STOP_SECONDS to what is in flight, cut the rest, give every lane back."""
        holder = self._holder
        bell = WorkerBell(holder.hear, lambda: holder.has_room and self._stocked and not self._stopping, holder.hold_of)
        silence, self._mailbox.bell = self._mailbox.bell, bell
        try:
            await self._until_done(self._take_stock)
            while not self._stopping:
                await self._until_done(self._step)
            self._mailbox.bell = silence
            await self._finish(bell)
        finally:
            # After an error or a cancellation: another process may be elected at once, and start the same.
            self._mailbox.bell = silence
            holder.cancel()

    async def _until_done(self, step: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping:
            try:
                await step()
            except StorageUnavailable as error:
                log.warning("deliveries wait: %s", error)
                await asyncio.sleep(STORAGE_PAUSE_SECONDS)
            else:
                return

    async def _take_stock(self) -> None:
        """Free what dead performers held, where there can be no other."""
        if self._writer.database.exclusive:
            await self._writer.write(lambda: free_leases(self._mailbox))
            await self._writer.write(sweep)
        # Not before: what an append had handed over would have been freed as well.
        self._stocked = True

    async def _step(self) -> None:
        if not self._writer.database.exclusive and time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP_SECONDS
            await self._writer.write(sweep)
        self._holder.awake.clear()
        await self._gather()
        if self._stopping:
            return
        self._holder.tick(others_wait=self._others_wait)
        self._holder.starter.start()
        lanes = await self._lanes_to_lease()
        touches = self._holder.begin_turn()
        if touches or lanes:
            self._turned_at = time.monotonic()
            await self._turn(touches, lanes)
        else:
            await self._rest()

    async def _gather(self) -> None:
        """Let a small turn that follows another at once wait for more to do."""
        left = self._turned_at + TURN_SECONDS - time.monotonic()
        if left > 0 and self._holder.attended < FEW_LANES and not self._others_wait:
            await asyncio.sleep(left)

    # When to look for lanes that are due ------------------------------------------------------------------------------

    def _look(self) -> None:
        """Look for lanes that are due with the next step, whatever a look that is under way finds."""
        self._look_at = 0.0
        self._holder.awake.set()

    @property
    def _room(self) -> int:
        return min(LEASE_LANES, LANES - len(self._holder.lanes))

    async def _lanes_to_lease(self) -> int:
        """Return how many lanes to lease in this turn: none before it is time to look."""
        if self._room <= 0 or time.monotonic() < self._look_at:
            return 0
        self._look_at = math.inf
        try:
            wait = await self._writer.database.fetch(lambda: next_wake(self._mailbox))
        except BaseException:
            self._look()
            raise
        if wait is not None and wait <= 0:
            return self._room
        self._plan_look(wait)
        return 0

    def _plan_look(self, wait: int | None) -> None:
        seconds = POLL_SECONDS if wait is None else min(POLL_SECONDS, max(0.0, wait / 1e6))
        self._look_at = min(self._look_at, time.monotonic() + seconds)

    # A turn -----------------------------------------------------------------------------------------------------------

    async def _turn(self, touches: Sequence[Touch], lanes: int) -> None:
        try:
            held = frozenset(self._holder.lanes) if lanes else frozenset()
            done = await self._writer.write(lambda: take_turn(self._mailbox, touches, lanes, held))
        except BaseException as error:
            self._holder.undo_turn(touches)
            self._look()
            if not isinstance(error, Exception) or isinstance(error, StorageUnavailable):
                raise
            if not await self._settle_singly(touches):
                raise
            return
        self._holder.take_in(touches, done)
        if lanes:
            self._others_wait = done.found >= lanes
        if lanes or done.released:
            self._plan_look(0 if lanes and self._others_wait else done.wait)
        self._holder.starter.start()
        _call_then(result for touch in touches for result in touch.results)

    async def _settle_singly(self, touches: Sequence[Touch]) -> bool:
        """After a turn that could not be written: a result that is to blame becomes a try that failed.

        Returns whether there was one; when there was none, nothing that was tried is the reason.
        """
        found = False
        for touch in touches:
            for result in touch.results:
                single = touch._replace(results=[result], keeps=None, leaves=False)
                try:
                    await self._writer.write(partial(give_back, self._mailbox, [single]))
                    touch.held.settled_singly(result)
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

    async def _rest(self) -> None:
        """Wait until something ended or was committed here, is due, or may have been committed elsewhere."""
        until = self._look_at if self._room > 0 else math.inf
        if self._holder.lanes:
            until = min(until, self._holder.tick_at)
        await asyncio.sleep(0)  # whatever woke it: the others on this loop have their turn
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._holder.awake.wait()

    # The end ----------------------------------------------------------------------------------------------------------

    async def _finish(self, bell: WorkerBell) -> None:
        holder = self._holder
        await holder.starter.stop(STOP_SECONDS, CUT_SECONDS)
        # What appends have handed over until now is heard, and given back as well.
        with suppress(StorageUnavailable):
            await self._writer.write(_nothing)
        bell.deliver()
        bell.tell(self._return)
        await self._give_back(holder.last_touches())

    async def _give_back(self, touches: Sequence[Touch]) -> None:
        """Write what is left of all lanes at once; else lane by lane: what cannot be written of one keeps no other.

        On PostgreSQL the statements of 500 lanes, one after the other, take a second and more.
        """
        try:
            await self._writer.write(partial(give_back, self._mailbox, touches))
        except StorageUnavailable as error:
            log.warning("what was in flight is not on record and will be repeated: %s", error)
        except Exception:
            log.exception("the lanes are given back one by one")
            await self._give_back_singly(touches)
        else:
            _call_then(result for touch in touches for result in touch.results)

    async def _give_back_singly(self, touches: Sequence[Touch]) -> None:
        given = [self._writer.write(partial(give_back, self._mailbox, [touch])) for touch in touches]
        for touch, error in zip(touches, await asyncio.gather(*given, return_exceptions=True), strict=True):
            if error is None:
                _call_then(touch.results)
            else:
                log.warning("what was in flight is not on record and will be repeated: %s", error)

    def _return(self, heard: Heard) -> None:
        """Give back what an append that was under way has taken for a worker that has ended."""
        lanes = [lane_of(row) for row in heard.taken]
        if lanes:
            self._returns = asyncio.create_task(self._release([(lane, lane.health) for lane in lanes]))

    async def _release(self, lanes: Sequence[tuple[Lane, Health]]) -> None:
        # Else they are free when their lease ends.
        with suppress(StorageUnavailable):
            await self._writer.write(lambda: release(lanes))


def _nothing() -> Operation[None]:
    yield from ()


def _call_then(settled: Iterable[Result]) -> None:
    for result in settled:
        if type(result.outcome) is Done and result.outcome.then is not None:
            try:
                result.outcome.then()
            except Exception:
                log.exception("after %s was settled, what should follow failed", result.delivery)
