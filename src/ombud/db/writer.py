"""Group commit: every write that waits at the same moment shares one transaction and one fsync.

A thread commits; an event loop that waits for it never waits for the disk.
"""

import asyncio
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from ombud.db.operation import Make
from ombud.db.sqlite import Database
from ombud.errors import StorageUnavailable

T = TypeVar("T")

# Operations in one transaction: enough to make the fsync cheap, few enough that one commit stays under about 50 ms.
BATCH_LIMIT = 512
# Operations that may wait. At 20,000 a second this is half a second of work; past it an honest 503 beats a long queue.
QUEUE_LIMIT = 10_000


@dataclass(frozen=True)
class _Waiting:
    make: Make[Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]


class Writer:
    """Commits the operations of many tasks together, from a thread of its own."""

    def __init__(self, database: Database, *, queue_limit: int = QUEUE_LIMIT) -> None:
        self.database = database
        self._queue_limit = queue_limit
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._commit_until_closed, name="ombud-writer", daemon=True)
        self._thread.start()

    async def write(self, make: Make[T]) -> T:
        """Run the operation in a durable transaction; returns after the commit.

        Raises StorageUnavailable when nothing was stored, or whatever the operation raised. Cancelling the caller does
        not undo a write that is under way.
        """
        # A forked child has no thread that would ever answer.
        self.database.check_usable()
        loop = asyncio.get_running_loop()
        waiting = _Waiting(make, loop, loop.create_future())
        with self._changed:
            if self._closing:
                raise StorageUnavailable("The database is being closed; nothing was stored.")
            if len(self._waiting) >= self._queue_limit:
                raise StorageUnavailable(
                    f"{self._queue_limit} writes are waiting already; nothing was stored. Try again."
                )
            self._waiting.append(waiting)
            self._changed.notify()
        result: T = await waiting.answer
        return result

    def close(self) -> None:
        """Commit what waits, then stop the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _commit_until_closed(self) -> None:
        while batch := self._next_batch():
            try:
                results = self.database.write_all([waiting.make for waiting in batch])
            except Exception as error:  # noqa: BLE001 - the thread must outlive any batch; each waiter gets the error
                results = [error] * len(batch)
            _answer(batch, results)

    def _next_batch(self) -> list[_Waiting]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_LIMIT))]


def _answer(batch: list[_Waiting], results: list[Any]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for waiting, result in zip(batch, results, strict=True):
        by_loop.setdefault(waiting.loop, []).append((waiting.answer, result))
    for loop, answers in by_loop.items():
        # A loop that has been closed has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, answers)


def _resolve(answers: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for answer, result in answers:
        if answer.done():
            continue
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)
