"""Who performs, as a page says it: whether a process does, and since when due work waits."""

import asyncio
from typing import Any

from ombud.admin.overview import WAIT_SECONDS, is_performed, seems_performed, waiting_seconds
from ombud.clock import now_microseconds
from ombud.db.database import Database
from ombud.mailbox.model import Box
from ombud.web.looking import look


async def work_of(database: Database, box: Box) -> dict[str, Any]:
    """Return how the work of a box does."""
    waiting = await look(database, lambda: waiting_seconds(box, now_microseconds()))
    return {
        "box": box.name.lower(),
        "performed": await _is_performed(database, box),
        "waiting": waiting if waiting > WAIT_SECONDS else 0.0,
    }


async def _is_performed(database: Database, box: Box) -> bool:
    if database.exclusive:
        return await asyncio.to_thread(is_performed, database, box)
    return await database.fetch(lambda: seems_performed(box, database.clock()))
