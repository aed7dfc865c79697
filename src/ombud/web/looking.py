"""Reads for a caller on an event loop, which goes on meanwhile; and marks of when something was last used."""

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from ombud.db.database import Database, Writer
from ombud.db.operation import Make, Operation
from ombud.errors import OmbudError
from ombud.web.pace import spending

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

log = logging.getLogger("ombud.web")

# Microseconds between two writings of when something was last used.
MARK = 60 * 1_000_000
# Marks kept; the one longest unused is forgotten first, and is written again when it comes back.
MOST_MARKS = 10_000


async def look(database: Database, make: Make[T]) -> T:
    """Read what may be many rows: in a thread where a read blocks, else with the loop's own connections."""
    if database.exclusive:
        return await asyncio.to_thread(_read, database, make)
    with spending(time.monotonic):
        return await database.fetch(make)


def _read(database: Database, make: Make[T]) -> T:
    with spending(time.thread_time):
        return database.read(make)


class Marks(Generic[K]):
    """When each of many things was last used: known at once, written behind the request and once a minute at most."""

    def __init__(self, writer: Writer, write: Callable[[K, int], Operation[None]]) -> None:
        self._writer = writer
        self._write = write
        self._seen: dict[K, int] = {}
        self._written: dict[K, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def last(self, key: K) -> int:
        """Return when this was last used, as far as this process knows; 0 for never."""
        return self._seen.get(key, 0)

    def note(self, key: K, at: int, written: int = 0) -> None:
        """Note a use; `written` is when the database says that it was last used. UTC microseconds."""
        self._seen[key] = at
        if at - max(self._written.get(key, 0), written) < MARK:
            return
        self._written[key] = at
        for marks in (self._seen, self._written):
            while len(marks) > MOST_MARKS:
                del marks[next(iter(marks))]
        task = asyncio.get_running_loop().create_task(self._store(key, at))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _store(self, key: K, at: int) -> None:
        try:
            await self._writer.write(lambda: self._write(key, at))
        except OmbudError as error:
            log.warning("when something was last used is not on record: %s", error)
