"""What both writers offer: a write is put in a queue, and whoever waits for it is told when it is committed."""

import asyncio
from abc import ABC, abstractmethod
from typing import TypeVar

from ombud.db.database import Database, Together
from ombud.db.groups import Waiting
from ombud.db.operation import Make

T = TypeVar("T")
Item = TypeVar("Item")
R = TypeVar("R")


class QueueingWriter(ABC):
    """Commits the writes of many tasks together. Thread-safe."""

    def __init__(self, database: Database, queue_limit: int) -> None:
        """Past `queue_limit` writes that wait, the next are refused."""
        self._database = database
        self._queue_limit = queue_limit

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

    @abstractmethod
    def _enqueue(self, waiting: Waiting) -> None:
        """Have it committed soon; raises StorageUnavailable when it cannot be taken."""
