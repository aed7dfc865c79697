"""How often a shop's API may be read: one bucket for each shop, shared by everything that reads."""

import asyncio

# Reads that may come at once after a pause: the burst of one page of a person's clicks.
BURST = 4


class Budget:
    """A token bucket (https://en.wikipedia.org/wiki/Token_bucket) for each shop. For one event loop."""

    def __init__(self, reads_per_second: float) -> None:
        """`reads_per_second`: of a shop that has no budget of its own."""
        self._reads_per_second = reads_per_second
        self._own: dict[int, float] = {}
        self._next: dict[int, float] = {}

    def give(self, shop_id: int, reads_per_second: float | None) -> None:
        """Let a shop have a budget of its own from now on, or again the common one."""
        self._own[shop_id] = reads_per_second or self._reads_per_second

    async def take(self, shop_id: int) -> None:
        """Wait until this shop may be read once more; first come, first served."""
        interval = 1.0 / self._own.get(shop_id, self._reads_per_second)
        now = asyncio.get_running_loop().time()
        earliest = now - (BURST - 1) * interval
        turn = max(self._next.get(shop_id, earliest), earliest)
        self._next[shop_id] = turn + interval
        if turn > now:
            await asyncio.sleep(turn - now)
