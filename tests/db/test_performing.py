"""What a performer needs of its database: a seat, to be woken, and to hear it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from ombud.db.database import Database
from ombud.db.sqlite import SqliteDatabase
from ombud.errors import StorageUnavailable
from tests.db.children import Child, Line, in_child
from tests.db.sql import descriptors_on, one


@pytest.fixture
def other(path: Path, database: SqliteDatabase) -> Iterator[SqliteDatabase]:
    """The same file, opened once more: another process of the host, as far as locks know."""
    opened = SqliteDatabase(path)
    yield opened
    opened.close()


def test_it_is_what_the_protocol_says(database: SqliteDatabase, path: Path) -> None:
    by_protocol: Database = database

    assert (by_protocol.name, by_protocol.exclusive, by_protocol.failure) == (str(path), True, None)


def test_a_seat_is_for_one_and_free_when_it_is_given_back(database: SqliteDatabase, other: SqliteDatabase) -> None:
    mine, theirs, another = database.seat("outbox"), other.seat("outbox"), other.seat("inbox")

    assert mine.try_take()
    assert mine.try_take()
    assert not theirs.try_take()
    assert another.try_take()
    mine.close()
    assert theirs.try_take()
    theirs.close()
    another.close()


def test_a_seat_is_free_when_its_holder_is_killed(path: Path, database: SqliteDatabase) -> None:
    database.close()

    def sit(line: Line) -> None:
        assert SqliteDatabase(path).seat("outbox").try_take()
        line.send("seated")
        line.recv()

    child = Child(sit)
    assert child.hear() == "seated"
    database = SqliteDatabase(path)
    seat = database.seat("outbox")
    assert not seat.try_take()
    child.kill()
    assert seat.try_take()
    seat.close()
    database.close()


def test_a_seat_whose_file_cannot_be_opened_is_unavailable(database: SqliteDatabase, path: Path) -> None:
    path.with_name("ombud.db.outbox.performer").mkdir()

    with pytest.raises(StorageUnavailable, match="Nobody can be elected to perform"):
        database.seat("outbox")


async def test_who_listens_hears_its_own_name_and_no_other(database: SqliteDatabase, other: SqliteDatabase) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    with ExitStack() as listening:
        for name in ("outbox", "inbox"):
            listening.enter_context(database.listen(name, partial(heard.put_nowait, name)))
        for name in ("outbox", "inbox", "outbox"):
            other.wake(name)
            assert await asyncio.wait_for(heard.get(), 30) == name
        thread = threading.Thread(target=other.wake, args=("inbox",))
        thread.start()
        assert await asyncio.wait_for(heard.get(), 30) == "inbox"
        thread.join()
    assert heard.empty()


async def test_a_listener_that_comes_back_is_heard_of(database: SqliteDatabase, other: SqliteDatabase) -> None:
    """A sender keeps its socket, and the file at the other end is a new one."""
    heard = asyncio.Event()
    for _ in range(3):
        other.wake("outbox")
        with database.listen("outbox", heard.set):
            other.wake("outbox")
            await asyncio.wait_for(heard.wait(), 30)
        heard.clear()


async def test_where_no_socket_can_be_made_listening_is_silent_and_says_so(
    database: SqliteDatabase, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.with_name("ombud.db.outbox.wake").mkdir()

    with database.listen("outbox", lambda: None):
        database.wake("outbox")

    assert "other processes cannot wake this one" in caplog.text


@pytest.mark.parametrize("deep", [False, True])
def test_closing_closes_what_wakes_and_a_late_wake_opens_nothing(tmp_path: Path, deep: bool) -> None:
    folder = tmp_path / ("d" * 120 if deep else "d")
    folder.mkdir()
    database = SqliteDatabase(folder / "ombud.db")
    for _ in range(3):
        database.wake("outbox")
    database.close()
    before = descriptors_on(tmp_path), len(list(Path("/proc/self/fd").iterdir()))
    database.wake("outbox")

    assert before == (descriptors_on(tmp_path), len(list(Path("/proc/self/fd").iterdir())))
    assert descriptors_on(tmp_path) == []


def test_a_wake_in_a_child_does_nothing(database: SqliteDatabase) -> None:
    assert in_child(lambda: database.wake("outbox")) is None


async def test_a_loop_reads_what_is_stored(database: SqliteDatabase) -> None:
    database.write(one("insert into item values ('a')"))

    assert await database.fetch(one("select name from item")) == [{"name": "a"}]
