"""Migrations: in order, all of a file or nothing of it, by however many processes at once."""

import os
import signal
import uuid
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from ombud.db.migrate import migrate, migrations_of
from ombud.db.sqlite import SqliteDatabase
from ombud.errors import ConfigurationError
from tests.db.children import Child, Line
from tests.db.sql import one, seen

MakePart = Callable[..., str]
TABLES = "select name from sqlite_schema where type = 'table' and name != 'schema_version' order by name"
VERSION = "select version from schema_version"


@pytest.fixture
def make_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePart:
    """Make a package of migrations: 0001, 0002 and so on."""
    parts = tmp_path / "parts"
    parts.mkdir()
    monkeypatch.syspath_prepend(parts)

    def make(*scripts: str, **named: str) -> str:
        name = f"part_{uuid.uuid4().hex}"
        folder = parts / name / "migrations"
        folder.mkdir(parents=True)
        (parts / name / "__init__.py").touch()
        for number, script in enumerate(scripts, 1):
            (folder / f"{number:04}_step.sql").write_text(script)
        for file, script in named.items():
            (folder / f"{file}.sql").write_text(script)
        return name

    return make


@pytest.fixture
def empty(path: Path) -> SqliteDatabase:
    return SqliteDatabase(path)


def test_files_are_applied_in_order_and_once(empty: SqliteDatabase, path: Path, make_part: MakePart) -> None:
    part = make_part(
        "create table a(n integer); insert into a values (1);",
        "update a set n = n * 10;",
        "update a set n = n + 5;",
    )
    migrate(empty, [part])
    migrate(empty, [part])

    assert seen(path, "select n from a") == [15]
    assert seen(path, VERSION) == [3]
    empty.close()


def test_a_later_start_applies_what_is_new(
    empty: SqliteDatabase, path: Path, make_part: MakePart, tmp_path: Path
) -> None:
    part = make_part("create table a(n);")
    migrate(empty, [part])
    (tmp_path / "parts" / part / "migrations" / "0002_more.sql").write_text("create table b(n);")
    migrate(empty, [part])

    assert seen(path, TABLES) == ["a", "b"]
    assert seen(path, VERSION) == [2]
    empty.close()


def test_each_part_counts_for_itself(empty: SqliteDatabase, path: Path, make_part: MakePart) -> None:
    first, second = make_part("create table a(n);", "create table b(n);"), make_part("create table c(n);")
    migrate(empty, [first, second])

    assert dict(seen(path, "select part, version from schema_version")) == {first: 2, second: 1}
    empty.close()


def test_a_broken_file_leaves_nothing_of_itself(empty: SqliteDatabase, path: Path, make_part: MakePart) -> None:
    part = make_part("create table a(n);", "create table b(n); insert into nowhere values (1);", "create table c(n);")

    with pytest.raises(apsw.SQLError, match="nowhere"):
        migrate(empty, [part])

    assert seen(path, TABLES) == ["a"]
    assert seen(path, VERSION) == [1]
    empty.close()


def test_a_database_of_a_newer_ombud_is_refused(empty: SqliteDatabase, path: Path, make_part: MakePart) -> None:
    part = make_part("create table a(n);", "create table b(n);")
    migrate(empty, [part])
    empty.write(one("update schema_version set version = 7"))

    with pytest.raises(ConfigurationError, match=f"has version 7 of the {part} tables; this Ombud knows up to 2"):
        migrate(empty, [part])

    assert seen(path, VERSION) == [7]
    empty.close()


@pytest.mark.parametrize("names", [["0001_a", "0003_b"], ["0001_a", "0002_b", "0002_c"], ["0002_a"], []])
def test_a_gap_or_a_doubled_number_is_refused(make_part: MakePart, names: list[str]) -> None:
    """A doubled number would never be applied, and nobody would hear of it."""
    part = make_part(**dict.fromkeys(names, "select 1;"))

    with pytest.raises(ValueError, match=f"{part}: migrations are numbered 0001, 0002"):
        migrations_of(part)


def test_other_files_are_none_of_its_business(make_part: MakePart) -> None:
    part = make_part("select 1;", **{"notes": "", "01_short": "", "0002-dash": ""})

    assert [migration.version for migration in migrations_of(part)] == [1]


@pytest.mark.parametrize("part", ["ombud.mailbox", "ombud.sender", "ombud.admin"])
def test_the_shipped_migrations_can_be_applied(empty: SqliteDatabase, path: Path, part: str) -> None:
    migrate(empty, ["ombud.mailbox", part])

    assert dict(seen(path, "select part, version from schema_version"))[part] == len(migrations_of(part))
    empty.close()


def test_ten_processes_at_once(path: Path, make_part: MakePart) -> None:
    part = make_part(
        "create table a(n); insert into a values (1);", *(f"insert into a values ({number});" for number in range(2, 9))
    )

    def start(line: Line) -> None:
        line.send("ready")
        line.recv()
        mine = SqliteDatabase(path)
        migrate(mine, [part])
        mine.close()

    children = [Child(start) for _ in range(10)]
    assert [child.hear() for child in children] == ["ready"] * 10
    for child in children:
        child.say()
    assert [child.hear() for child in children] == [None] * 10
    assert [child.end() for child in children] == [0] * 10

    assert seen(path, "select n from a order by n") == list(range(1, 9))
    assert seen(path, VERSION) == [8]


def _every_connection_knows(name: str, function: Callable[..., int | None]) -> None:
    def teach(connection: apsw.Connection) -> None:
        connection.create_scalar_function(name, function)

    apsw.connection_hooks.append(teach)


def test_a_migration_that_is_killed_in_the_middle_is_done_by_the_next_start(path: Path, make_part: MakePart) -> None:
    part = make_part("create table a(n);", "create table b(n); insert into b select power_off();", "create table c(n);")

    def die_in_the_second(_: Line) -> None:
        _every_connection_knows("power_off", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        migrate(SqliteDatabase(path), [part])

    assert Child(die_in_the_second).end() == -signal.SIGKILL
    assert seen(path, TABLES) == ["a"]

    def start_again(_: Line) -> None:
        _every_connection_knows("power_off", lambda *_: 1)
        mine = SqliteDatabase(path)
        migrate(mine, [part])
        mine.close()

    child = Child(start_again)
    assert child.hear() is None
    assert child.end() == 0
    assert seen(path, TABLES) == ["a", "b", "c"]
    assert seen(path, VERSION) == [3]
