"""The connections of one event loop: as many as are needed, up to a limit, and patience while the server is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

import asyncpg

from ombud.db.postgres_errors import Trouble, is_unavailable, reason_of
from ombud.db.postgres_session import Session
from ombud.errors import ConfigurationError

Connect: TypeAlias = Callable[[], Awaitable[Session]]

# Seconds that an operation waits for a connection. A sender hangs up after 10.
WAIT_SECONDS = 3.0
# Seconds that closing waits for what is under way: a commit takes a few milliseconds.
DRAIN_SECONDS = 2.0
# Seconds that leave-taking may need; the server notices a cut connection as well.
CLOSE_SECONDS = 1.0
# A connection that nobody used for so long is given back to the server.
IDLE_SECONDS = 60.0
# After a refused connection the next is tried so much later, doubled up to the second figure.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 0.5


@dataclass
class Gate:
    """Lets connections be tried one pause after another while the server does not take them. For one event loop."""

    _pause_seconds: float = 0.0
    _opens_at: float = 0.0
    _reason: str = ""

    async def through(self, connect: Connect) -> Session:
        """Connect; raises Trouble, at once while the server is known to be away."""
        if time.monotonic() < self._opens_at:
            raise Trouble(f"The database cannot be reached ({self._reason}); nothing was stored. Try again.")
        try:
            session = await connect()
        except Exception as error:
            if not isinstance(error, ConfigurationError) and not is_unavailable(error) and not _refused(error):
                raise
            self._pause_seconds = min(max(self._pause_seconds * 2, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
            self._opens_at = time.monotonic() + self._pause_seconds
            self._reason = reason_of(error)
            raise Trouble(f"The database cannot be reached ({self._reason}); nothing was stored. Try again.") from error
        self._pause_seconds = 0.0
        return session


def _refused(error: Exception) -> bool:
    # A password or a role that was changed while this process runs: it may be changed back.
    return isinstance(error, asyncpg.PostgresError)


@dataclass
class Pool:
    """At most `limit` sessions of one kind on one event loop, made when they are needed."""

    connect: Connect
    gate: Gate
    limit: int
    _idle: list[tuple[float, Session]] = field(default_factory=list)
    _busy: set[Session] = field(default_factory=set)
    _closed: bool = False

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.limit)
        self._sweep: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Lend a session; raises Trouble when none is free in time, or none can be made."""
        await self._wait()
        try:
            session = self._take() or await self.gate.through(self.connect)
            self._busy.add(session)
            try:
                yield session
            except asyncio.CancelledError:
                # In the middle of something, and nobody knows of what.
                session.connection.terminate()
                raise
            finally:
                self._busy.discard(session)
                self._put_back(session)
        finally:
            self._free.release()

    async def close(self) -> None:
        """Let what is under way end, within bounds, and take leave of the server; once."""
        if self._closed:
            return
        self._closed = True
        if self._sweep:
            self._sweep.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                for _ in range(self.limit):
                    await self._free.acquire()
        for session in self._busy:
            session.connection.terminate()
        await asyncio.gather(*(_close(session) for _, session in self._idle))
        self._idle.clear()

    async def _wait(self) -> None:
        if self._closed:
            raise Trouble("The database was closed; nothing was stored.")
        if not self._free.locked():  # spares every operation a timer
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise Trouble(f"All {self.limit} connections are busy; nothing was stored. Try again.") from None

    def _take(self) -> Session | None:
        while self._idle:
            session = self._idle.pop()[1]
            if session.usable:
                return session
            session.connection.terminate()
        return None

    def _put_back(self, session: Session) -> None:
        if self._closed or not session.usable:
            session.connection.terminate()
            return
        self._idle.append((time.monotonic(), session))
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close_idle)

    def _close_idle(self) -> None:
        """Close what was not used for long: the oldest are at the front, since the last one in is the first one out."""
        self._sweep = None
        latest = time.monotonic() - IDLE_SECONDS
        while self._idle and self._idle[0][0] <= latest:
            self._idle.pop(0)[1].connection.terminate()
        if self._idle:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close_idle)


async def _close(session: Session) -> None:
    try:
        await session.connection.close(timeout=CLOSE_SECONDS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        session.connection.terminate()
