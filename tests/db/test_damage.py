"""A disk that fails: nothing more is stored, who must know is told, and the next start looks at the file."""

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from ombud.db.damage import is_damage
from ombud.db.sqlite import SqliteDatabase
from ombud.errors import ConfigurationError, StorageUnavailable
from tests.db.sql import descriptors_on, one, seen

INSERT = "insert into item values (:name)"
NAMES = "select name from item order by name"


def io_error(result: int) -> apsw.IOError:
    error = apsw.IOError("disk I/O error")
    error.extendedresult = result  # type: ignore[attr-defined]
    return error


class Disk:
    """What a file system answers, when it is asked to write, sync or read a page."""

    def __init__(self) -> None:
        self.write: Exception | None = None
        self.sync: Exception | None = None
        self.read: Exception | None = None
        self.sync_file: Exception | None = None


class _Files(apsw.VFS):
    def __init__(self, name: str, disk: Disk) -> None:
        super().__init__(name, "")
        self.disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's name
        return _File(self.disk, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._is_log = bool(flags[0] & apsw.SQLITE_OPEN_WAL)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw's name
        if self._disk.write:
            raise self._disk.write
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's name
        if self._disk.sync:
            raise self._disk.sync
        if self._disk.sync_file and not self._is_log:
            raise self._disk.sync_file
        super().xSync(flags)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - apsw's name
        if self._disk.read:
            raise self._disk.read
        return super().xRead(amount, offset)


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    files = _Files("faulty", made)
    yield made
    files.unregister()


@pytest.fixture
def database(path: Path, disk: Disk) -> Iterator[SqliteDatabase]:
    opened = SqliteDatabase(path, vfs="faulty")
    opened.write(one("create table item(name text not null unique)"))
    opened.write(one(INSERT, name="a"))
    yield opened
    disk.write = disk.sync = disk.read = disk.sync_file = None
    opened.close()


def marker(path: Path) -> Path:
    return path.with_name("ombud.db.damaged")


@pytest.mark.parametrize("error", [apsw.FullError("full"), io_error(apsw.SQLITE_IOERR_SHMSIZE)])
def test_a_full_disk_is_no_damage_and_heals_by_itself(
    database: SqliteDatabase, disk: Disk, path: Path, error: Exception
) -> None:
    told: list[str] = []
    database.when_failed(lambda: told.append("failed"))
    disk.write = error
    for name in ("b", "c"):
        with pytest.raises(StorageUnavailable, match="nothing was stored"):
            database.write(one(INSERT, name=name))
        assert database.read(one(NAMES)) == [{"name": "a"}]
    disk.write = None
    database.write(one(INSERT, name="d"))

    assert (database.failure, told, marker(path).exists()) == (None, [], False)
    assert seen(path, NAMES) == ["a", "d"]


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("write", io_error(apsw.SQLITE_IOERR_WRITE)),
        ("sync", io_error(apsw.SQLITE_IOERR_FSYNC)),
        ("sync", apsw.IOError("disk I/O error")),
    ],
)
def test_after_an_error_of_the_disk_nothing_is_stored_and_who_must_know_is_told_once(
    database: SqliteDatabase, disk: Disk, path: Path, what: str, error: Exception
) -> None:
    told: list[str | None] = []
    database.when_failed(lambda: told.append(database.failure))
    setattr(disk, what, error)
    with pytest.raises(StorageUnavailable, match="disk I/O error"):
        database.write(one(INSERT, name="b"))
    setattr(disk, what, None)

    assert told == ["the disk failed (disk I/O error)"]
    for use in (database.write, database.read):
        with pytest.raises(StorageUnavailable, match=r"takes no more writes: the disk failed \(disk I/O error\)"):
            use(one(NAMES))
    database.when_failed(lambda: told.append("late"))
    assert told[1:] == ["late"]
    assert marker(path).exists()
    assert marker(path).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("error", "failure"),
    [(io_error(apsw.SQLITE_IOERR_FSYNC), "the disk failed (disk I/O error)"), (apsw.FullError("full"), None)],
)
def test_a_log_that_cannot_be_copied_leaves_every_commit_as_it_is(
    database: SqliteDatabase, disk: Disk, path: Path, error: Exception, failure: str | None
) -> None:
    """SQLite copies it after a commit, and tells nobody what happens then."""
    disk.sync_file = error
    stored = 0
    while database.failure is None and path.with_name("ombud.db-wal").stat().st_size < 32 << 20:
        database.write(one(INSERT, name=f"{stored} {'x' * 100_000}"))
        stored += 1

    assert database.failure == failure
    assert seen(path, "select count(*) from item") == [stored + 1]
    disk.sync_file = None
    if failure is None:
        database.write(one(INSERT, name="b"))
        before = path.with_name("ombud.db-wal").stat().st_size
        database.write(one(INSERT, name="c"))
        assert path.with_name("ombud.db-wal").stat().st_size == before, "copied, and begun anew"


def test_a_page_that_cannot_be_read_is_damage_too(database: SqliteDatabase, disk: Disk, path: Path) -> None:
    disk.read = io_error(apsw.SQLITE_IOERR_READ)
    with pytest.raises(StorageUnavailable, match="disk I/O error"):
        database.read(one(NAMES))
    disk.read = None

    assert database.failure == "the disk failed (disk I/O error)"
    database.close()
    assert marker(path).exists()


def test_closing_after_an_error_leaves_the_log_as_it_is(
    database: SqliteDatabase, disk: Disk, path: Path, tmp_path: Path
) -> None:
    database.read(one(NAMES))
    disk.sync = io_error(apsw.SQLITE_IOERR_FSYNC)
    with pytest.raises(StorageUnavailable):
        database.write(one(INSERT, name="b"))
    disk.sync = None
    before = path.read_bytes()
    database.close()

    assert path.read_bytes() == before
    assert path.with_name("ombud.db-wal").stat().st_size > 0
    assert descriptors_on(tmp_path) == []
    # What could not be synced may be there: the kernel has kept it this time.
    assert seen(path, NAMES)[0] == "a"
    assert seen(path, "pragma integrity_check") == ["ok"]


def test_a_callback_that_fails_hides_nothing_from_the_next(
    database: SqliteDatabase, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def fail() -> None:
        raise RuntimeError("the loop is closed")

    database.when_failed(fail)
    database.when_failed(lambda: told.append("failed"))
    disk.sync = io_error(apsw.SQLITE_IOERR_FSYNC)
    with pytest.raises(StorageUnavailable):
        database.write(one(INSERT, name="b"))

    assert told == ["failed"]
    assert "could not be told that the disk failed" in caplog.text


def test_where_nobody_listens_the_log_says_it(
    database: SqliteDatabase, disk: Disk, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk.sync = io_error(apsw.SQLITE_IOERR_FSYNC)
    for name in ("b", "c"):
        with pytest.raises(StorageUnavailable):
            database.write(one(INSERT, name=name))

    assert caplog.messages == [
        f"{path}: the disk failed (disk I/O error); nothing more is stored by this process. Start it again."
    ]


def test_the_next_start_looks_at_a_sound_file_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    SqliteDatabase(path).close()
    marker(path).touch()
    for _ in range(2):
        SqliteDatabase(path).close()
        assert not marker(path).exists()

    assert caplog.messages == [f"{path} is being checked: the disk failed under an earlier process"]


def test_the_next_start_refuses_a_damaged_file_and_leaves_it_as_it_is(path: Path, tmp_path: Path) -> None:
    database = SqliteDatabase(path)
    database.write(one("create table item(name text not null unique)"))
    for number in range(50):
        database.write(one(INSERT, name=f"{number} {'x' * 3_000}"))
    database.close()
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 4096)
    marker(path).touch()
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(
            ConfigurationError, match=r"The disk failed under .*ombud\.db, and the file is damaged: .+"
        ) as caught:
            SqliteDatabase(path)
        assert "\n" not in str(caught.value)
        assert "put a backup in its place" in str(caught.value)

    assert path.read_bytes() == before
    assert marker(path).exists()
    assert descriptors_on(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "system_errno", "damage"),
    [
        (io_error(apsw.SQLITE_IOERR_WRITE), errno.EDQUOT, False),
        (io_error(apsw.SQLITE_IOERR_WRITE), errno.EIO, True),
        (io_error(apsw.SQLITE_IOERR_FSYNC), errno.EDQUOT, True),
        (io_error(apsw.SQLITE_IOERR_FSYNC), errno.ENOSPC, True),
        (io_error(apsw.SQLITE_IOERR_READ), 0, True),
        (io_error(apsw.SQLITE_IOERR_NOMEM), 0, False),
        (io_error(apsw.SQLITE_IOERR_LOCK), errno.ENOLCK, False),
        (apsw.IOError("from a file system of one's own"), 0, True),
        (apsw.CorruptError("malformed"), 0, True),
        (apsw.NotADBError("encrypted"), 0, True),
        (apsw.FullError("full"), errno.ENOSPC, False),
        (apsw.BusyError("locked"), 0, False),
        (apsw.CantOpenError("no more files"), errno.EMFILE, False),
        (apsw.ReadOnlyError("read only"), 0, False),
    ],
)
def test_what_is_damage(error: Exception, system_errno: int, damage: bool) -> None:
    assert is_damage(error, system_errno) == damage


@pytest.mark.parametrize("suffix", ["", "-wal"])
@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("linked", [False, True])
def test_a_file_that_was_taken_away_stores_nothing_more(path: Path, suffix: str, replaced: bool, linked: bool) -> None:
    """What is committed to it is on disk, and nobody will find it again."""
    name = path.with_name("link") if linked else path
    if linked:
        path.touch()
        name.symlink_to(path)
    database = SqliteDatabase(name)
    database.write(one("create table item(name text not null unique)"))
    told: list[str | None] = []
    database.when_failed(lambda: told.append(database.failure))
    there = path.with_name(f"{path.name}{suffix}")
    other = path.with_name("other")
    other.write_bytes(there.read_bytes())
    there.unlink()
    if replaced:
        other.rename(there)
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match="it was removed or replaced while it was open; restart"):
            database.write(one(INSERT, name="a"))
    database.close()
    assert told == ["it was removed or replaced while it was open"]
    assert not marker(name).exists()


# What another program does with the file, and a backup that it makes and puts back, as `sqlite3` does with `.restore`.
OTHERS = (
    "pragma wal_checkpoint(truncate)",
    "vacuum",
    "pragma journal_mode = delete",
    "backup",
)
OTHER_PROGRAM = """
import sqlite3, sys
file, other = (sqlite3.connect(path, timeout=0, isolation_level=None) for path in sys.argv[1:3])
if sys.argv[3] == "backup":
    file.backup(other)
    other.backup(file)
else:
    try:
        print(file.execute(sys.argv[3]).fetchall())
    except sqlite3.OperationalError as error:
        print(error)
file.close()
"""


def test_what_others_do_with_a_file_takes_it_from_nobody(path: Path) -> None:
    """The log is emptied, everything is written anew, the last other connection is closed: both are where they were."""
    database = SqliteDatabase(path)
    database.write(one("create table item(name text not null unique)"))
    for what in OTHERS:
        arguments = [str(path), str(path.with_name("backup")), what]
        subprocess.run([sys.executable, "-c", OTHER_PROGRAM, *arguments], check=True)
        database.write(one(INSERT, name=what))
    SqliteDatabase(path).close()
    assert database.read(one(NAMES)) == [{"name": name} for name in sorted(OTHERS)]
    database.close()
