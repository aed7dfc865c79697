"""Slots: how many deliveries a process has in flight, and whose."""

import asyncio
from collections import defaultdict
from contextlib import suppress

from ombud.mailbox.held import HeldLane
from ombud.mailbox.model import Delivery

# Shares of the slots: what one shop may hold, what tries that are not the first may hold, and what replays may hold.
SHOP_SHARE = 1 / 4
RETRY_SHARE = 4 / 5
REPLAY_SHARE = 1 / 4
# Lanes of this shop serve every shop.
EVERY_SHOP = 0


class Slots:
    """Counts tries, up to a number at once, and keeps their shares."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0
        self._most_of_shop, self._most_retries, self._most_replays = (
            max(1, int(most * share)) for share in (SHOP_SHARE, RETRY_SHARE, REPLAY_SHARE)
        )
        # While no more are used, every share has room.
        self._free_for_all = min(self._most_of_shop, self._most_retries, self._most_replays)
        self._of_shop: defaultdict[int, int] = defaultdict(int)
        self._retries = 0
        self._replays = 0
        self._left: asyncio.Future[None] | None = None

    def admits(self, held: HeldLane, delivery: Delivery) -> bool:
        """Return whether a slot is free for it."""
        if self.used < self._free_for_all:
            return True
        if self.used >= self.most:
            return False
        shop_id = held.shop_id
        if shop_id != EVERY_SHOP and self._of_shop.get(shop_id, 0) >= self._most_of_shop:
            return False
        if delivery.attempts and self._retries >= self._most_retries:
            return False
        return not delivery.rank or self._replays < self._most_replays

    def enter(self, held: HeldLane, delivery: Delivery) -> None:
        """Take a slot for a try that was admitted."""
        self.used += 1
        self._of_shop[held.shop_id] += 1
        if delivery.attempts:
            self._retries += 1
        if delivery.rank:
            self._replays += 1

    def leave(self, held: HeldLane, delivery: Delivery) -> None:
        """Free the slot of a try that has ended."""
        self.used -= 1
        of_shop, shop_id = self._of_shop, held.shop_id
        if of_shop[shop_id] == 1:
            del of_shop[shop_id]
        else:
            of_shop[shop_id] -= 1
        if delivery.attempts:
            self._retries -= 1
        if delivery.rank:
            self._replays -= 1
        if self._left is not None and not self._left.done():
            self._left.set_result(None)

    async def drain(self, seconds: float) -> None:
        """Wait until no slot is used, that long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.used:
                    self._left = asyncio.get_running_loop().create_future()
                    await self._left
