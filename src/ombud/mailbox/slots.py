"""Slots: how many deliveries a process has in flight, and whose. A slot is one long-lived task, so a try costs none."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ombud.mailbox.held import HeldLane
from ombud.mailbox.model import Delivery, Rank

# Shares of the slots: what one shop may hold, what tries that are not the first may hold, and what replays may hold.
SHOP_SHARE = 1 / 4
RETRY_SHARE = 4 / 5
REPLAY_SHARE = 1 / 4
# Lanes of this shop serve every shop.
EVERY_SHOP = 0

Try = Callable[[HeldLane, Delivery], Awaitable[None]]


class Slots:
    """Runs tries, up to a number at once, and keeps their shares."""

    def __init__(self, most: int, run: Try) -> None:
        self.most = most
        self.used = 0
        self._most_of_shop, self._most_retries, self._most_replays = (
            max(1, int(most * share)) for share in (SHOP_SHARE, RETRY_SHARE, REPLAY_SHARE)
        )
        self._run = run
        self._of_shop: dict[int, int] = {}
        self._retries = 0
        self._replays = 0
        self._queue: deque[tuple[HeldLane, Delivery]] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[None] | None = None
        self._closed = False
        self._waking = False  # a slot that was idle is about to look

    def admits(self, held: HeldLane, delivery: Delivery) -> bool:
        """Return whether a slot is free for it."""
        if self.used >= self.most:
            return False
        shop_id = held.lane.shop_id
        if shop_id != EVERY_SHOP and self._of_shop.get(shop_id, 0) >= self._most_of_shop:
            return False
        if delivery.attempts and self._retries >= self._most_retries:
            return False
        return delivery.rank != Rank.REPLAY or self._replays < self._most_replays

    def start(self, held: HeldLane, delivery: Delivery) -> None:
        """Run a try that was admitted."""
        self.used += 1
        shop_id = held.lane.shop_id
        self._of_shop[shop_id] = self._of_shop.get(shop_id, 0) + 1
        self._retries += delivery.attempts > 0
        self._replays += delivery.rank == Rank.REPLAY
        self._queue.append((held, delivery))
        self._wake_one()

    async def finish(self, seconds: float, cut_seconds: float) -> None:
        """Leave that long to what runs, then cancel it and leave it the second span."""
        await self._drain(seconds)
        for task in self._running:
            task.cancel()
        await self._drain(cut_seconds)

    def cancel(self) -> None:
        """End every slot at once, and for good."""
        self._closed = True
        for task in self._tasks:
            task.cancel()

    async def _drain(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.used:
                    self._ended = asyncio.get_running_loop().create_future()
                    await self._ended

    def _wake_one(self) -> None:
        """Have one more slot look into the queue; it wakes the next when something is left there.

        So tries that end without waiting for anything are run by one slot, and cost no wake-up each.
        """
        if self._waking:
            return
        if self._idle:
            self._waking = True
            self._idle.pop().set_result(None)
        elif len(self._tasks) < self.most:
            self._waking = True
            self._tasks.add(asyncio.create_task(self._serve()))

    async def _serve(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._waking = False
        while not self._closed:
            while not self._queue:
                free = asyncio.get_running_loop().create_future()
                self._idle.append(free)
                await free
                self._waking = False
            held, delivery = self._queue.popleft()
            if self._queue:
                self._wake_one()
            self._running.add(task)
            try:
                await self._run(held, delivery)
            finally:
                self._running.discard(task)
                self.used -= 1
                self._leave_shop(held.lane.shop_id)
                self._retries -= delivery.attempts > 0
                self._replays -= delivery.rank == Rank.REPLAY
                if self._ended is not None and not self._ended.done():
                    self._ended.set_result(None)

    def _leave_shop(self, shop_id: int) -> None:
        left = self._of_shop[shop_id] - 1
        if left:
            self._of_shop[shop_id] = left
        else:
            del self._of_shop[shop_id]
