"""Group commit: what waits together is committed together, and nobody hears "yes" before it is on disk."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from ombud.db.database import BATCH_LIMIT
from ombud.db.operation import Operation, Row, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.db.writer import ThreadWriter
from ombud.errors import InvalidInput, StorageUnavailable
from tests.db.obstacle import Obstacle
from tests.db.sql import one, seen

INSERT = "insert into item values (:name)"


@pytest.fixture
def writer(database: SqliteDatabase) -> Iterator[ThreadWriter]:
    made = ThreadWriter(database)
    yield made
    made.close()


@pytest.fixture
def commits(database: SqliteDatabase) -> list[int]:
    """A list that grows by one with every commit."""
    made: list[int] = []

    def note() -> bool:
        made.append(len(made))
        return False

    database._writer._connection.set_commit_hook(note)
    return made


async def queued(
    writer: ThreadWriter, makes: list[Callable[[], Operation[list[Row]]]]
) -> list["asyncio.Task[list[Row]]"]:
    """Start writes, and return when all of them wait."""
    tasks = [asyncio.create_task(writer.write(make)) for make in makes]
    await asyncio.sleep(0)
    return tasks


async def test_an_answer_comes_after_its_commit(writer: ThreadWriter, path: Path) -> None:
    stranger = apsw.Connection(str(path))
    for number in range(200):
        await writer.write(one(INSERT, name=str(number)))
        assert stranger.execute("select count(*) from item").fetchall() == [(number + 1,)]
    stranger.close()


async def test_writes_that_wait_together_share_a_commit(writer: ThreadWriter, commits: list[int], path: Path) -> None:
    obstacle = Obstacle()
    first = await queued(writer, [obstacle.make])
    await obstacle.reached()
    rest = await queued(writer, [one(INSERT, name=str(number)) for number in range(100)])
    obstacle.free()
    await asyncio.gather(*first, *rest)

    assert len(commits) == 2, "one for the obstacle, one for the hundred"
    assert seen(path, "select count(*) from item") == [100]


async def test_a_batch_is_capped(writer: ThreadWriter, commits: list[int]) -> None:
    obstacle = Obstacle()
    first = await queued(writer, [obstacle.make])
    await obstacle.reached()
    rest = await queued(writer, [one(INSERT, name=str(number)) for number in range(BATCH_LIMIT + 1)])
    obstacle.free()
    await asyncio.gather(*first, *rest)

    assert len(commits) == 3


async def test_an_error_reaches_its_own_caller_alone(writer: ThreadWriter, path: Path) -> None:
    def fail() -> Operation[list[Row]]:
        yield Statement("insert", INSERT), {"name": "x"}
        raise InvalidInput("name", "never mind")

    obstacle = Obstacle()
    first = await queued(writer, [obstacle.make])
    await obstacle.reached()
    rest = await queued(writer, [one(INSERT, name="a"), fail, one(INSERT, name="b")])
    obstacle.free()
    await asyncio.gather(*first)
    answers = await asyncio.gather(*rest, return_exceptions=True)

    assert [type(answer) for answer in answers] == [list, InvalidInput, list]
    assert seen(path, "select name from item order by 1") == ["a", "b"]


async def test_a_storage_error_reaches_everyone_in_the_batch(
    writer: ThreadWriter, database: SqliteDatabase, path: Path
) -> None:
    pages = database.write(one("pragma page_count"))[0]["page_count"]
    database.write(one(f"pragma max_page_count = {pages + 5}"))
    obstacle = Obstacle()
    first = await queued(writer, [obstacle.make])
    await obstacle.reached()
    rest = await queued(writer, [one(INSERT, name="a"), one(INSERT, name="x" * 200_000)])
    obstacle.free()
    await asyncio.gather(*first)
    answers = await asyncio.gather(*rest, return_exceptions=True)

    assert [type(answer) for answer in answers] == [StorageUnavailable, StorageUnavailable]
    database.write(one("pragma max_page_count = 1000000"))
    await writer.write(one(INSERT, name="b"))
    assert seen(path, "select name from item") == ["b"]


async def test_a_full_queue_is_refused_at_once(database: SqliteDatabase, path: Path) -> None:
    writer = ThreadWriter(database, queue_limit=2)
    obstacle = Obstacle()
    first = await queued(writer, [obstacle.make])
    await obstacle.reached()
    waiting = await queued(writer, [one(INSERT, name="a"), one(INSERT, name="b")])

    with pytest.raises(StorageUnavailable, match="2 writes are waiting already; nothing was stored"):
        await writer.write(one(INSERT, name="c"))

    obstacle.free()
    await asyncio.gather(*first, *waiting)
    writer.close()
    assert seen(path, "select name from item order by 1") == ["a", "b"]


async def test_a_caller_that_gives_up_disturbs_nobody(writer: ThreadWriter, path: Path) -> None:
    obstacle = Obstacle()
    first = await queued(writer, [obstacle.make])
    await obstacle.reached()
    gone, stays = await queued(writer, [one(INSERT, name="a"), one(INSERT, name="b")])
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    obstacle.free()
    await asyncio.gather(*first, stays)

    await writer.write(one(INSERT, name="c"))
    assert seen(path, "select name from item order by 1") == ["a", "b", "c"]


async def test_closing_commits_what_waits(database: SqliteDatabase, path: Path) -> None:
    writer = ThreadWriter(database)
    obstacle = Obstacle()
    first = await queued(writer, [obstacle.make])
    await obstacle.reached()
    waiting = await queued(writer, [one(INSERT, name=str(number)) for number in range(10)])
    closing = asyncio.create_task(asyncio.to_thread(writer.close))
    obstacle.free()
    await asyncio.gather(*first, *waiting, closing)

    assert seen(path, "select count(*) from item") == [10]
    with pytest.raises(StorageUnavailable, match="being closed"):
        await writer.write(one(INSERT, name="late"))


async def test_a_closed_database_refuses(writer: ThreadWriter, database: SqliteDatabase) -> None:
    database.close()

    with pytest.raises(StorageUnavailable, match="it was closed"):
        await writer.write(one(INSERT, name="a"))


def test_event_loops_of_two_threads_share_a_writer(writer: ThreadWriter, path: Path) -> None:
    async def write(letter: str) -> None:
        await asyncio.gather(*(writer.write(one(INSERT, name=f"{letter}{number}")) for number in range(100)))

    threads = [threading.Thread(target=asyncio.run, args=(write(letter),)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen(path, "select count(*) from item") == [200]


def test_loops_that_end_while_their_write_is_committed_do_not_stop_the_writer(writer: ThreadWriter) -> None:
    async def start_and_leave(number: int) -> None:
        await queued(writer, [one(INSERT, name=str(number))])

    async def count() -> list[Row]:
        return await asyncio.wait_for(writer.write(one("select count(*) as items from item")), 30)

    for number in range(300):
        asyncio.run(start_and_leave(number))

    assert asyncio.run(count()) == [{"items": 300}]


class Vanishing(asyncio.SelectorEventLoop):
    """A loop that is closed by its thread just after somebody asked whether it is."""

    over = False

    def is_closed(self) -> bool:
        return self.over

    def call_soon_threadsafe(self, *_: object, **__: object) -> asyncio.Handle:
        raise RuntimeError("Event loop is closed")


async def test_a_loop_that_is_closed_at_the_last_moment_does_not_stop_the_writer(writer: ThreadWriter) -> None:
    loop = Vanishing()

    def leave() -> None:
        loop.create_task(writer.write(one(INSERT, name="a"))).add_done_callback(lambda task: task.exception())
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()

    await asyncio.to_thread(leave)
    items = await asyncio.wait_for(writer.write(one("select name from item")), 20)
    loop.over = True

    assert items == [{"name": "a"}]
