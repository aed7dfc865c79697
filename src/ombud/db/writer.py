"""Group commit: every write that waits at the same moment shares one transaction and one fsync.

A thread commits; an event loop that waits for it never waits for the disk.
"""

import threading
from collections import deque
from typing import Any

from ombud.db.database import BATCH_LIMIT, QUEUE_LIMIT, Database
from ombud.db.groups import Answer, Group, Waiting, deal, grouped, tell
from ombud.db.queueing import QueueingWriter
from ombud.errors import StorageUnavailable


class ThreadWriter(QueueingWriter):
    """Commits the writes of many tasks together, from a thread of its own. Thread-safe."""

    def __init__(self, database: Database, *, queue_limit: int = QUEUE_LIMIT) -> None:
        super().__init__(database, queue_limit)
        self._waiting: deque[Waiting] = deque()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._idle = False
        self._closing = False
        self._thread = threading.Thread(target=self._commit_until_closed, name="ombud-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Commit what waits, then stop the thread."""
        with self._lock:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _enqueue(self, waiting: Waiting) -> None:
        # A forked child has no thread that would ever answer.
        self._database.check_usable()
        with self._lock:
            if self._closing:
                raise StorageUnavailable("The database is being closed; nothing was stored.")
            if len(self._waiting) >= self._queue_limit:
                raise StorageUnavailable(
                    f"{self._queue_limit} writes are waiting already; nothing was stored. Try again."
                )
            self._waiting.append(waiting)
            if self._idle:
                self._idle = False
                self._changed.notify()

    def _commit_until_closed(self) -> None:
        while batch := self._next_batch():
            tell(self._commit(batch))

    def _next_batch(self) -> list[Waiting]:
        with self._lock:
            while not self._waiting and not self._closing:
                self._idle = True
                self._changed.wait()
            self._idle = False
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_LIMIT))]

    def _commit(self, batch: list[Waiting]) -> list[Answer]:
        """Write a batch; returns who waits with what they are to be told."""
        groups = grouped(batch)
        answers, singly = deal(groups, self._write_all(groups))
        if singly:
            answers += deal(singly, self._write_all(singly))[0]
        return answers

    def _write_all(self, groups: list[Group]) -> list[Any]:
        try:
            return self._database.write_all([group.make for group in groups])
        except Exception as error:  # noqa: BLE001 - the thread must outlive any batch; each waiter gets the error
            return [error] * len(groups)
