"""NOTIFY and LISTEN: "look now", from a process that committed to all that perform. A hint that may be lost."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg

from ombud.db.operation import Statement
from ombud.db.postgres_errors import reason_of
from ombud.db.postgres_pool import Connect

log = logging.getLogger("ombud.db")

# Seconds between two notes of one process and name: each takes a lock of the whole database at its commit.
QUIET_SECONDS = 0.02
# A line that says nothing is tried so often: what cut it may not have told us.
PING_SECONDS = 15.0
# Seconds until a lost line is dialled again, doubled up to the second figure.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 0.5

_NOTIFY = Statement("notify", "select pg_notify(:channel, '')")


def channel_of(name: str) -> str:
    """Return the channel on which the performers of this name listen."""
    return f"ombud_{name}"


class Bell:
    """Rings for others: at once, then at most once in QUIET_SECONDS, and for the last one too. For one event loop."""

    def __init__(self, send: Callable[[Statement, dict[str, Any]], Awaitable[Any]]) -> None:
        self._send = send
        self._rung_at: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # Names that will be rung; also written by other threads.
        self.pending: set[str] = set()
        self._closed = False

    def close(self) -> None:
        """Ring no more. From any thread, before the loop is told to end: what begins while it ends nobody cancels."""
        self._closed = True

    def ring_soon(self, name: str) -> None:
        """Ring for a name that is in `pending`."""
        loop = asyncio.get_running_loop()
        rest = self._rung_at.get(name, 0.0) + QUIET_SECONDS - loop.time()
        if rest > 0:
            loop.call_later(rest, self._ring, name)
        else:
            self._ring(name)

    def _ring(self, name: str) -> None:
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        self._rung_at[name] = loop.time()
        # Before the note is sent: what is committed from now on rings again.
        self.pending.discard(name)
        task = loop.create_task(self._notify(name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self, name: str) -> None:
        try:
            await self._send(_NOTIFY, {"channel": channel_of(name)})
        except Exception as error:  # noqa: BLE001 - a hint; the others look by themselves
            log.debug("nobody could be woken: %s", reason_of(error))


async def keep_listening(connect: Connect, name: str, callback: Callable[[], None]) -> None:
    """Call back for every note for this name, and after every time that none could be heard. Ends when cancelled."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            session = await connect()
        except Exception as error:  # noqa: BLE001 - whatever it is, it may pass
            log.debug("cannot listen now: %s", reason_of(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            continue
        pause = FIRST_PAUSE_SECONDS
        try:
            await _listen(session.connection, name, callback)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.debug("the line is lost: %s", reason_of(error))
        finally:
            session.connection.terminate()
        await asyncio.sleep(pause)


async def _listen(connection: "asyncpg.Connection[asyncpg.Record]", name: str, callback: Callable[[], None]) -> None:
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    await connection.add_listener(channel_of(name), lambda *_: callback())
    # Whatever was said before.
    callback()
    while not lost.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(lost.wait(), PING_SECONDS)
            return
        await connection.execute("select")
