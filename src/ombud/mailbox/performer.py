"""Who performs: on SQLite one process for each box, elected by a file lock that the kernel frees when it dies.

Every process may append. The one that holds the lock works the lanes; the others stand by and wake it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from ombud.db.locks import FileLock
from ombud.db.sqlite import Database, beside
from ombud.db.wake import WakeListener, send_wake
from ombud.db.writer import Writer
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Box
from ombud.mailbox.worker import Perform, Worker

log = logging.getLogger("ombud.mailbox")

# Seconds between two tries to be elected: what the work of a box stands still for when its performer dies.
ELECTION_SECONDS = 0.5


def wake_performer(database: Database, box: Box) -> None:
    """Tell the performer of a box, in whatever process it is, that something was committed."""
    send_wake(_wake_path(database, box))


class Performer:
    """Works the lanes of a mailbox as soon as, and as long as, this process is the elected one."""

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

    def wake(self) -> None:
        """Tell the performer, here or elsewhere, that something was committed. Call it on this event loop."""
        if self._worker is not None:
            self._worker.wake()
        else:
            wake_performer(self._writer.database, self._mailbox.box)

    async def run(self) -> None:
        """Stand by, perform when elected, and return after `stop`."""
        lock = FileLock(beside(self._writer.database.path, f"{self._mailbox.box.name.lower()}.performer"))
        try:
            while not self._stopping.is_set():
                if lock.try_acquire():
                    await self._work()
                else:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._stopping.wait(), ELECTION_SECONDS)
        finally:
            lock.close()

    def stop(self) -> None:
        """End `run`: what is in flight has a few seconds to finish. Call it on this event loop."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.stop()

    async def _work(self) -> None:
        if self._prepare is not None:
            await self._prepare()
        self._worker = Worker(self._mailbox, self._writer, self._perform)
        if self._stopping.is_set():
            self._worker.stop()
        try:
            with self._listening(self._worker):
                await self._worker.run()
        finally:
            self._worker = None

    @contextlib.contextmanager
    def _listening(self, worker: Worker) -> Iterator[None]:
        path = _wake_path(self._writer.database, self._mailbox.box)
        try:
            listener = WakeListener(path, worker.wake)
        except OSError as error:
            log.warning("other processes cannot wake this one, so it looks for their work: %s: %s", path, error)
            yield
            return
        try:
            yield
        finally:
            listener.close()


def _wake_path(database: Database, box: Box) -> Path:
    return beside(database.path, f"{box.name.lower()}.wake")
