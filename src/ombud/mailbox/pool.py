"""Awaits tries in a few long-lived tasks, so that a try costs none of its own."""

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable
from typing import TypeAlias

from ombud.mailbox.model import Outcome
from ombud.mailbox.trying import Then, Trying

Work: TypeAlias = tuple["Pooled", Then]


class Pool:
    """Has as many tasks as were needed at once. Whoever gives it work keeps to a number."""

    def __init__(self) -> None:
        self._queue: deque[Work] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False
        self._waking = False  # a task that was idle is about to look

    def run(self, trying: "Pooled", then: Then) -> None:
        """Await its work and call `then`."""
        self._queue.append((trying, then))
        self._wake_one()

    def cut(self) -> None:
        """Cancel what runs; each `then` is told so."""
        for task in self._running:
            task.cancel()

    def close(self) -> None:
        """End every task at once, and for good."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        while self._queue:
            trying, _ = self._queue.popleft()
            if inspect.iscoroutine(trying.work):
                trying.work.close()

    def _wake_one(self) -> None:
        """Have one more task look into the queue; it wakes the next when something is left there.

        So tries that end without waiting for anything are run by one task, and cost no wake-up each.
        """
        if self._waking:
            return
        self._waking = True
        if self._idle:
            self._idle.pop().set_result(None)
        else:
            self._tasks.add(asyncio.create_task(self._serve()))

    async def _serve(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._waking = False
        while not self._closed:
            while not self._queue:
                free = asyncio.get_running_loop().create_future()
                self._idle.append(free)
                await free
                self._waking = False
            trying, then = self._queue.popleft()
            if self._queue:
                self._wake_one()
            self._running.add(task)
            came: Outcome | BaseException
            try:
                came = await trying.work
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - `then` is told, and the task goes on
                came = error
            self._running.discard(task)
            then(trying, came)


class Pooled(Trying):
    """A try that is awaited by a task of the pool."""

    __slots__ = ("_pool", "work")

    def __init__(self, pool: Pool, work: Awaitable[Outcome]) -> None:
        self._pool = pool
        self.work = work

    def begin(self, then: Then) -> None:
        """Have it awaited."""
        self._pool.run(self, then)

    def cancel(self) -> None:
        """Leave that to whoever cuts the pool: its task is told so, and says what came of it."""
