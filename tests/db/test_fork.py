"""A fork: the child leaves its parent's files alone, and may only open what nobody had open.

SQLite keeps its locks in process memory, so a child believes that it holds its parent's: see "Carrying an open database
connection across a fork" in https://www.sqlite.org/howtocorrupt.html.
"""

import asyncio
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ombud.db.locks import FileLock
from ombud.db.operation import Operation, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.db.writer import ThreadWriter
from ombud.errors import ConfigurationError, StorageUnavailable
from tests.db.children import Child, Line, in_child
from tests.db.sql import one, seen

INSERT = "insert into item values (:name)"


def test_a_child_cannot_use_its_parents_database(database: SqliteDatabase, path: Path) -> None:
    def try_both() -> list[str]:
        said = []
        for use in (database.write, database.read):
            with pytest.raises(StorageUnavailable) as caught:
                use(one(INSERT, name="child"))
            said.append(str(caught.value))
        return said

    database.read(one("select 1"))

    assert in_child(try_both) == [f"{path} was opened before a fork; open it after the fork instead."] * 2
    assert seen(path, "select name from item") == []


def test_the_parent_works_on_while_children_come_and_go(database: SqliteDatabase, path: Path) -> None:
    database.read(one("select 1"))
    for number in range(5):
        database.write(one(INSERT, name=f"before {number}"))
        assert in_child(gc.collect) is not None
        database.write(one(INSERT, name=f"after {number}"))

    assert len(database.read(one("select name from item"))) == 10
    assert seen(path, "select count(*) from item") == [10]
    assert seen(path, "pragma integrity_check") == ["ok"]


def test_a_child_that_ends_as_python_ends_harms_nothing(path: Path) -> None:
    """A plain `os.fork` runs the interpreter's whole farewell in the child."""
    script = """
import os, pathlib, sys
from ombud.db.sqlite import SqliteDatabase
from tests.db.sql import one
database = SqliteDatabase(pathlib.Path(sys.argv[1]))
database.write(one("create table item(name)"))
child = os.fork()
if child == 0:
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
for number in range(20):
    database.write(one("insert into item values (:name)", name=str(number)))
os._exit(0)  # as a kill would: what was stored is still in the log
"""
    ended = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert seen(path, "select count(*) from item") == [20]
    assert seen(path, "pragma integrity_check") == ["ok"]


def test_a_child_that_closes_its_parents_database_harms_nothing(database: SqliteDatabase, path: Path) -> None:
    """Also when a thread of the parent was writing at the moment of the fork."""
    writing, done = threading.Event(), threading.Event()

    def slow() -> Operation[None]:
        yield Statement("insert", INSERT), {"name": "a"}
        writing.set()
        done.wait(30)

    thread = threading.Thread(target=database.write, args=(slow,))
    thread.start()
    assert writing.wait(30)
    assert in_child(database.close) is None
    done.set()
    thread.join()

    database.write(one(INSERT, name="b"))
    assert seen(path, "select name from item order by 1") == ["a", "b"]


def test_a_write_in_a_child_fails_at_once_instead_of_waiting_for_a_thread_it_does_not_have(
    database: SqliteDatabase,
) -> None:
    writer = ThreadWriter(database)

    def write() -> str:
        async def try_it() -> str:
            with pytest.raises(StorageUnavailable) as caught:
                await asyncio.wait_for(writer.write(one(INSERT, name="child")), 5)
            return str(caught.value)

        return asyncio.run(try_it())

    assert "opened before a fork" in in_child(write)
    writer.close()


def test_a_child_may_not_open_what_its_parent_has_open(database: SqliteDatabase, path: Path) -> None:
    def open_again() -> str:
        with pytest.raises(ConfigurationError) as caught:
            SqliteDatabase(path)
        return str(caught.value)

    assert "was open in the process that this one was forked from" in in_child(open_again)


def test_a_grandchild_may_not_either(database: SqliteDatabase, path: Path) -> None:
    def fork_again() -> int:
        grandchild = os.fork()
        if grandchild:
            return os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1])
        try:
            SqliteDatabase(path)
        except ConfigurationError:
            os._exit(7)
        os._exit(1)

    assert in_child(fork_again) == 7


def test_a_child_opens_what_its_parent_has_closed(database: SqliteDatabase, path: Path) -> None:
    database.close()

    def write() -> None:
        mine = SqliteDatabase(path)
        mine.write(one(INSERT, name="child"))
        mine.close()

    assert in_child(write) is None
    assert seen(path, "select name from item") == ["child"]


def test_a_child_opens_another_file(database: SqliteDatabase, tmp_path: Path) -> None:
    other = tmp_path / "other.db"

    def write() -> None:
        mine = SqliteDatabase(other)
        mine.write(one("create table item(name)"))
        mine.close()

    assert in_child(write) is None
    assert seen(other, "select count(*) from item") == [0]


def test_a_child_does_not_keep_its_parents_lock(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert lock.try_acquire()

    def live_on(line: Line) -> str:
        line.send("alive")
        line.recv()
        with pytest.raises(StorageUnavailable) as caught:
            lock.try_acquire()
        return str(caught.value)

    child = Child(live_on)
    assert child.hear() == "alive"
    other = FileLock(tmp_path / "lock")
    assert not other.try_acquire(), "the fork must not free it either"
    lock.close()

    assert other.try_acquire()
    child.say()
    assert "forked from" in child.hear()
    assert child.end() == 0
    other.close()
