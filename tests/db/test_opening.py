"""Opening a file: durable or not at all, private, and with an error that a person can act on."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from ombud.db.locks import FileLock
from ombud.db.sqlite import SqliteDatabase
from ombud.db.sqlite_connection import check_sqlite_version
from ombud.errors import ConfigurationError, StorageUnavailable
from tests.db.children import Child, Line
from tests.db.sql import descriptors_on, one, seen


@pytest.fixture
def default_vfs() -> Iterator[Callable[[str], None]]:
    """Choose how SQLite talks to files; put back afterwards."""
    before = apsw.vfs_names()[0]
    yield apsw.set_default_vfs
    apsw.set_default_vfs(before)


@pytest.fixture
def each_connection() -> Iterator[Callable[[Callable[[apsw.Connection], None]], None]]:
    """Do something to every connection that is opened from now on."""
    before = list(apsw.connection_hooks)
    yield apsw.connection_hooks.append
    apsw.connection_hooks[:] = before


def test_a_power_cut_takes_nothing_that_was_answered(database: SqliteDatabase) -> None:
    settings = {name: database.write(one(f"pragma {name}"))[0] for name in ("journal_mode", "synchronous", "fullfsync")}

    assert settings == {
        "journal_mode": {"journal_mode": "wal"},
        "synchronous": {"synchronous": 2},
        "fullfsync": {"fullfsync": 1},
    }


def test_a_place_without_shared_memory_is_refused(path: Path, default_vfs: Callable[[str], None]) -> None:
    default_vfs("unix-dotfile")

    with pytest.raises(ConfigurationError, match=r"in journal mode delete, .* cannot survive a power cut"):
        SqliteDatabase(path)


def test_a_connection_that_will_not_sync_is_refused(
    path: Path, each_connection: Callable[[Callable[[apsw.Connection], None]], None]
) -> None:
    def ignore_synchronous(operation: int, first: str | None, second: str | None, *_: object) -> int:
        chosen = operation == apsw.SQLITE_PRAGMA and first == "synchronous" and second is not None
        return apsw.SQLITE_IGNORE if chosen else apsw.SQLITE_OK

    def break_syncing(connection: apsw.Connection) -> None:
        connection.execute("pragma synchronous = normal")
        connection.authorizer = ignore_synchronous

    each_connection(break_syncing)

    with pytest.raises(ConfigurationError, match="synchronous 1, and cannot survive a power cut"):
        SqliteDatabase(path)


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.9.0", "2.99.99"])
def test_a_sqlite_that_can_lose_rows_is_refused(version: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_sqlite_version(version)

    assert str(caught.value) == (
        f"SQLite {version} can lose committed rows (the WAL-reset bug); Ombud needs 3.51.3 or newer."
        " Install a newer apsw: pip install -U apsw"
    )


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "3.100.1", "4.0.0", ""])
def test_a_sound_sqlite_is_accepted(version: str) -> None:
    check_sqlite_version(version)


def test_only_the_owner_may_read_what_is_stored(database: SqliteDatabase, path: Path, tmp_path: Path) -> None:
    database.write(one("insert into item values ('a')"))

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}

    assert modes == dict.fromkeys(["ombud.db", "ombud.db-wal", "ombud.db-shm", "ombud.db.write"], 0o600)


def test_even_an_open_umask_gives_nothing_away(path: Path) -> None:
    before = os.umask(0)
    try:
        SqliteDatabase(path).close()
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def _folder(path: Path) -> None:
    path.mkdir()


def _something_else(path: Path) -> None:
    path.write_bytes(b"This is a letter to a friend. " * 200)


def _dangling_link(path: Path) -> None:
    path.symlink_to(path.parent / "gone" / "ombud.db")


@pytest.mark.parametrize("make", [_folder, _something_else, _dangling_link])
def test_what_is_no_database_is_a_configuration_error(path: Path, make: Callable[[Path], None]) -> None:
    make(path)

    with pytest.raises(ConfigurationError, match=r"Cannot open .*ombud\.db"):
        SqliteDatabase(path)


@pytest.mark.parametrize("name", ["missing/ombud.db", "file/ombud.db", "x" * 300, "a\0b.db", "\udce9.db"])
def test_a_path_that_cannot_be_is_a_configuration_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="Cannot open"):
        SqliteDatabase(tmp_path / name)


def test_a_failed_opening_leaves_no_descriptor(path: Path, tmp_path: Path) -> None:
    _something_else(path)

    for _ in range(5):
        with pytest.raises(ConfigurationError):
            SqliteDatabase(path)

    assert descriptors_on(tmp_path) == []


def test_closing_leaves_no_descriptor_and_one_file_of_data(database: SqliteDatabase, tmp_path: Path) -> None:
    database.write(one("insert into item values ('a')"))
    database.read(one("select 1"))
    database.close()

    assert descriptors_on(tmp_path) == []
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ombud.db", "ombud.db.write"]
    assert seen(database.path, "select name from item") == ["a"]


def test_a_file_that_somebody_is_writing_to_for_long_is_unavailable(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SqliteDatabase(path).close()
    monkeypatch.setattr("ombud.db.sqlite.WRITE_WAIT_SECONDS", 0.05)

    def hold_the_lock(line: Line) -> None:
        FileLock(path.with_name("ombud.db.write")).acquire(5)
        line.send("held")
        line.recv()

    child = Child(hold_the_lock)
    assert child.hear() == "held"

    with pytest.raises(StorageUnavailable, match="Another process has held"):
        SqliteDatabase(path)

    assert descriptors_on(tmp_path) == []
    child.say()
    assert child.hear() is None
    assert child.end() == 0
    SqliteDatabase(path).close()
