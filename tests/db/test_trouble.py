"""A full disk, a failing disk, a damaged file: nothing is said to be stored that is not."""

import resource
from pathlib import Path

import pytest

from ombud.db.sqlite import SqliteDatabase
from ombud.errors import StorageUnavailable
from tests.db.children import in_child
from tests.db.sql import one, seen

INSERT = "insert into item values (:name)"
LARGE = "x" * 200_000


def test_a_full_disk_fails_the_whole_group_and_heals(database: SqliteDatabase, path: Path) -> None:
    pages = database.write(one("pragma page_count"))[0]["page_count"]
    database.write(one(f"pragma max_page_count = {pages + 5}"))

    results = database.write_all([one(INSERT, name="a"), one(INSERT, name=LARGE), one(INSERT, name="b")])

    assert [type(result) for result in results] == [StorageUnavailable] * 3
    assert "full" in str(results[0])
    assert seen(path, "select name from item") == []

    database.write(one("pragma max_page_count = 1000000"))
    database.write(one(INSERT, name="a"))
    assert seen(path, "select name from item") == ["a"]


def test_after_an_input_output_error_nothing_more_is_stored(path: Path) -> None:
    """What a failed write or sync left in the kernel is unknown, so a later success would prove nothing."""

    def meet_a_limit() -> list[str]:
        database = SqliteDatabase(path)
        database.write(one("create table item(name)"))
        database.write(one(INSERT, name="a"))
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("ombud.db-wal").stat().st_size + 4096, most))
        said = [_refusal(database, LARGE)]
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        said.append(_refusal(database, "b"))
        return said

    first, second = in_child(meet_a_limit)

    assert "disk I/O error" in first
    assert "takes no more writes: the disk failed" in second
    assert seen(path, "select name from item") == ["a"]


def _refusal(database: SqliteDatabase, name: str) -> str:
    with pytest.raises(StorageUnavailable) as caught:
        database.write(one(INSERT, name=name))
    return str(caught.value)


@pytest.fixture
def damaged(database: SqliteDatabase, path: Path) -> SqliteDatabase:
    """A database whose pages, the first one aside, were overwritten; nothing of it is cached."""
    for number in range(50):
        database.write(one(INSERT, name=f"{number} {'x' * 3_000}"))
    database.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    return SqliteDatabase(path)


def test_a_damaged_file_is_unavailable(damaged: SqliteDatabase) -> None:
    with pytest.raises(StorageUnavailable, match="malformed"):
        damaged.read(one("select name from item"))
    with pytest.raises(StorageUnavailable, match="malformed"):
        damaged.write(one(INSERT, name="a"))
    with pytest.raises(StorageUnavailable, match="takes no more writes"):
        damaged.write(one("create table other(name)"))
    damaged.close()
