"""Group commit: every write that waits at the same moment shares one transaction and one fsync.

A thread commits; an event loop that waits for it never waits for the disk.
"""

import asyncio
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar

from ombud.db.database import BATCH_LIMIT, QUEUE_LIMIT, Database, Together
from ombud.db.operation import Make
from ombud.errors import StorageUnavailable

T = TypeVar("T")
Item = TypeVar("Item")
R = TypeVar("R")

# For mailbox/, until it names the protocol.
Writer: TypeAlias = Any

# An operation alone, or how an item is written together with others; the item; and who waits. A tuple, since one is
# made for every webhook.
_Waiting: TypeAlias = tuple[Make[Any] | None, Together[Any, Any] | None, Any, "asyncio.Future[Any]"]
# Who waits, with the value or the error that is the answer.
_Answer: TypeAlias = tuple["asyncio.Future[Any]", Any]


@dataclass
class _Group:
    """What becomes one operation, and who waits for what of it."""

    make: Make[Any]
    answers: list["asyncio.Future[Any]"]
    together: Together[Any, Any] | None = None
    items: list[Any] = field(default_factory=list)


class ThreadWriter:
    """Commits the writes of many tasks together, from a thread of its own. Thread-safe."""

    def __init__(self, database: Database, *, queue_limit: int = QUEUE_LIMIT) -> None:
        self._database = database
        self._queue_limit = queue_limit
        self._waiting: deque[_Waiting] = deque()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._idle = False
        self._closing = False
        self._thread = threading.Thread(target=self._commit_until_closed, name="ombud-writer", daemon=True)
        self._thread.start()

    @property
    def database(self) -> Database:
        """The database that it writes to."""
        return self._database

    async def write(self, make: Make[T]) -> T:
        """Run the operation in a durable transaction; returns after the commit.

        Raises StorageUnavailable when nothing was stored, or whatever the operation raised. Cancelling the caller does
        not undo a write that is under way.
        """
        answer = asyncio.get_running_loop().create_future()
        self._enqueue((make, None, None, answer))
        result: T = await answer
        return result

    async def add(self, together: Together[Item, R], item: Item) -> R:
        """Write one item; all that wait with an equal `together` are done as one operation, `together(items)`.

        It returns a result for each; an error among them is raised to that item's caller. When it raises, its items are
        repeated one by one. Otherwise like `write`.
        """
        answer = asyncio.get_running_loop().create_future()
        self._enqueue((None, together, item, answer))
        result: R = await answer
        return result

    def close(self) -> None:
        """Commit what waits, then stop the thread."""
        with self._lock:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _enqueue(self, waiting: _Waiting) -> None:
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
            _answer(self._commit(batch))

    def _next_batch(self) -> list[_Waiting]:
        with self._lock:
            while not self._waiting and not self._closing:
                self._idle = True
                self._changed.wait()
            self._idle = False
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_LIMIT))]

    def _commit(self, batch: list[_Waiting]) -> list[_Answer]:
        """Write a batch; returns who waits with what they are to be told."""
        groups = _grouped(batch)
        answers: list[_Answer] = []
        singly: list[_Group] = []
        for group, result in zip(groups, self._write_all(groups), strict=True):
            if len(group.items) > 1 and isinstance(result, Exception) and not isinstance(result, StorageUnavailable):
                singly += _singly(group)
            else:
                answers += _dealt(group, result)
        if singly:
            for group, result in zip(singly, self._write_all(singly), strict=True):
                answers += _dealt(group, result)
        return answers

    def _write_all(self, groups: list[_Group]) -> list[Any]:
        try:
            return self._database.write_all([group.make for group in groups])
        except Exception as error:  # noqa: BLE001 - the thread must outlive any batch; each waiter gets the error
            return [error] * len(groups)


def _grouped(batch: list[_Waiting]) -> list[_Group]:
    """Make one group of all items that are written in the same way, where the first of them stands."""
    groups: list[_Group] = []
    by_way: dict[Together[Any, Any], _Group] = {}
    for make, together, item, answer in batch:
        if together is None:
            assert make is not None
            groups.append(_Group(make, [answer]))
            continue
        group = by_way.get(together)
        if group is None:
            items: list[Any] = []
            group = by_way[together] = _Group(partial(together, items), [], together, items)
            groups.append(group)
        group.items.append(item)
        group.answers.append(answer)
    return groups


def _singly(group: _Group) -> list[_Group]:
    together = group.together
    assert together is not None
    return [
        _Group(partial(together, [item]), [answer], together, [item])
        for item, answer in zip(group.items, group.answers, strict=True)
    ]


def _dealt(group: _Group, result: Any) -> list[_Answer]:
    """Return what each who waits for a group is told."""
    if isinstance(result, StorageUnavailable):
        # An error of its own for each: one that is raised in many tasks collects the tracebacks of all.
        return [(answer, StorageUnavailable(str(result))) for answer in group.answers]
    if group.together is None or isinstance(result, BaseException):
        return [(answer, result) for answer in group.answers]
    if len(result) != len(group.answers):
        error = RuntimeError(f"{group.together!r} was given {len(group.answers)} items and gave {len(result)} results")
        return [(answer, error) for answer in group.answers]
    return list(zip(group.answers, result, strict=True))


def _answer(answers: list[_Answer]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Answer]] = {}
    for answer in answers:
        by_loop.setdefault(answer[0].get_loop(), []).append(answer)
    for loop, of_loop in by_loop.items():
        # A loop that has been closed has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, of_loop)


def _resolve(answers: list[_Answer]) -> None:
    for answer, result in answers:
        if answer.done():
            continue
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)
