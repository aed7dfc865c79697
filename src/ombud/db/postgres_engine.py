"""What one event loop does with PostgreSQL: group commits, reads, and what comes after a commit."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from ombud.db.agenda import Entry, united
from ombud.db.operation import Afterwards, Make, RowFactory, Statement
from ombud.db.postgres_connect import Server
from ombud.db.postgres_errors import Trouble, reason_of
from ombud.db.postgres_pool import Gate, Pool
from ombud.db.postgres_session import Session
from ombud.errors import StorageUnavailable

T = TypeVar("T")

log = logging.getLogger("ombud.db")

# Connections: two commits under way and as many of `write_all`; reads; what comes after commits, and wakes.
DURABLE_CONNECTIONS, READING_CONNECTIONS, RELAXED_CONNECTIONS = 4, 4, 2
# How often a transaction is repeated that lost a deadlock, or its connection before the commit; seconds between.
REPEATS, REPEAT_PAUSE_SECONDS = 3, 0.02
# Operations of a group that raise are set apart one by one; past so many all of them are.
MOST_SUSPECTS = 3
# Seconds that closing waits for what runs after the last commits.
DRAIN_SECONDS = 2.0


class _RaisedError(Exception):
    """An operation of a group raised `error`; the transaction is undone."""

    def __init__(self, index: int, error: Exception) -> None:
        super().__init__()
        self.index = index
        self.error = error


class Engine:
    """The connections of one event loop and what runs on them. `patient`: reads may take minutes."""

    def __init__(self, server: Server, *, patient: bool) -> None:
        gate = Gate()
        reading = server.reading_long if patient else server.reading
        self._durable = Pool(server.durable, gate, DURABLE_CONNECTIONS)
        self._reading = Pool(reading, gate, READING_CONNECTIONS)
        self._relaxed = Pool(server.relaxed, gate, RELAXED_CONNECTIONS)
        self._several: set[Statement] = set()
        self._waiting: list[Afterwards] = []
        self._runner: asyncio.Task[None] | None = None

    async def write_all(self, makes: Sequence[Make[Any]]) -> list[Any]:
        """Run operations in one durable transaction: for each its value, or the error it raised."""
        suspects: set[int] = set()
        repeats = 0
        while True:
            try:
                results, afterwards = await self._commit(makes, suspects)
            except _RaisedError as raised:
                if len(makes) == 1:
                    return [raised.error]
                suspects.add(raised.index)
                if len(suspects) > MOST_SUSPECTS:
                    suspects.update(range(len(makes)))
            except Trouble as trouble:
                repeats += 1
                if not trouble.again or repeats > REPEATS:
                    return [StorageUnavailable(str(trouble)) for _ in makes]
                await _pause(repeats)
            else:
                self._run_later(afterwards)
                return results

    async def read(self, make: Make[T]) -> T:
        """Run an operation that only reads, in one snapshot."""

        async def read(session: Session) -> T:
            return await session.read(make, self._several)

        return await _repeated(self._reading, read)

    async def run_relaxed(self, statement: Statement, values: Any, factory: RowFactory = tuple) -> list[Any]:
        """Run one statement in a transaction of its own, which may be lost with the server."""
        return await _repeated(self._relaxed, lambda session: session.rows_of((statement, values, factory)))

    async def close(self) -> None:
        """Finish what is under way, within bounds, and close the connections."""
        if self._runner:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._runner, DRAIN_SECONDS)
        await asyncio.gather(self._durable.close(), self._reading.close(), self._relaxed.close())

    async def _commit(self, makes: Sequence[Make[Any]], suspects: set[int]) -> tuple[list[Any], list[Afterwards]]:
        """Run and commit; the suspects come last, each undone alone if it raises."""
        afterwards: list[Afterwards] = []
        results: list[Any] = [None] * len(makes)
        async with self._durable.session() as session, session.transaction():
            for index, make in enumerate(makes):
                if index in suspects:
                    continue
                try:
                    results[index] = await session.run(make, afterwards)
                except Trouble:
                    raise
                except Exception as error:
                    raise _RaisedError(index, error) from error
            for index in sorted(suspects):
                results[index] = await session.run_guarded(makes[index], afterwards)
        return results, afterwards

    def _run_later(self, afterwards: list[Afterwards]) -> None:
        self._waiting += afterwards
        if self._waiting and self._runner is None:
            self._runner = asyncio.get_running_loop().create_task(self._run_waiting())

    async def _run_waiting(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                returned: dict[Statement, list[Any]] = {}
                for entry in united(waiting):
                    returned[entry.statement] = await self._do(entry, returned)
        finally:
            self._runner = None

    async def _do(self, entry: Entry, returned: Mapping[Statement, list[Any]]) -> list[Any]:
        factory = dict if entry.reads else tuple
        try:
            rows = await self.run_relaxed(entry.statement, entry.rows(returned), factory)
        except Exception as error:  # noqa: BLE001 - the commits stand, whatever this is; a sweep does it again
            log.warning("%s was not run after its commit: %s", entry.statement.name, reason_of(error))
            return []
        entry.announce(rows)
        return rows


async def _repeated(pool: Pool, use: Callable[[Session], Awaitable[T]]) -> T:
    repeats = 0
    while True:
        try:
            async with pool.session() as session:
                return await use(session)
        except Trouble as trouble:
            repeats += 1
            if not trouble.again or repeats > REPEATS:
                raise
            await _pause(repeats)


async def _pause(repeats: int) -> None:
    """Wait so long that two who met are unlikely to meet again."""
    await asyncio.sleep(random.uniform(0, REPEAT_PAUSE_SECONDS * repeats))  # noqa: S311 - no secret
