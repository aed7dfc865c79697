"""How often an operation waits for the network: what makes a database far away slow."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from ombud.db.operation import Afterwards, Operation
from ombud.db.postgres import PostgresDatabase
from ombud.db.queries import Queries
from tests.db.sql import one
from tests.support.postgres import PostgresServers
from tests.support.postgres_proxy import PostgresProxy

QUERIES = Queries(
    "test",
    """
-- name: add
-- rows: name text
insert into item(name) values (:name);
-- postgres:
insert into item(name) select name from {rows} r;

-- name: add_one_by_one
-- rows: name text
insert into item(name) values (:name);

-- name: look
select count(*) as items from item;
""",
)


@pytest.fixture
async def proxy(postgres_servers: PostgresServers) -> AsyncIterator[PostgresProxy]:
    async with PostgresProxy(postgres_servers["newest"].socket).listening() as listening:
        yield listening


@pytest.fixture
async def database(proxy: PostgresProxy, postgres_servers: PostgresServers) -> AsyncIterator[PostgresDatabase]:
    with postgres_servers["newest"].database() as name:
        # The proxy needs this loop while the database is opened.
        opened = await asyncio.to_thread(PostgresDatabase, proxy.url(name))
        await asyncio.to_thread(opened.write, one("create table item(name text)"))
        yield opened
        await asyncio.to_thread(opened.close)


def step(name: str, values: Any) -> Operation[list[Any]]:
    rows = yield QUERIES[name], values
    return rows


def look_twice() -> Operation[None]:
    yield QUERIES["look"], {}
    yield QUERIES["look"], {}


def add_and_announce(announced: asyncio.Event) -> Operation[None]:
    yield QUERIES["add"], [("a",)]
    yield Afterwards(QUERIES["add"], [("b",), ("c",)], lambda *_: announced.set())


async def test_round_trips(proxy: PostgresProxy, database: PostgresDatabase) -> None:
    writer = database.open_writer()
    announced = asyncio.Event()

    async def write(name: str, values: Any) -> None:
        await writer.write(partial(step, name, values))

    async def announce() -> None:
        await writer.write(partial(add_and_announce, announced))
        await announced.wait()

    rows = [(f"n{number}",) for number in range(1000)]
    waits: dict[str, tuple[Callable[[], Awaitable[Any]], int]] = {
        "a row": (lambda: write("add", rows[:1]), 3),
        "a thousand rows": (lambda: write("add", rows), 3),
        "a thousand rows, each with a statement of its own": (lambda: write("add_one_by_one", rows), 3),
        "a row and what follows the commit": (announce, 4),
        "a read": (lambda: database.fetch(one("select 1")), 1),
        "a read of two statements": (lambda: database.fetch(look_twice), 4),
    }
    counted = {}
    for what, (do, _) in waits.items():
        for _ in range(2):  # connects, prepares, learns
            await do()
        announced.clear()
        before = proxy.round_trips
        await do()
        counted[what] = proxy.round_trips - before
    await asyncio.to_thread(writer.close)

    assert counted == {what: expected for what, (_, expected) in waits.items()}
