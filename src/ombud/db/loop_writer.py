"""Group commit without a thread: to PostgreSQL a commit is a wait for the network, so tasks of the loop do it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from ombud.db.database import BATCH_LIMIT, QUEUE_LIMIT, Database
from ombud.db.groups import Answer, Group, Waiting, deal, grouped, tell, tell_here
from ombud.db.operation import Make
from ombud.db.queueing import QueueingWriter
from ombud.errors import StorageUnavailable

CommitHere: TypeAlias = Callable[[Sequence[Make[Any]]], Awaitable[list[Any]]]

# Commits of one event loop at the same time: while one waits for the disk the other collects and runs its statements.
COMMITS_UNDER_WAY = 2


class LoopWriter(QueueingWriter):
    """Commits the writes of many tasks together. Thread-safe: every event loop has a queue of its own.

    `commit` runs operations in one transaction, on the loop that calls it: for each its value, or its error.
    """

    def __init__(self, database: Database, commit: CommitHere, *, queue_limit: int = QUEUE_LIMIT) -> None:
        super().__init__(database, queue_limit)
        self._commit = commit
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()
        self._closing = False

    def close(self) -> None:
        """Take no more, and commit what waits; what this thread's own loop has begun ends when the loop goes on."""
        self._closing = True
        for queue in list(self._queues.values()):
            batch = queue.take(self._queue_limit)
            if batch:
                tell(_committed(batch, self._database.write_all))

    def _enqueue(self, waiting: Waiting) -> None:
        # A forked child must not use its parent's connections.
        self._database.check_usable()
        if self._closing:
            raise StorageUnavailable("The database is being closed; nothing was stored.")
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = _Queue(self._commit)
        if len(queue.waiting) >= self._queue_limit:
            raise StorageUnavailable(f"{self._queue_limit} writes are waiting already; nothing was stored. Try again.")
        queue.put(loop, waiting)


class _Queue:
    """What waits on one event loop, and the tasks that commit it."""

    def __init__(self, commit: CommitHere) -> None:
        self._commit = commit
        self._workers: set[asyncio.Task[None]] = set()
        self._at_work = 0
        self.waiting: deque[Waiting] = deque()

    def put(self, loop: asyncio.AbstractEventLoop, waiting: Waiting) -> None:
        self.waiting.append(waiting)
        if self._at_work < COMMITS_UNDER_WAY:
            self._at_work += 1
            worker = loop.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    def take(self, limit: int) -> list[Waiting]:
        """Take what waits, from any thread."""
        taken: list[Waiting] = []
        while len(taken) < limit:
            try:
                taken.append(self.waiting.popleft())
            except IndexError:
                break
        return taken

    async def _work(self) -> None:
        try:
            while batch := self.take(BATCH_LIMIT):
                groups = grouped(batch)
                answers, singly = deal(groups, await self._results(groups))
                tell_here(answers)
                if singly:
                    tell_here(deal(singly, await self._results(singly))[0])
        finally:
            # In the same moment in which it found nothing: whoever comes next starts another.
            self._at_work -= 1

    async def _results(self, groups: list[Group]) -> list[Any]:
        try:
            return await self._commit([group.make for group in groups])
        except Exception as error:  # noqa: BLE001 - the task must outlive any batch; each waiter gets the error
            return [error] * len(groups)


def _committed(batch: list[Waiting], write_all: Callable[[Sequence[Make[Any]]], list[Any]]) -> list[Answer]:
    groups = grouped(batch)
    answers, singly = deal(groups, write_all([group.make for group in groups]))
    if singly:
        answers += deal(singly, write_all([group.make for group in singly]))[0]
    return answers
