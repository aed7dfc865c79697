"""Clients that each store one event under a key, and say it again with the same key until it is confirmed."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from ombud.db.loop_writer import LoopWriter
from ombud.db.operation import Make, Operation, Statement
from ombud.db.postgres import PostgresDatabase
from ombud.errors import StorageUnavailable
from tests.db.sql import one
from tests.support.postgres import PostgresServer

TABLES = ("create table accepted(key text primary key)", "create table event(key text not null)")
# Seconds between two tries of a client.
PAUSE_SECONDS = 0.01

_ACCEPT = Statement("accept", "insert into accepted(key) values (:key) on conflict do nothing returning key")
_STORE = Statement("store", "insert into event(key) values (:key)")

# Makes the operation that stores the event of a key.
StoreUnder: TypeAlias = Callable[[str], Make[None]]


def once(key: str) -> Make[None]:
    """Store an event unless the key was used."""
    return partial(_store_once, key)


def every_time(key: str) -> Make[None]:
    """Store an event whatever was stored before: the build that the checker must catch."""
    return partial(_store, key)


def _store_once(key: str) -> Operation[None]:
    if (yield _ACCEPT, {"key": key}):
        yield _STORE, {"key": key}


def _store(key: str) -> Operation[None]:
    yield _STORE, {"key": key}


@dataclass
class Findings:
    """What must be empty: `lost` was confirmed and is not there, `doubled` is there twice, `unexpected` nobody said."""

    confirmed: int
    lost: set[str]
    doubled: set[str]
    unexpected: set[str]


@dataclass
class Load:
    """What clients said and heard."""

    writer: LoopWriter
    store: StoreUnder = once
    said: set[str] = field(default_factory=set)
    confirmed: dict[str, float] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    _over: bool = False
    _clients: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, clients: int) -> None:
        """Start clients that go on until `finish`."""
        keys = (f"key{number}" for number in itertools.count())
        self._clients = [asyncio.create_task(self._client(keys)) for _ in range(clients)]

    async def finish(self) -> None:
        """Let every client have its last key confirmed."""
        self._over = True
        await asyncio.gather(*self._clients)

    def findings(self, server: PostgresServer, name: str) -> Findings:
        """Compare with what the server has."""
        stored = Counter(server.sql("select key from ombud.event", name))
        return Findings(
            confirmed=len(self.confirmed),
            lost=self.confirmed.keys() - stored.keys(),
            doubled={key for key, times in stored.items() if times > 1},
            unexpected=stored.keys() - self.said,
        )

    async def _client(self, keys: Iterator[str]) -> None:
        while not self._over:
            key = next(keys)
            self.said.add(key)
            while key not in self.confirmed:
                try:
                    await self.writer.write(self.store(key))
                except StorageUnavailable as error:
                    self.refused[_kind(error)] += 1
                    await asyncio.sleep(PAUSE_SECONDS)
                else:
                    self.confirmed[key] = time.monotonic()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[PostgresDatabase]:
    """Open a database with the tables, from a thread: what is between may need this event loop."""
    database = await asyncio.to_thread(PostgresDatabase, url)
    try:
        for table in TABLES:
            await asyncio.to_thread(database.write, one(table))
        yield database
    finally:
        await asyncio.to_thread(database.close)


def _kind(error: StorageUnavailable) -> str:
    text = str(error)
    return "unknown" if "nobody knows" in text else "unreachable" if "cannot be reached" in text else "undone"
