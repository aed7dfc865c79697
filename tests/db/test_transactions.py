"""Transactions and readers on SQLite: what is its own way. What both databases do alike is in test_either.py."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import apsw
import pytest

from ombud.db.operation import Afterwards, Make, Operation, Row, Statement
from ombud.db.queries import Queries
from ombud.db.sqlite import SqliteDatabase
from ombud.errors import InvalidInput, StorageUnavailable
from tests.db.children import Child, Line
from tests.db.sql import descriptors_on, one, seen

INSERT = "insert into item values (:name)"
NAMES = "select name from item order by name"


def insert_two_then_fail() -> Operation[None]:
    for name in ("x", "y"):
        yield Statement("insert", INSERT), {"name": name}
    raise InvalidInput("name", "never mind")


def test_a_group_in_which_all_goes_well_has_no_savepoints_and_one_in_which_it_does_not_runs_again(
    database: SqliteDatabase,
) -> None:
    ran: list[str] = []
    made: list[str] = []

    def note(_: apsw.Cursor, text: str, __: object) -> bool:
        ran.append(text.split(maxsplit=1)[0])
        return True

    def insert(name: str) -> Make[list[Row]]:
        def make() -> Operation[list[Row]]:
            made.append(name)
            return one(INSERT, name=name)()

        return make

    database._writer._connection.exec_trace = note
    database.write_all([insert("a"), insert("b"), insert("c")])
    assert ran == ["begin", "insert", "insert", "insert", "commit"]

    ran.clear()
    made.clear()
    database.write_all([insert("d"), insert_two_then_fail, insert("e")])
    assert made == ["d", "d", "e"]
    first, second = ran[: ran.index("rollback") + 1], ran[ran.index("rollback") + 1 :]
    assert first == ["begin", "insert", "insert", "insert", "rollback"]
    assert second == [
        *("begin", "savepoint", "insert", "release"),
        *("savepoint", "insert", "insert", "rollback", "release"),
        *("savepoint", "insert", "release", "commit"),
    ]

    ran.clear()
    with pytest.raises(InvalidInput):
        database.write(insert_two_then_fail)
    assert ran == ["begin", "insert", "insert", "rollback"]


def test_what_an_operation_calls_unavailable_is_its_own_error(database: SqliteDatabase, path: Path) -> None:
    def refuse() -> Operation[None]:
        yield Statement("insert", INSERT), {"name": "x"}
        raise StorageUnavailable("Somebody else's storage.")

    first, refused = database.write_all([one(INSERT, name="a"), refuse])

    assert first == []
    assert str(refused) == "Somebody else's storage."
    assert seen(path, NAMES) == ["a"]


def test_what_was_committed_first_is_told_first(database: SqliteDatabase) -> None:
    """Also to a listener that takes its time: the next commit waits."""
    text = "-- name: count\n-- rows: name text\nselect count(*) from item where name >= :name;"
    count = Queries("test", text)["count"]
    told: list[str] = []
    telling, go_on = threading.Event(), threading.Event()

    def add(name: str, then: Callable[[], object]) -> Operation[None]:
        yield from one(INSERT, name=name)()
        yield Afterwards(count, [("",)], lambda rows, _: told.append(f"{name} {rows[0][0]}") if then() else None)

    def take_time() -> bool:
        telling.set()
        return go_on.wait(30)

    first = threading.Thread(target=database.write, args=(partial(add, "first", take_time),))
    first.start()
    assert telling.wait(30)
    second = threading.Thread(target=database.write, args=(partial(add, "second", lambda: True),))
    second.start()
    second.join(0.05)
    go_on.set()
    first.join()
    second.join()

    assert told == ["first 1", "second 2"]


def test_an_interrupted_write_is_undone_and_frees_the_lock(database: SqliteDatabase, path: Path) -> None:
    def interrupted() -> Operation[None]:
        yield Statement("insert", INSERT), {"name": "x"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        database.write(interrupted)

    database.write(one(INSERT, name="a"))
    assert seen(path, NAMES) == ["a"]


def test_readers_in_turn_share_a_connection(database: SqliteDatabase, tmp_path: Path) -> None:
    database.read(one(NAMES))
    before = descriptors_on(tmp_path)

    for _ in range(20):
        database.read(one(NAMES))

    assert descriptors_on(tmp_path) == before


def test_a_reader_under_way_is_closed_with_the_database(database: SqliteDatabase, tmp_path: Path) -> None:
    reading, closed = threading.Event(), threading.Event()

    def slow() -> Operation[None]:
        yield Statement("names", NAMES), {}
        reading.set()
        closed.wait(30)

    thread = threading.Thread(target=database.read, args=(slow,))
    thread.start()
    assert reading.wait(30)
    database.close()
    closed.set()
    thread.join()

    assert descriptors_on(tmp_path) == []


def test_processes_write_one_file_without_loss(path: Path) -> None:
    opened = SqliteDatabase(path)
    opened.write(one("create table counter(n integer)"))
    opened.write(one("insert into counter values (0)"))
    opened.close()

    def count(line: Line) -> None:
        mine = SqliteDatabase(path)
        line.send("ready")
        line.recv()
        for _ in range(200):
            mine.write(one("update counter set n = n + 1"))
        mine.close()

    children = [Child(count) for _ in range(4)]
    assert [child.hear() for child in children] == ["ready"] * 4
    for child in children:
        child.say()
    assert [child.hear() for child in children] == [None] * 4
    assert [child.end() for child in children] == [0] * 4

    assert seen(path, "select n from counter") == [800]
    assert seen(path, "pragma integrity_check") == ["ok"]


def test_the_wait_for_another_process_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_slowly(line: Line) -> None:
        def slow() -> Operation[None]:
            yield Statement("insert", INSERT), {"name": "theirs"}
            line.send("writing")
            line.recv()

        mine = SqliteDatabase(path)
        mine.write(one("create table item(name)"))
        line.send("open")
        line.recv()
        mine.write(slow)
        mine.close()

    child = Child(write_slowly)
    assert child.hear() == "open"
    database = SqliteDatabase(path)
    child.say()
    assert child.hear() == "writing"
    monkeypatch.setattr("ombud.db.sqlite.WRITE_WAIT_SECONDS", 0.05)

    with pytest.raises(StorageUnavailable, match=r"Another process has held .* for 0\.05 seconds; nothing was stored"):
        database.write(one(INSERT, name="ours"))

    # Readers do not wait for writers.
    assert database.read(one(NAMES)) == []
    child.say()
    assert child.hear() is None
    assert child.end() == 0
    database.write(one(INSERT, name="ours, later"))
    database.close()
    assert seen(path, NAMES) == ["ours, later", "theirs"]


def test_the_wait_for_a_strange_program_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that writes to the file knows nothing of our lock file."""
    monkeypatch.setattr("ombud.db.sqlite.WRITE_WAIT_SECONDS", 0.05)
    database = SqliteDatabase(path)
    database.write(one("create table item(name)"))
    shell = apsw.Connection(str(path))
    shell.execute("begin immediate")

    with pytest.raises(StorageUnavailable, match="database is locked"):
        database.write(one(INSERT, name="ours"))

    shell.execute("commit")
    shell.close()
    database.write(one(INSERT, name="ours, later"))
    database.close()
    assert seen(path, NAMES) == ["ours, later"]


def test_threads_of_one_process_wait_no_longer(database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ombud.db.sqlite.WRITE_WAIT_SECONDS", 0.05)
    writing, done = threading.Event(), threading.Event()

    def slow() -> Operation[None]:
        yield Statement("insert", INSERT), {"name": "theirs"}
        writing.set()
        done.wait(30)

    thread = threading.Thread(target=database.write, args=(slow,))
    thread.start()
    assert writing.wait(30)

    with pytest.raises(StorageUnavailable):
        database.write(one(INSERT, name="ours"))

    done.set()
    thread.join()
