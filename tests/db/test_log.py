"""The log that a killed process leaves is written again before anything is added: a failed sync may be behind it.

What becomes of it without that is in tests/faults/disk/test_errors.py.
"""

import os
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from ombud.db import files
from ombud.db.sqlite import SqliteDatabase
from ombud.errors import StorageUnavailable
from tests.db.children import Child, Line
from tests.db.sql import descriptors_on, one, seen

NAMES = [f"{number} {'x' * 3_000}" for number in range(20)]


@pytest.fixture
def left(path: Path) -> bytes:
    """The log of a process that was killed."""

    def store(line: Line) -> None:
        database = SqliteDatabase(path)
        database.write(one("create table item(name)"))
        for name in NAMES:
            database.write(one("insert into item values (:name)", name=name))
        line.send("stored")
        line.recv()

    child = Child(store)
    assert child.hear() == "stored"
    child.kill()
    return log_of(path).read_bytes()


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def test_the_log_of_a_killed_process_is_written_again_and_synced(
    path: Path, left: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, bytes]] = []
    pwrite, fsync = os.pwrite, os.fsync

    def short_pwrite(descriptor: int, data: bytes, offset: int) -> int:
        # What the kernel may do as well.
        written = pwrite(descriptor, data[: len(data) // 2 + 1], offset)
        done.append(("write", data[:written]))
        return written

    def recorded_fsync(descriptor: int) -> None:
        fsync(descriptor)
        done.append(("sync", b""))

    monkeypatch.setattr(files, "CHUNK_BYTES", 10_000)
    monkeypatch.setattr(os, "pwrite", short_pwrite)
    monkeypatch.setattr(os, "fsync", recorded_fsync)

    with closing(SqliteDatabase(path)):
        assert log_of(path).read_bytes() == left
    assert done.pop() == ("sync", b"")
    assert b"".join(data for what, data in done if what == "write") == left
    assert seen(path, "select name from item") == NAMES


def test_a_log_that_cannot_be_written_again_is_not_trusted(
    path: Path, left: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(Exception, match=r"Cannot open .*Input/output error"):
        SqliteDatabase(path)
    assert descriptors_on(tmp_path) == []


def test_nothing_is_written_while_another_program_writes(
    path: Path, left: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.db.sqlite.WRITE_WAIT_SECONDS", 0.05)
    with closing(apsw.Connection(str(path))) as foreign:
        foreign.execute("begin immediate")
        with pytest.raises(StorageUnavailable, match="Another program keeps writing to"):
            SqliteDatabase(path)
        foreign.execute("rollback")
    SqliteDatabase(path).close()
    assert descriptors_on(tmp_path) == []
