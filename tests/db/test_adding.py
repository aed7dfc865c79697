"""Items that are written alike and wait at the same moment are one operation."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ombud.db.database import BATCH_LIMIT, Together
from ombud.db.operation import Operation
from ombud.db.queries import Queries
from ombud.db.sqlite import SqliteDatabase
from ombud.db.writer import ThreadWriter
from ombud.errors import Conflict, InvalidInput, StorageUnavailable
from tests.db.children import in_child
from tests.db.obstacle import Obstacle
from tests.db.sql import seen

INSERT = Queries("a.sql", "-- name: insert\n-- rows: name text\n-- Why.\ninsert into item values (:name);\n")["insert"]
NAMES = "select name from item order by name"


class Desk:
    """Writes names together, and notes with whom each was written."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []

    def put(self, names: Sequence[str]) -> Operation[Sequence[str]]:
        self.groups.append(list(names))
        yield INSERT, [(name,) for name in names]
        if "bad" in names:
            raise InvalidInput("name", "never mind")
        return [name.upper() for name in names]

    def put_or_refuse(self, names: Sequence[str]) -> Operation[Sequence[str | Conflict]]:
        self.groups.append(list(names))
        yield INSERT, [(name,) for name in names if name != "taken"]
        return [Conflict("It is taken.") if name == "taken" else name for name in names]

    def forget_one(self, names: Sequence[str]) -> Operation[Sequence[str]]:
        yield INSERT, [(name,) for name in names]
        return names[1:]


@pytest.fixture
def writer(database: SqliteDatabase) -> Iterator[ThreadWriter]:
    made = database.open_writer()
    yield made
    made.close()


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def added(
    writer: ThreadWriter, items: Sequence[tuple[Together[str, str | Conflict], str]]
) -> list[str | Conflict | BaseException]:
    """Add items while the writer is held up, so that all wait; returns what each caller was told."""
    obstacle = Obstacle()
    first = asyncio.create_task(writer.write(obstacle.make))
    await obstacle.reached()
    tasks = [asyncio.create_task(writer.add(together, item)) for together, item in items]
    await asyncio.sleep(0)
    obstacle.free()
    await first
    return list(await asyncio.gather(*tasks, return_exceptions=True))


async def test_they_are_one_operation_and_each_has_its_own_result(writer: ThreadWriter, desk: Desk, path: Path) -> None:
    assert await added(writer, [(desk.put, "a"), (desk.put, "b"), (desk.put, "c")]) == ["A", "B", "C"]

    assert desk.groups == [["a", "b", "c"]]
    assert seen(path, NAMES) == ["a", "b", "c"]


async def test_items_that_are_written_in_another_way_are_another_operation(writer: ThreadWriter, path: Path) -> None:
    here, there = Desk(), Desk()
    items = [(here.put, "a"), (there.put, "b"), (here.put, "c"), (here.put_or_refuse, "d")]
    assert await added(writer, items) == ["A", "B", "C", "d"]

    assert (here.groups, there.groups) == ([["a", "c"], ["d"]], [["b"]])
    assert seen(path, NAMES) == ["a", "b", "c", "d"]


async def test_an_operation_that_raises_is_repeated_item_by_item(writer: ThreadWriter, desk: Desk, path: Path) -> None:
    items = [(desk.put, "a"), (desk.put, "bad"), (desk.put_or_refuse, "x"), (desk.put, "b"), (desk.put, "a")]
    a, bad, x, b, again = await added(writer, items)

    assert (a, x, b) == ("A", "x", "B")
    assert isinstance(bad, InvalidInput)
    assert "UNIQUE" in str(again)
    assert seen(path, NAMES) == ["a", "b", "x"]


async def test_an_item_that_is_alone_with_its_error_is_not_repeated(writer: ThreadWriter, desk: Desk) -> None:
    with pytest.raises(InvalidInput):
        await writer.add(desk.put, "bad")

    assert desk.groups == [["bad"]]


async def test_an_error_among_the_results_is_raised_to_its_own_caller(
    writer: ThreadWriter, desk: Desk, path: Path
) -> None:
    a, taken = await added(writer, [(desk.put_or_refuse, "a"), (desk.put_or_refuse, "taken")])

    assert a == "a"
    assert isinstance(taken, Conflict)
    assert len(desk.groups) == 1
    assert seen(path, NAMES) == ["a"]


async def test_results_that_do_not_match_the_items_are_nobodys(writer: ThreadWriter, desk: Desk) -> None:
    for told in await added(writer, [(desk.forget_one, "a"), (desk.forget_one, "b")]):
        assert isinstance(told, RuntimeError)
        assert "was given 2 items and gave 1 results" in str(told)


async def test_a_full_disk_is_everybodys_and_nothing_is_repeated(
    writer: ThreadWriter, desk: Desk, database: SqliteDatabase, path: Path
) -> None:
    [[pages]] = database._writer.execute("pragma page_count")
    database._writer.execute(f"pragma max_page_count = {pages + 1}")
    told = await added(writer, [(desk.put, "a"), (desk.put, "x" * 200_000)])

    assert [type(error) for error in told] == [StorageUnavailable] * 2
    assert told[0] is not told[1]
    assert len(desk.groups) == 1
    database._writer.execute("pragma max_page_count = 1000000")
    assert await writer.add(desk.put, "b") == "B"
    assert seen(path, NAMES) == ["b"]


async def test_a_group_is_capped_as_every_batch(writer: ThreadWriter, desk: Desk, path: Path) -> None:
    await added(writer, [(desk.put, str(number)) for number in range(BATCH_LIMIT + 1)])

    assert [len(group) for group in desk.groups] == [BATCH_LIMIT, 1]
    assert seen(path, "select count(*) from item") == [BATCH_LIMIT + 1]


async def test_adding_is_refused_as_writing_is(database: SqliteDatabase, desk: Desk) -> None:
    writer = database.open_writer(queue_limit=0)
    with pytest.raises(StorageUnavailable, match="0 writes are waiting already"):
        await writer.add(desk.put, "a")

    writer.close()
    with pytest.raises(StorageUnavailable, match="being closed"):
        await writer.add(desk.put, "a")


def test_adding_in_a_child_fails_at_once(database: SqliteDatabase, desk: Desk) -> None:
    writer = database.open_writer()

    def add() -> str:
        with pytest.raises(StorageUnavailable) as caught:
            asyncio.run(asyncio.wait_for(writer.add(desk.put, "a"), 5))
        return str(caught.value)

    assert "opened before a fork" in in_child(add)
    writer.close()


async def test_who_gives_up_disturbs_nobody(writer: ThreadWriter, desk: Desk, path: Path) -> None:
    gone = asyncio.create_task(writer.add(desk.put, "gone"))
    asyncio.get_running_loop().call_soon(gone.cancel)
    stays = await writer.add(desk.put, "stays")
    with pytest.raises(asyncio.CancelledError):
        await gone

    assert stays == "STAYS"
    assert "stays" in seen(path, NAMES)
