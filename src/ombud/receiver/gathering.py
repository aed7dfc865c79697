"""Webhooks that arrive together are stored together: a commit costs about as much as parsing ten requests.

What is ready in one turn of the event loop is one write, and while that is under way the next one gathers. So nothing
waits for a timer, and the busier a receiver is, the cheaper each webhook becomes. The writer would share commits, too;
but it begins with the first webhook that it is given, and a busy core then commits a handful at a time.
"""

import asyncio
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
        self._drafts: list[Draft] = []
        self._answers: list[asyncio.Future[None]] = []
        self._writing: asyncio.Task[None] | None = None
        self._is_due = False

    def store(self, draft: Draft) -> asyncio.Future[None]:
        """Return what is done when it is on disk, or has failed with StorageUnavailable: then it is not stored.

        Raises that at once when too many wait.
        """
        if len(self._drafts) >= QUEUE_LIMIT:
            raise StorageUnavailable(f"{QUEUE_LIMIT} webhooks are waiting already; nothing was stored. Try again.")
        answer: asyncio.Future[None] = self.loop.create_future()
        self._drafts.append(draft)
        self._answers.append(answer)
        if not self._is_due:
            self._is_due = True
            # Behind whatever else this turn of the loop has to do.
            self.loop.call_soon(self._begin)
        return answer

    def _begin(self) -> None:
        self._writing = self.loop.create_task(self._write())

    async def _write(self) -> None:
        """Write what waits, until nothing does."""
        while self._drafts:
            drafts, answers = self._drafts[:BATCH_LIMIT], self._answers[:BATCH_LIMIT]
            del self._drafts[:BATCH_LIMIT], self._answers[:BATCH_LIMIT]
            try:
                await self.receiver.writer.write(partial(self.receiver.arrivals.append, drafts))
            except Exception as error:  # noqa: BLE001 - whatever it is, each request must hear of it
                for answer in answers:
                    if not answer.done():
                        # One of its own for each: an error that is raised in many tasks collects the tracebacks of all.
                        answer.set_exception(StorageUnavailable(f"The webhook could not be stored: {error}"))
                continue
            for answer in answers:
                # Whoever has gone away meanwhile needs no answer; the webhook is stored.
                if not answer.done():
                    answer.set_result(None)
        self._is_due = False
