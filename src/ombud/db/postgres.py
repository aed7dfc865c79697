"""One PostgreSQL database: any number of processes and nodes append and perform."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from ombud.db.database import QUEUE_LIMIT, Clock
from ombud.db.loop_writer import LoopWriter
from ombud.db.operation import Make, Operation, Statement
from ombud.db.postgres_bell import Bell, keep_listening
from ombud.db.postgres_clock import ServerClock
from ombud.db.postgres_connect import SCHEMA, Server
from ombud.db.postgres_errors import name_of, opening_error
from ombud.db.postgres_loops import Loops
from ombud.db.postgres_session import lock_migrations
from ombud.errors import ConfigurationError, StorageUnavailable

T = TypeVar("T")

_ASK_TIME = Statement("ask_time", "select (extract(epoch from clock_timestamp()) * 1000000)::bigint")


class OpenSeat:
    """The right to perform, which every process has: lanes are leased."""

    def try_take(self) -> bool:
        """Take it."""
        return True

    def close(self) -> None:
        """Give it back."""


class PostgresDatabase:
    """A database opened by this process. Thread-safe. Open it after a fork, not before: a child cannot use it.

    Every event loop has connections of its own; callers without a loop share one in a thread.
    """

    exclusive = False
    # Nothing that befalls a server is mended by starting this process anew.
    failure: str | None = None
    # Nothing of a server is beside it.
    key_file = Path("ombud.key")

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        """Open it, and make the schema `ombud` if it is missing; `clock` is for tests, which rule the time.

        Raises ConfigurationError, or StorageUnavailable when the server cannot be reached.
        """
        self.name = name_of(url)
        self._pid = os.getpid()
        self._closed = False
        self._server = Server(url, clock or _no_time)
        self._loops = Loops(self._server)
        self._thread = self._loops.thread
        self._bell = Bell(self._run_relaxed)
        self._server_clock = ServerClock(lambda: self._thread.call_soon(self._renew_clock))
        self.clock: Clock = clock or self._server_clock
        self._writer = LoopWriter(self, self._commit)
        try:
            self._thread.run(self._open())
        except Exception as error:  # noqa: BLE001 - told apart there
            self._thread.close()
            raise opening_error(error, self.name) from None

    def when_failed(self, callback: Callable[[], object]) -> None:
        """Do nothing: see `failure`."""

    def write(self, make: Make[T]) -> T:
        """Run one operation in a durable transaction, with those of other threads; returns after the commit.

        Raises StorageUnavailable when nothing was stored, or whatever the operation raised.
        """
        self.check_usable()
        return self._thread.run(self._writer.write(make))

    def write_all(self, makes: Sequence[Make[Any]]) -> list[Any]:
        """Run operations in one durable transaction (group commit): for each its value, or the error it raised.

        An operation that raises is undone alone: all of them are then run once more. When the transaction fails, every
        one fails. What runs after the commit may still run when this returns.
        """
        try:
            self.check_usable()
            return self._thread.run(self._commit(makes))
        except StorageUnavailable as error:
            return [StorageUnavailable(str(error)) for _ in makes]

    def read(self, make: Make[T]) -> T:
        """Run an operation that only reads, in one snapshot; it may be made twice. Blocks, for minutes if need be."""
        self.check_usable()
        return self._thread.run(self._fetch(make))

    async def fetch(self, make: Make[T]) -> T:
        """Read for a caller on an event loop, with connections of this loop; takes seconds at most."""
        self.check_usable()
        return await self._fetch(make)

    def open_writer(self, *, queue_limit: int = QUEUE_LIMIT) -> LoopWriter:
        """Return a writer; close it before the database."""
        return LoopWriter(self, self._commit, queue_limit=queue_limit)

    def seat(self, name: str) -> OpenSeat:  # noqa: ARG002 - the protocol's
        """Return the seat of a performer: everybody may."""
        return OpenSeat()

    def wake(self, name: str) -> None:
        """Tell the performers of this name, on whatever node, that something was committed."""
        if name not in self._bell.pending and self._pid == os.getpid():
            self._bell.pending.add(name)
            self._thread.call_soon(self._bell.ring_soon, name)

    @contextmanager
    def listen(self, name: str, callback: Callable[[], None]) -> Iterator[None]:
        """Have `callback` called on this event loop for every wake, and whenever one may have been missed."""
        task = asyncio.get_running_loop().create_task(keep_listening(self._server.relaxed, name, callback))
        try:
            yield
        finally:
            task.cancel()

    def lock_migrations(self) -> Operation[None]:
        """As the first steps of a transaction: let no other process migrate until its end."""
        return lock_migrations()

    def scrub(self, table: str, *, whatever_size: bool = False) -> bool:  # noqa: ARG002 - a table of ours is small
        """Write the table again, while nobody reads or writes it."""
        self.check_usable()
        self._thread.run(self._scrub(table))
        return True

    def check_usable(self) -> None:
        """Raise StorageUnavailable when this process can do nothing with it: closed, or its parent's."""
        if self._pid != os.getpid():
            raise StorageUnavailable(f"{self.name} was opened before a fork; open it after the fork instead.")
        if self._closed:
            raise StorageUnavailable(f"{self.name} takes no more writes: it was closed.")

    def close(self) -> None:
        """Close every connection of this process; those of this thread's own loop close when the loop goes on."""
        if self._closed or self._pid != os.getpid():
            return
        self._writer.close()
        self._closed = True
        self._bell.close()
        self._loops.close()

    async def _commit(self, makes: Sequence[Make[Any]]) -> list[Any]:
        return await (await self._loops.here()).write_all(makes)

    async def _fetch(self, make: Make[T]) -> T:
        return await (await self._loops.here()).read(make)

    async def _run_relaxed(self, statement: Statement, values: Any) -> list[Any]:
        return await (await self._loops.here()).run_relaxed(statement, values)

    async def _open(self) -> None:
        session = await self._server.durable()
        try:
            await _make_schema(session.connection)
            await self._sample(lambda: session.rows_of((_ASK_TIME, {}, tuple)))
        finally:
            await session.connection.close()

    async def _scrub(self, table: str) -> None:
        try:
            session = await self._server.durable()
        except Exception as error:  # noqa: BLE001 - told apart there
            raise opening_error(error, self.name) from None
        try:
            await session.write_again(f"{SCHEMA}.{table}")
        finally:
            await session.connection.close()

    def _renew_clock(self) -> None:
        async def renew() -> None:
            with suppress(StorageUnavailable):  # the old sample serves on
                await self._sample(lambda: self._run_relaxed(_ASK_TIME, {}))

        self._loops.start(renew())

    async def _sample(self, ask: Callable[[], Awaitable[list[Any]]]) -> None:
        before = time.monotonic()
        [(server,)] = await ask()
        self._server_clock.set(server, before, time.monotonic())


def _no_time() -> None:
    """Leave the time to the server."""


async def _make_schema(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Make the schema unless it is there, which needs no right to make one."""
    if await connection.fetchval("select 1 from pg_namespace where nspname = $1", SCHEMA):
        return
    try:
        await connection.execute(f"create schema if not exists {SCHEMA}")
    except asyncpg.UniqueViolationError:
        return  # another node was faster
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigurationError(
            f"This user may not make the schema {SCHEMA}. As the database's owner, run:"
            f" create schema {SCHEMA} authorization the_user"
        ) from error
