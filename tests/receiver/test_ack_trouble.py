"""Storage in doubt: 503, nothing stored, and the same webhook is taken once the trouble is over."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ombud.db.connect import open_database
from ombud.db.database import Database
from ombud.db.files import beside
from ombud.db.locks import FileLock
from ombud.db.sqlite import SqliteDatabase
from ombud.receiver.inbox import Inbox
from tests.receiver.fronts import FRONTS, Answered, Front, Request, ask_asgi
from tests.receiver.world import Desk, settings_for
from tests.support.postgres import PostgresServers
from tests.support.postgres_proxy import PostgresProxy

NEW = Request(b"event_type=order.new&order_id=90017")


def assert_not_stored(answer: Answered) -> None:
    assert (answer.status, answer.body) == (503, b"Nothing was stored. Send it again.")
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_full_disk(quiet: Desk, front: Front) -> None:
    database = quiet.receiver.database
    assert isinstance(database, SqliteDatabase)
    [(pages,)] = database._writer.execute("pragma page_count")
    database._writer.execute(f"pragma max_page_count = {pages}")
    stored = 0
    answer = await front(quiet.inbox, NEW)
    while answer.status == 200:
        stored += 1
        answer = await front(quiet.inbox, NEW)
    assert_not_stored(answer)
    assert len(quiet.arrivals()) == stored
    database._writer.execute("pragma max_page_count = 1000000")
    assert (await front(quiet.inbox, NEW)).status == 200
    assert len(quiet.arrivals()) == stored + 1


async def test_a_file_that_was_taken_away(quiet: Desk, front: Front) -> None:
    assert (await front(quiet.inbox, NEW)).status == 200
    os.unlink(quiet.receiver.database.name)  # noqa: PTH108 - in an async test either way is here and now
    for _ in range(2):
        assert_not_stored(await front(quiet.inbox, NEW))


@pytest.fixture
def locked(quiet: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileLock]:
    """Another process writes, and does not end; ours is less patient than usual."""
    monkeypatch.setattr("ombud.db.sqlite.WRITE_WAIT_SECONDS", 0.05)
    lock = FileLock(beside(Path(quiet.receiver.database.name), "write"))
    assert lock.try_acquire()
    yield lock
    lock.close()


async def test_a_database_that_others_keep_locked(quiet: Desk, front: Front, locked: FileLock) -> None:
    assert_not_stored(await front(quiet.inbox, NEW))
    assert quiet.arrivals() == []
    locked.release()
    assert (await front(quiet.inbox, NEW)).status == 200


async def test_a_database_server_that_is_away(tmp_path: Path, postgres_servers: PostgresServers) -> None:
    server = postgres_servers["newest"]
    with server.database() as name:
        async with PostgresProxy(server.socket).listening() as proxy:
            inbox = Inbox(settings_for(tmp_path, api_key=None, perform="elsewhere", database_url=proxy.url(name)))
            assert {(await ask(inbox, NEW)).status for ask in FRONTS.values()} == {200}
        for door, ask in FRONTS.items():
            began = time.monotonic()
            assert_not_stored(await ask(inbox, NEW))
            print(f"{door}: 503 after {(time.monotonic() - began) * 1000:.0f} ms")
        await asyncio.to_thread(inbox.close)


async def test_nothing_is_answered_before_the_commit(quiet: Desk, front: Front) -> None:
    lock = FileLock(beside(Path(quiet.receiver.database.name), "write"))
    assert lock.try_acquire()
    answering = asyncio.ensure_future(front(quiet.inbox, NEW))
    _, waiting = await asyncio.wait([answering], timeout=0.1)
    assert waiting
    assert quiet.arrivals() == []
    lock.close()
    assert (await answering).status == 200
    assert len(quiet.arrivals()) == 1


@pytest.mark.parametrize("known", [True, False])
async def test_a_database_that_was_closed(quiet: Desk, front: Front, known: bool) -> None:
    if known:
        assert (await front(quiet.inbox, NEW)).status == 200
    quiet.receiver.close()
    assert_not_stored(await front(quiet.inbox, NEW))


@pytest.mark.parametrize("settings", [{"database_url": "sqlite:////nowhere/at/all.db"}, {"token": "short"}])
async def test_an_inbox_that_cannot_be_opened(tmp_path: Path, front: Front, settings: dict[str, Any]) -> None:
    inbox = Inbox(settings_for(tmp_path, perform="elsewhere", **settings))
    assert_not_stored(await front(inbox, NEW))


async def test_an_inbox_that_has_no_key_still_takes_webhooks_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox(settings_for(tmp_path, api_key=None))
    assert (await ask_asgi(inbox, NEW)).status == 200
    assert "Set QUICKBUTIK_API_KEY" in caplog.text
    assert (await ask_asgi(inbox, NEW)).status == 200
    assert not inbox.started
    await inbox.stop_embedded()
    inbox.close()


async def test_threads_that_take_their_first_webhook_at_once_share_one_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, front: Front
) -> None:
    opened: list[str] = []

    def count(url: str) -> Database:
        opened.append(url)
        return open_database(url)

    monkeypatch.setattr("ombud.receiver.inbox.open_database", count)
    inbox = Inbox(settings_for(tmp_path, perform="elsewhere"))
    answers = await asyncio.gather(*(front(inbox, NEW) for _ in range(8)))
    assert {answer.status for answer in answers} == {200}
    assert len(opened) == 1
    inbox.close()
