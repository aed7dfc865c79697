"""Webhooks that arrive together are stored together: a commit costs about as much as parsing ten requests.

What comes until turns of the event loop bring no more is one write, and while that is under way the next one gathers.
So nothing waits for a timer, and the busier a receiver is, the cheaper each webhook becomes. The writer would share
commits, too; but it begins with the first webhook that it is given, and a busy core then commits a handful at a time.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from ombud.db.database import BATCH_LIMIT, QUEUE_LIMIT
from ombud.errors import StorageUnavailable
from ombud.mailbox.model import Draft
from ombud.receiver.hook import NOT_STORED, OK, Reply
from ombud.receiver.receiver import Receiver

# Turns of the event loop that bring nothing more, after which what waits is written. An answer is sent in one; what its
# sender asks next is read in the next or the one after, and is a webhook in the turn after that (decision 0065).
IDLE_TURNS = 4
# Turns after which it is written in any case.
MOST_TURNS = 16

log = logging.getLogger("ombud.receiver")


class Gathering:
    """Stores webhooks for the requests of one event loop."""

    def __init__(self, receiver: Receiver, loop: asyncio.AbstractEventLoop) -> None:
        self.receiver = receiver
        self.loop = loop
        self._drafts: list[Draft] = []
        self._answers: list[asyncio.Future[Reply]] = []
        self._writing: asyncio.Task[None] | None = None

    def store(self, draft: Draft) -> asyncio.Future[Reply]:
        """Return what will be the answer: OK once it is on disk, NOT_STORED when it is not.

        Raises StorageUnavailable at once when too many wait.
        """
        if len(self._drafts) >= QUEUE_LIMIT:
            raise StorageUnavailable(f"{QUEUE_LIMIT} webhooks are waiting already; nothing was stored. Try again.")
        answer: asyncio.Future[Reply] = self.loop.create_future()
        self._drafts.append(draft)
        self._answers.append(answer)
        if self._writing is None or self._writing.done():
            self._writing = self.loop.create_task(self._write())
        return answer

    async def _write(self) -> None:
        """Write what waits, until nothing does."""
        while self._drafts:
            await self._gather()
            drafts, answers = self._drafts[:BATCH_LIMIT], self._answers[:BATCH_LIMIT]
            del self._drafts[:BATCH_LIMIT], self._answers[:BATCH_LIMIT]
            reply = await self._append(drafts)
            for answer in answers:
                # Whoever has gone away meanwhile needs no answer; what was stored is stored.
                if not answer.done():
                    answer.set_result(reply)

    async def _append(self, drafts: Sequence[Draft]) -> Reply:
        try:
            await self.receiver.writer.write(partial(self.receiver.arrivals.append, drafts))
        except Exception as error:  # noqa: BLE001 - whatever it is, each request must hear of it
            log.warning("%d arrivals were not stored: %s", len(drafts), error)
            return NOT_STORED
        return OK

    async def _gather(self) -> None:
        """Wait while turns of the event loop bring more."""
        idle = 0
        for _ in range(MOST_TURNS):
            waiting = len(self._drafts)
            if idle == IDLE_TURNS or waiting >= BATCH_LIMIT:
                return
            await asyncio.sleep(0)
            idle = idle + 1 if len(self._drafts) == waiting else 0
