"""NOTIFY: heard by everybody who performs, not too often, and again after the line was cut. And the server's clock."""

import asyncio
import time
from collections.abc import Iterator

import asyncpg
import pytest

from ombud.db import postgres_clock
from ombud.db.operation import Operation, Statement
from ombud.db.postgres import PostgresDatabase
from ombud.db.postgres_bell import QUIET_SECONDS, Bell, channel_of
from ombud.errors import StorageUnavailable
from tests.db.sql import one
from tests.support.postgres import PostgresServer, PostgresServers

PATIENCE_SECONDS = 20.0
HOUR = 3_600_000_000


@pytest.fixture
def server(postgres_servers: PostgresServers) -> PostgresServer:
    return postgres_servers["newest"]


@pytest.fixture
def database(server: PostgresServer, name: str) -> Iterator[PostgresDatabase]:
    opened = PostgresDatabase(server.url(name))
    yield opened
    opened.close()


async def test_wakes_are_few_and_the_last_is_among_them(
    database: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    stranger = await asyncpg.connect(server.url(name))
    heard: asyncio.Queue[float] = asyncio.Queue()
    await stranger.add_listener(channel_of("outbox"), lambda *_: heard.put_nowait(time.monotonic()))
    begun = time.monotonic()
    wakes = 0
    while time.monotonic() < begun + 0.3:
        database.wake("outbox")
        wakes += 1
        await asyncio.sleep(0)
    last = time.monotonic()
    notes = 1
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await heard.get() <= last:
            notes += 1
    took = time.monotonic() - begun
    await stranger.close()

    assert wakes > 100
    assert notes <= took / QUIET_SECONDS + 2


async def test_nothing_is_rung_once_it_is_closed() -> None:
    """A note that is due while the loop ends would be a task that nobody cancels."""
    sent: list[str] = []

    async def send(_: Statement, values: dict[str, str]) -> None:
        sent.append(values["channel"])

    bell = Bell(send)
    for name in ("at once", "later"):
        bell.pending.add(name)
        bell.ring_soon(name)
    bell.pending.add("at once")
    bell.ring_soon("at once")
    bell.close()
    await asyncio.sleep(2 * QUIET_SECONDS)

    assert sent == [channel_of("at once"), channel_of("later")]


async def test_another_process_is_heard_and_another_name_is_not(
    database: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    other = await asyncio.to_thread(PostgresDatabase, server.url(name))
    outbox, inbox = asyncio.Event(), asyncio.Event()
    with database.listen("outbox", outbox.set), database.listen("inbox", inbox.set):
        await asyncio.wait_for(asyncio.gather(outbox.wait(), inbox.wait()), PATIENCE_SECONDS)
        outbox.clear()
        inbox.clear()
        other.wake("outbox")
        await asyncio.wait_for(outbox.wait(), PATIENCE_SECONDS)
        assert not inbox.is_set()
    await asyncio.to_thread(other.close)


async def test_a_line_that_is_cut_is_dialled_again(database: PostgresDatabase, server: PostgresServer) -> None:
    heard = asyncio.Event()
    with database.listen("outbox", heard.set):
        for _ in range(3):
            # It rings when it begins to hear: something may have been said before.
            await asyncio.wait_for(heard.wait(), PATIENCE_SECONDS)
            heard.clear()
            server.sql("select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN%'")
        await asyncio.wait_for(heard.wait(), PATIENCE_SECONDS)


async def test_nobody_minds_a_server_that_is_away(database: PostgresDatabase, server: PostgresServer) -> None:
    heard = asyncio.Event()
    with database.listen("outbox", heard.set):
        await asyncio.wait_for(heard.wait(), PATIENCE_SECONDS)
        await asyncio.to_thread(server.stop)
        for _ in range(5):
            database.wake("outbox")
            await asyncio.sleep(QUIET_SECONDS)
        assert database.clock() > 0
        heard.clear()
        await asyncio.to_thread(server.start)
        await asyncio.wait_for(heard.wait(), PATIENCE_SECONDS)
        heard.clear()

        async with asyncio.timeout(PATIENCE_SECONDS):
            while not heard.is_set():
                database.wake("outbox")
                await asyncio.sleep(QUIET_SECONDS)


async def test_what_was_committed_before_a_wake_is_there_for_who_hears_it(
    database: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    other = await asyncio.to_thread(PostgresDatabase, server.url(name))
    await asyncio.to_thread(database.write, one("create table item(n bigint)"))
    writer = database.open_writer()
    heard = asyncio.Event()
    with other.listen("outbox", heard.set):
        await asyncio.wait_for(heard.wait(), PATIENCE_SECONDS)
        for number in range(20):
            heard.clear()
            await writer.write(one("insert into item values (:n)", n=number))
            database.wake("outbox")
            await asyncio.wait_for(heard.wait(), PATIENCE_SECONDS)
            assert await other.fetch(one("select count(*) as n from item")) == [{"n": number + 1}]
    await asyncio.to_thread(other.close)


def test_the_clock_is_the_servers(database: PostgresDatabase) -> None:
    def server_time() -> Operation[int]:
        [(now,)] = yield Statement("now", "select :now + 0 as now"), {}, tuple
        return int(now)

    for _ in range(5):
        before = database.clock()
        now = database.read(server_time)
        # A hundred milliseconds are more than it takes to ask, on a busy machine.
        assert before - 100_000 <= now <= database.clock() + 100_000


def test_a_clock_that_was_set_is_followed(database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    database._server_clock._ahead += HOUR  # as if the server had been set back since
    assert abs(database.clock() - time.time() * 1e6 - HOUR) < 1_000_000
    monkeypatch.setattr(postgres_clock, "RENEW_SECONDS", 0.0)

    deadline = time.monotonic() + PATIENCE_SECONDS
    while abs(database.clock() - time.time() * 1e6) > 1_000_000:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_clock_goes_on_while_the_server_is_away(
    database: PostgresDatabase, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_clock, "RENEW_SECONDS", 0.0)
    server.stop()
    with pytest.raises(StorageUnavailable):
        database.read(one("select 1"))
    seen = [database.clock() for _ in range(100)]
    server.start()

    assert seen == sorted(seen)
    assert abs(seen[-1] - time.time() * 1e6) < 5_000_000
