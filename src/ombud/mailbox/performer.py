"""Who performs: on SQLite one process for each box, elected by a lock that the kernel frees when it dies; else all.

Every process may append. The ones that hold the seat work the lanes; the others stand by and wake them.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from ombud.db.database import Writer
from ombud.mailbox.janitor import Janitor
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.opening import seat_name
from ombud.mailbox.starter import Perform
from ombud.mailbox.worker import Worker

log = logging.getLogger("ombud.mailbox")

# Seconds between two tries to be elected: what the work of a box stands still for when its performer dies.
ELECTION_SECONDS = 0.5


class Performer:
    """Works the lanes of a mailbox as soon as, and as long as, this process holds the seat."""

    def __init__(
        self, mailbox: Mailbox, writer: Writer, perform: Perform, prepare: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """`prepare` is awaited once this process is elected, before anything is performed."""
        self._mailbox = mailbox
        self._writer = writer
        self._perform = perform
        self._prepare = prepare
        self._worker: Worker | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Stand by, perform when elected, and return after `stop`."""
        seat = self._writer.database.seat(seat_name(self._mailbox.box))
        try:
            while not self._stopping.is_set():
                if seat.try_take():
                    await self._work()
                else:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(ELECTION_SECONDS):
                            await self._stopping.wait()
        finally:
            seat.close()

    def stop(self) -> None:
        """End `run`: what is in flight has a few seconds to finish. Call it on this event loop."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.stop()

    async def _work(self) -> None:
        if self._prepare is not None:
            await self._prepare()
        worker = self._worker = Worker(self._mailbox, self._writer, self._perform)
        janitor = Janitor(self._writer, self._mailbox.clock, self._mailbox.policy.ages)
        if self._stopping.is_set():
            worker.stop()
        sweeping = asyncio.create_task(janitor.run())
        try:
            with self._writer.database.listen(seat_name(self._mailbox.box), worker.wake):
                await worker.run()
        finally:
            self._worker = None
            janitor.stop()
            await sweeping
