"""Group commit on PostgreSQL: what waits together is committed together, and nobody hears "yes" before the commit."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import uvloop

from ombud.db import loop_writer
from ombud.db.database import BATCH_LIMIT
from ombud.db.loop_writer import COMMITS_UNDER_WAY, LoopWriter
from ombud.db.operation import Make, Operation, Row, Statement
from ombud.db.postgres import PostgresDatabase
from ombud.errors import InvalidInput, StorageUnavailable
from tests.db.sql import one
from tests.support.postgres import PostgresServer, PostgresServers

INSERT = "insert into item(name) values (:name)"
# Any number: who holds this advisory lock holds up the commits.
OBSTACLE = 4711
PATIENCE_SECONDS = 20.0


@pytest.fixture
def server(postgres_servers: PostgresServers) -> PostgresServer:
    return postgres_servers["newest"]


@pytest.fixture
def database(server: PostgresServer, name: str) -> Iterator[PostgresDatabase]:
    opened = PostgresDatabase(server.url(name))
    opened.write(one("create table item(name text not null unique)"))
    yield opened
    opened.close()


@pytest.fixture
def commits() -> list[int]:
    """How many operations each commit had."""
    return []


@pytest.fixture
async def writer(database: PostgresDatabase, commits: list[int]) -> AsyncIterator[LoopWriter]:
    made = counting_writer(database, commits)
    yield made
    await asyncio.to_thread(made.close)


def counting_writer(database: PostgresDatabase, commits: list[int], queue_limit: int = 1000) -> LoopWriter:
    async def commit(makes: Sequence[Make[Any]]) -> list[Any]:
        commits.append(len(makes))
        return await database._commit(makes)

    return LoopWriter(database, commit, queue_limit=queue_limit)


@asynccontextmanager
async def obstacle(server: PostgresServer, name: str, writer: LoopWriter, commits: list[int]) -> AsyncIterator[None]:
    """Keep all commits of a writer busy meanwhile."""
    holder = await asyncpg.connect(server.url(name))
    await holder.execute(f"select pg_advisory_lock({OBSTACLE})")
    tasks: list[asyncio.Task[Any]] = []
    for _ in range(COMMITS_UNDER_WAY):
        tasks += started(writer, [one(f"select pg_advisory_xact_lock_shared({OBSTACLE})")])
        # It is queued, and a commit takes it up.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert commits == [1] * COMMITS_UNDER_WAY
    commits.clear()
    yield
    await holder.close()
    await asyncio.gather(*tasks)


def started(writer: LoopWriter, makes: Sequence[Callable[[], Operation[list[Row]]]]) -> list["asyncio.Task[list[Row]]"]:
    return [asyncio.create_task(writer.write(make)) for make in makes]


def names(server: PostgresServer, name: str) -> list[str]:
    return server.sql("select name from ombud.item order by name", name)


async def test_an_answer_comes_after_its_commit(writer: LoopWriter, server: PostgresServer, name: str) -> None:
    for number in range(10):
        await writer.write(one(INSERT, name=str(number)))
        assert len(names(server, name)) == number + 1


@pytest.mark.parametrize("under_way", [1, 2, 3])
async def test_writes_one_after_the_other_are_never_forgotten(
    writer: LoopWriter, monkeypatch: pytest.MonkeyPatch, under_way: int
) -> None:
    """The next one comes in the very moment in which the last commit has answered."""
    monkeypatch.setattr(loop_writer, "COMMITS_UNDER_WAY", under_way)

    async def client(letter: str) -> None:
        for number in range(20):
            await writer.write(one(INSERT, name=f"{letter}{number}"))

    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*map(client, "abc"[:under_way]))


async def test_writes_that_wait_together_share_a_commit(
    writer: LoopWriter, server: PostgresServer, name: str, commits: list[int]
) -> None:
    async with obstacle(server, name, writer, commits):
        tasks = started(writer, [one(INSERT, name=str(number)) for number in range(100)])
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)

    assert commits == [100]
    assert len(names(server, name)) == 100


async def test_a_batch_is_capped(writer: LoopWriter, server: PostgresServer, name: str, commits: list[int]) -> None:
    async with obstacle(server, name, writer, commits):
        tasks = started(writer, [one(INSERT, name=str(number)) for number in range(BATCH_LIMIT + 1)])
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)

    assert commits == [BATCH_LIMIT, 1]


async def test_an_error_reaches_its_own_caller_alone(
    writer: LoopWriter, server: PostgresServer, name: str, commits: list[int]
) -> None:
    def fail() -> Operation[list[Row]]:
        yield Statement("insert", INSERT), {"name": "x"}
        raise InvalidInput("name", "never mind")

    async with obstacle(server, name, writer, commits):
        tasks = started(writer, [one(INSERT, name="a"), fail, one(INSERT, name="b")])
        await asyncio.sleep(0)
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(answer) for answer in answers] == [list, InvalidInput, list]
    assert names(server, name) == ["a", "b"]


async def test_a_full_queue_is_refused_at_once(
    database: PostgresDatabase, server: PostgresServer, name: str, commits: list[int]
) -> None:
    writer = counting_writer(database, commits, queue_limit=2)
    async with obstacle(server, name, writer, commits):
        waiting = started(writer, [one(INSERT, name="a"), one(INSERT, name="b")])
        await asyncio.sleep(0)
        with pytest.raises(StorageUnavailable, match="2 writes are waiting already; nothing was stored"):
            await writer.write(one(INSERT, name="c"))
    await asyncio.gather(*waiting)
    await asyncio.to_thread(writer.close)

    assert names(server, name) == ["a", "b"]


async def test_a_caller_that_gives_up_disturbs_nobody(
    writer: LoopWriter, server: PostgresServer, name: str, commits: list[int]
) -> None:
    async with obstacle(server, name, writer, commits):
        gone, stays = started(writer, [one(INSERT, name="a"), one(INSERT, name="b")])
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
    await stays
    await writer.write(one(INSERT, name="c"))

    assert names(server, name) == ["a", "b", "c"]


@pytest.mark.parametrize("elsewhere", [True, False], ids=["from another thread", "on its own loop"])
async def test_closing_commits_what_waits(
    writer: LoopWriter, server: PostgresServer, name: str, commits: list[int], *, elsewhere: bool
) -> None:
    async with obstacle(server, name, writer, commits):
        waiting = started(writer, [one(INSERT, name=str(number)) for number in range(10)])
        await asyncio.sleep(0)
        if elsewhere:
            await asyncio.to_thread(writer.close)
        else:
            writer.close()
        await asyncio.gather(*waiting)

    assert len(names(server, name)) == 10
    with pytest.raises(StorageUnavailable, match="being closed"):
        await writer.write(one(INSERT, name="late"))


async def test_a_closed_database_refuses(writer: LoopWriter, database: PostgresDatabase) -> None:
    await writer.write(one(INSERT, name="a"))
    database.close()

    with pytest.raises(StorageUnavailable, match="it was closed"):
        await writer.write(one(INSERT, name="b"))


def test_event_loops_of_two_threads_share_a_writer(
    database: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    writer = database.open_writer()

    async def write(letter: str) -> None:
        await asyncio.gather(*(writer.write(one(INSERT, name=f"{letter}{number}")) for number in range(100)))

    threads = [threading.Thread(target=asyncio.run, args=(write(letter),)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()

    assert len(names(server, name)) == 200


def test_loops_that_end_while_their_write_is_committed_do_not_stop_the_writer(
    database: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    writer = database.open_writer()

    async def start_and_leave(number: int, steps: int) -> None:
        started(writer, [one(INSERT, name=str(number))])
        for _ in range(steps):
            await asyncio.sleep(0.001)

    async def write() -> None:
        await asyncio.wait_for(writer.write(one(INSERT, name="last")), PATIENCE_SECONDS)

    for number in range(30):
        asyncio.run(start_and_leave(number, number % 10))
    asyncio.run(write())
    writer.close()

    assert "last" in names(server, name)


async def test_what_is_under_way_ends_when_all_is_closed_on_its_loop(
    database: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    writer = database.open_writer()
    under_way = started(writer, [one(INSERT, name="a"), one("select pg_sleep(0.2)")])
    await asyncio.sleep(0.1)
    waiting = started(writer, [one(INSERT, name="b")])
    await asyncio.sleep(0)
    writer.close()
    database.close()
    await asyncio.gather(*under_way, *waiting)

    assert names(server, name) == ["a", "b"]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_either_kind_of_event_loop(
    database: PostgresDatabase, server: PostgresServer, name: str, run: Callable[..., Any]
) -> None:
    """And nothing of it is left when it ends."""

    async def use() -> None:
        writer = database.open_writer()
        heard = asyncio.Event()
        with database.listen("outbox", heard.set):
            await asyncio.wait_for(heard.wait(), PATIENCE_SECONDS)
            await asyncio.gather(*(writer.write(one(INSERT, name=str(number))) for number in range(100)))
            assert len(await database.fetch(one("select name from item"))) == 100
        writer.close()

    run(use())

    assert len(names(server, name)) == 100
    assert len(database._loops._engines) == 1
