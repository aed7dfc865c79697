"""What every database does alike, whichever it is. A test here names none of them."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import pytest

from ombud.db.database import Database
from ombud.db.operation import Afterwards, Make, Operation, Row, Statement
from ombud.db.queries import Queries
from ombud.errors import InvalidInput, StorageUnavailable
from tests.db.sql import each, one
from tests.support.databases import Home

INSERT = "insert into item(name) values (:name)"
NAMES = "select name from item order by name"
# Seconds: generous; what takes this long does not come.
PATIENCE_SECONDS = 20.0

STATEMENTS = Queries(
    "test",
    """
-- name: add
-- rows: name text, number bigint
insert into item(name, number) values (:name, :number);
-- postgres:
insert into item(name, number) select name, number from {rows} r;

-- name: add_one_by_one
-- rows: name text, number bigint
insert into item(name, number) values (:name, :number);

-- name: add_and_return
-- rows: name text, number bigint
insert into item(name, number) values (:name, :number) returning name, number;

-- name: stamp
-- rows: name text
update item set number = :now where name = :name;
-- postgres:
update item i set number = :now from {rows} r where i.name = r.name;

-- name: count_all
-- rows: name text
-- What an Afterwards sees: how many there are.
update item set number = (select count(*) from item) where name = :name returning name, number;
-- postgres:
update item i set number = (select count(*) from item) from {rows} r where i.name = r.name returning i.name, i.number;

-- name: numbers
-- rows: name text
select name, number from item where name = :name;
-- postgres:
select i.name, i.number from {rows} r join item i on i.name = r.name;

-- name: divided
-- rows: name text
-- What no database can do.
select json_extract('{', '$.a') from item where name = :name;
-- postgres:
select 1 / (i.number - i.number) from {rows} r join item i on i.name = r.name;

-- name: larger
select {greatest}(:a, :b) as larger, {least}(:a, :b) as smaller;

-- name: page
select name from item where (:after is null or name > :after) and number + :more > 0 order by name limit :limit;
""",
)


class Item(NamedTuple):
    name: str
    number: int


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    opened = opened_with_table(home)
    yield opened
    opened.close()


def opened_with_table(home: Home) -> Database:
    opened = home.open()
    opened.write(one("create table item(name text not null unique, number bigint not null default 0)"))
    return opened


def names(database: Database) -> list[str]:
    return [row["name"] for row in database.read(one(NAMES))]


def step(name: str, values: Any, *factory: Any) -> Make[list[Any]]:
    def make() -> Operation[list[Any]]:
        rows: list[Any] = yield STATEMENTS[name], values, *factory
        return rows

    return make


def insert_two_then_fail() -> Operation[None]:
    for name in ("x", "y"):
        yield Statement("insert", INSERT), {"name": name}
    raise InvalidInput("name", "never mind")


def test_a_write_is_there_when_it_returns(database: Database) -> None:
    assert database.write(one(f"{INSERT} returning name, 7 as n", name="a")) == [{"name": "a", "n": 7}]

    assert names(database) == ["a"]


def test_a_list_of_mappings_runs_the_statement_for_each(database: Database) -> None:
    database.write(each(INSERT, [{"name": "a"}, {"name": "b"}]))
    database.write(each(INSERT, []))

    assert names(database) == ["a", "b"]


@pytest.mark.parametrize("name", ["add", "add_one_by_one", "add_and_return"])
def test_tuples_are_taken_in_the_order_of_the_header(database: Database, name: str) -> None:
    rows = [("b", 2), ("a", 1), ("c", 3)]
    returned = database.write(step(name, rows, tuple))

    assert sorted(returned) == (sorted(rows) if name == "add_and_return" else [])
    assert database.read(step("page", {"after": None, "more": 1, "limit": 9}, tuple)) == [("a",), ("b",), ("c",)]
    assert database.write(step(name, [])) == []
    with pytest.raises(Exception, match="2"):  # of whatever kind: it is a mistake in the code
        database.write(step(name, [("d", 4, 5)]))


def test_a_mapping_is_as_good_as_one_tuple(database: Database) -> None:
    database.write(step("add", {"number": 5, "name": "a"}))

    assert database.read(one("select name, number from item")) == [{"name": "a", "number": 5}]


def test_rows_become_what_the_operation_wants(database: Database) -> None:
    database.write(step("add", [("a", 1)]))
    select = Statement("select", "select name, number from item")

    def look() -> Operation[tuple[Any, Any, Any]]:
        as_dicts = yield select, {}
        as_tuples = yield select, {}, tuple
        as_items = yield select, {}, Item._make
        return as_dicts, as_tuples, as_items

    assert database.read(look) == ([{"name": "a", "number": 1}], [("a", 1)], [Item("a", 1)])


def test_parameters_bind_by_name_and_a_missing_one_is_an_error(database: Database) -> None:
    rows = database.read(one("select :b as first, :a as second, :b as third", a=1, b=2))
    assert rows == [{"first": 2, "second": 1, "third": 2}]

    with pytest.raises(KeyError, match="c"):
        database.read(one("select :a as a, :c as c", a=1))


def test_the_same_text_serves_with_and_without_a_value(database: Database) -> None:
    """PostgreSQL alone could not tell the type of `:after is null`, and would take `:more` for a small integer."""
    database.write(step("add", [("a", 2**40), ("b", 2**40)]))
    for after, expected in ((None, ["a", "b"]), ("a", ["b"]), (None, ["a", "b"])):
        rows = database.read(step("page", {"after": after, "more": 2**41, "limit": 9}))
        assert [row["name"] for row in rows] == expected

    assert database.read(step("larger", {"a": 2**50, "b": 3})) == [{"larger": 2**50, "smaller": 3}]


def test_now_is_the_time_of_the_database(database: Database) -> None:
    before = database.clock()
    database.write(step("add", [("a", 0), ("b", 0)]))
    database.write(step("stamp", [("a",), ("b",)]))
    [a, b] = database.read(one("select number from item order by name"))
    [row] = database.read(one("select :now + 0 as now"))

    # The clock is an estimate of the server's; a second is more than it may be wrong.
    assert before - 1_000_000 <= a["number"] == b["number"] <= row["now"] <= database.clock() + 1_000_000


def test_now_is_the_clock_that_was_given(home: Home) -> None:
    database = home.open(lambda: 1_700_000_000_000_000)
    database.write(one("create table item(name text not null, number bigint not null default 0)"))
    database.write(step("add", [("a", 0), ("b", 0)]))
    database.write(step("stamp", [("a",)]))
    database.write(step("stamp", {"name": "b"}))

    assert (
        database.read(one("select number, :now as now from item"))
        == [{"number": 1_700_000_000_000_000, "now": 1_700_000_000_000_000}] * 2
    )
    assert database.clock() == 1_700_000_000_000_000
    database.close()


def test_an_operation_that_fails_is_undone_alone(database: Database) -> None:
    first, failed, constraint, last = database.write_all(
        [one(INSERT, name="a"), insert_two_then_fail, one(INSERT, name="a"), one(INSERT, name="b")]
    )

    assert (first, last) == ([], [])
    assert isinstance(failed, InvalidInput)
    assert "unique" in str(constraint).lower()
    assert names(database) == ["a", "b"]


def test_many_operations_that_fail_are_undone_alone(database: Database) -> None:
    makes = [insert_two_then_fail if number % 2 else one(INSERT, name=f"{number:02}") for number in range(20)]
    results = database.write_all(makes)

    assert [type(result) for result in results] == [list, InvalidInput] * 10
    assert names(database) == [f"{number:02}" for number in range(0, 20, 2)]


def test_a_single_write_raises_what_the_operation_raised(database: Database) -> None:
    with pytest.raises(InvalidInput, match="never mind"):
        database.write(insert_two_then_fail)

    assert names(database) == []


def test_operations_of_a_group_see_each_other(database: Database) -> None:
    *_, seen = database.write_all([one(INSERT, name="a"), one(INSERT, name="b"), one(NAMES)])

    assert seen == [{"name": "a"}, {"name": "b"}]


def test_text_that_cannot_be_kept_harms_nobody_else(database: Database) -> None:
    first, surrogate, last = database.write_all(
        [one(INSERT, name="a"), one(INSERT, name="\ud800"), one(INSERT, name="b")]
    )

    assert (first, last) == ([], [])
    assert isinstance(surrogate, ValueError)
    assert names(database) == ["a", "b"]


async def test_a_reader_sees_one_moment(database: Database) -> None:
    def look_twice() -> Operation[tuple[list[Row], list[Row]]]:
        before = yield Statement("names", NAMES), {}
        writer = threading.Thread(target=database.write, args=(one(INSERT, name=f"b{len(before)}"),))
        writer.start()
        writer.join()
        after = yield Statement("names", NAMES), {}
        return before, after

    await asyncio.to_thread(database.write, one(INSERT, name="a"))

    for _ in range(3):
        before, after = await database.fetch(look_twice)
        assert before == after
    assert len(await database.fetch(one(NAMES))) > 3


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StorageUnavailable, match=r"read-?only"):
        database.read(one(INSERT, name="a"))

    assert names(database) == []


def test_a_reader_that_failed_is_good_for_the_next(database: Database) -> None:
    def fail_after_reading() -> Operation[None]:
        yield Statement("names", NAMES), {}
        raise InvalidInput("name", "never mind")

    with pytest.raises(InvalidInput):
        database.read(fail_after_reading)

    database.write(one(INSERT, name="a"))
    assert names(database) == ["a"]


def test_threads_write_and_read_without_loss(database: Database) -> None:
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for index in range(25):
            database.write(one(INSERT, name=f"{number}.{index}"))
            database.read(one("select count(*) from item"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert database.read(one("select count(*) as items from item")) == [{"items": 200}]


async def test_what_is_written_alike_is_one_operation(database: Database) -> None:
    groups: list[int] = []

    def add_all(items: Sequence[str]) -> Operation[list[str]]:
        groups.append(len(items))
        yield STATEMENTS["add"], [(item, len(item)) for item in items]
        return [item.upper() for item in items]

    writer = database.open_writer()
    results = await asyncio.gather(*(writer.add(add_all, f"n{number:03}") for number in range(100)))
    await asyncio.to_thread(writer.close)

    assert results == [f"N{number:03}" for number in range(100)]
    assert len(await database.fetch(one(NAMES))) == 100
    assert len(groups) < 100


async def test_an_item_that_fails_is_told_alone(database: Database) -> None:
    def add_all(items: Sequence[str]) -> Operation[list[str]]:
        yield STATEMENTS["add"], [(item, 0) for item in items]
        if "bad" in items:
            raise InvalidInput("name", "bad")
        return list(items)

    writer = database.open_writer()
    results = await asyncio.gather(*(writer.add(add_all, name) for name in ("a", "bad", "b")), return_exceptions=True)
    await asyncio.to_thread(writer.close)

    assert results[::2] == ["a", "b"]
    assert isinstance(results[1], InvalidInput)
    assert [row["name"] for row in await database.fetch(one(NAMES))] == ["a", "b"]


class Announced:
    """Hears what comes after commits."""

    def __init__(self) -> None:
        self.heard: list[tuple[list[Any], list[Any]]] = []
        self._one = threading.Semaphore(0)

    def then(self, rows: list[Any], gifts: list[Any]) -> None:
        self.heard.append((rows, gifts))
        self._one.release()

    def wait(self) -> tuple[list[Any], list[Any]]:
        assert self._one.acquire(timeout=PATIENCE_SECONDS)
        return self.heard[-1]


def add_and_announce(announced: Announced, name: str, *, fail: bool = False) -> Operation[None]:
    yield Afterwards(STATEMENTS["count_all"], [("last",), (name,)], announced.then, name)
    yield STATEMENTS["add"], [(name, 0)]
    if fail:
        raise InvalidInput("name", "never mind")


def test_afterwards_sees_all_of_the_commit_and_runs_once(database: Database) -> None:
    announced = Announced()
    makes = [partial(add_and_announce, announced, name) for name in ("b", "a")]
    database.write_all([*makes, one(INSERT, name="last")])

    rows, gifts = announced.wait()
    assert sorted(rows) == [("a", 3), ("b", 3), ("last", 3)]
    assert gifts == ["b", "a"]
    assert len(announced.heard) == 1


def test_what_failed_announces_nothing(database: Database) -> None:
    announced = Announced()
    makes = [partial(add_and_announce, announced, name, fail=name == "bad") for name in ("a", "bad", "b")]
    results = database.write_all(makes)

    assert isinstance(results[1], InvalidInput)
    assert sorted(announced.wait()[1]) == ["a", "b"]
    assert len(announced.heard) == 1


def test_an_error_in_what_follows_a_commit_is_nobodys(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise InvalidInput("name", "never mind")

    def add(name: str, announced: Announced) -> Operation[None]:
        yield STATEMENTS["add"], [(name, 0)]
        yield Afterwards(STATEMENTS["count_all"], [(name,)], fail)
        yield Afterwards(STATEMENTS["count_all"], [(name,)], announced.then, 7)

    announced = Announced()
    database.write(partial(add, "a", announced))

    assert announced.wait() == ([("a", 1)], [7])
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_what_one_statement_has_done_another_leaves_out(database: Database) -> None:
    count, add = STATEMENTS["count_all"], STATEMENTS["add_and_return"]

    def append(announced: Announced) -> Operation[None]:
        yield STATEMENTS["add"], [("a", 0), ("b", 0)]
        yield Afterwards(count, [("a",), ("none",)])
        yield Afterwards(add, [("a", 1), ("c", 1), ("none", 1)], announced.then, unless=(add, count))

    announced = Announced()
    database.write(partial(append, announced))

    assert sorted(announced.wait()[0]) == [("c", 1), ("none", 1)]


def test_what_only_reads_returns_mappings_and_may_fail(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    def append(announced: Announced) -> Operation[None]:
        yield STATEMENTS["add"], [("a", 5)]
        yield Afterwards(STATEMENTS["numbers"], [("a",)], announced.then, "numbers", reads=True)
        yield Afterwards(STATEMENTS["divided"], [("a",)], announced.then, "divided", reads=True)
        yield Afterwards(STATEMENTS["count_all"], [("a",)], announced.then, "count")

    announced = Announced()
    database.write(partial(append, announced))
    while not announced.heard or announced.heard[-1][1] != ["count"]:
        announced.wait()

    assert announced.heard[0] == ([{"name": "a", "number": 5}], ["numbers"])
    assert announced.heard[-1] == ([("a", 1)], ["count"])
    assert [gift for rows, [gift] in announced.heard if not rows] in (["divided"], [])
    assert "divided" in caplog.text


def test_the_answer_does_not_wait_for_what_follows(database: Database) -> None:
    """Nor is a caller told of its failure: the commit stands."""

    def add() -> Operation[str]:
        yield STATEMENTS["add"], [("a", 0)]
        yield Afterwards(Statement("odd", "select 1 where :name = ''", "", (("name", "text"),)), [("a",)])
        return "done"

    assert database.write(add) == "done"
    assert names(database) == ["a"]


def test_a_seat_is_taken_and_given_back(database: Database) -> None:
    seat = database.seat("outbox")

    assert seat.try_take()
    seat.close()


async def test_a_wake_is_heard(database: Database) -> None:
    heard = asyncio.Event()
    with database.listen("outbox", heard.set):
        # A line may ring by itself when it begins to hear.
        await ring_until_heard(database, "outbox", heard)
        heard.clear()
        await ring_until_heard(database, "outbox", heard)


async def ring_until_heard(database: Database, name: str, heard: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not heard.is_set():
            database.wake(name)
            await asyncio.sleep(0.01)


def test_a_closed_database_says_so(database: Database) -> None:
    database.close()
    database.close()

    for use in (database.write, database.read):
        with pytest.raises(StorageUnavailable, match="it was closed"):
            use(one(NAMES))
    database.wake("outbox")


def test_what_was_written_is_there_when_it_is_opened_again(home: Home) -> None:
    database = opened_with_table(home)
    database.write(one(INSERT, name="a"))
    database.close()
    again = home.open()

    assert names(again) == ["a"]
    again.close()
