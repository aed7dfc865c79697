"""Reading many rows for a caller on an event loop, which goes on meanwhile."""

import asyncio
from typing import TypeVar

from ombud.db.database import Database
from ombud.db.operation import Make

T = TypeVar("T")


async def read(database: Database, make: Make[T]) -> T:
    """Read in a thread where a read blocks, else with the loop's own connections."""
    if database.exclusive:
        return await asyncio.to_thread(database.read, make)
    return await database.fetch(make)
