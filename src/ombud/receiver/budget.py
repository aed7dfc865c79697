"""How often a shop's API may be read: one bucket for each shop, shared by everything that reads."""

import asyncio

# Reads that may come at once after a pause: the burst of one page of a person's clicks.
BURST = 4


class Budget:
    """A token bucket (https://en.wikipedia.org/wiki/Token_bucket) for each shop. For one event loop."""

    def __init__(self, reads_per_second: float) -> None:
        self._interval = 1.0 / reads_per_second
        self._next: dict[int, float] = {}

    async def take(self, shop_id: int) -> None:
        """Wait until this shop may be read once more; first come, first served."""
        now = asyncio.get_running_loop().time()
        earliest = now - (BURST - 1) * self._interval
        turn = max(self._next.get(shop_id, 0.0), earliest)
        self._next[shop_id] = turn + self._interval
        if turn > now:
            await asyncio.sleep(turn - now)
