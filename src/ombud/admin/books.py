"""A sender at work whose figures are kept meanwhile."""

import asyncio

from ombud.admin.counting import Counting
from ombud.admin.tally import Tally
from ombud.sender.sender import Sender


class Books:
    """Keeps the figures of a sender: of its tries, of what it accepts and of what waits."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._tally = Tally(sender)
        self._counting = Counting(sender)

    async def run(self) -> None:
        """Deliver as `Sender.run` does, and keep the figures."""
        beside = [asyncio.create_task(work) for work in (self._tally.run(), self._counting.run())]
        try:
            await self._sender.run()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self._tally.flush()
