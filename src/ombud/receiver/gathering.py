"""Webhooks that arrive together are stored together: a commit costs about as much as parsing ten requests.

What is ready in one turn of the event loop is one write, and while that is under way the next one gathers. So nothing
waits for a timer, and the busier a receiver is, the cheaper each webhook becomes. The writer would share commits, too;
but it begins with the first webhook that it is given, and a busy core then commits a handful at a time.
"""

import asyncio
from collections import deque
from functools import partial

from ombud.db.database import BATCH_LIMIT, QUEUE_LIMIT
from ombud.errors import StorageUnavailable
from ombud.mailbox.model import Draft
from ombud.receiver.receiver import Receiver


class Gathering:
    """Stores webhooks for the requests of one event loop."""

    def __init__(self, receiver: Receiver, loop: asyncio.AbstractEventLoop) -> None:
        self.receiver = receiver
        self.loop = loop
        self._waiting: deque[tuple[Draft, asyncio.Future[None]]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._is_due = False

    async def store(self, draft: Draft) -> None:
        """Return when it is on disk; raises StorageUnavailable when it is not stored."""
        if len(self._waiting) >= QUEUE_LIMIT:
            raise StorageUnavailable(f"{QUEUE_LIMIT} webhooks are waiting already; nothing was stored. Try again.")
        answer: asyncio.Future[None] = self.loop.create_future()
        self._waiting.append((draft, answer))
        if not self._is_due:
            self._is_due = True
            # Behind whatever else this turn of the loop has to do.
            self.loop.call_soon(self._begin)
        await answer

    def _begin(self) -> None:
        self._writing = self.loop.create_task(self._write())

    async def _write(self) -> None:
        """Write what waits, until nothing does."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_LIMIT))]
            try:
                await self._write_all([draft for draft, _ in batch])
            except Exception as error:  # noqa: BLE001 - whatever it is, each request must hear of it
                for _, answer in batch:
                    if not answer.done():
                        # One of its own for each: an error that is raised in many tasks collects the tracebacks of all.
                        answer.set_exception(StorageUnavailable(f"The webhook could not be stored: {error}"))
                continue
            for _, answer in batch:
                # Whoever has gone away meanwhile needs no answer; the webhook is stored.
                if not answer.done():
                    answer.set_result(None)
        self._is_due = False

    async def _write_all(self, drafts: list[Draft]) -> None:
        await self.receiver.writer.write(partial(self.receiver.arrivals.append, drafts))
