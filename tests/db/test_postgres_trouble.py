"""PostgreSQL in trouble: nothing is confirmed that is not stored, nobody waits for ever, and it passes."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from ombud.db import postgres_connect, postgres_pool
from ombud.db.operation import Make, Operation, Statement
from ombud.db.postgres import PostgresDatabase
from ombud.errors import StorageUnavailable
from tests.db.children import Child, Line, in_child
from tests.db.sql import one
from tests.support.postgres import PostgresServer, PostgresServers

INSERT = "insert into item(name) values (:name)"
# Seconds: generous on a busy machine; a test that waits this long has failed.
PATIENCE_SECONDS = 20.0


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is waited for in seconds take fractions of them."""
    monkeypatch.setattr(postgres_connect, "STATEMENT_SECONDS", 0.4)
    monkeypatch.setattr(postgres_connect, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr(postgres_connect, "IDLE_IN_TRANSACTION_SECONDS", 0.2)
    monkeypatch.setattr(postgres_connect, "MORE_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(postgres_connect, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(postgres_pool, "WAIT_SECONDS", 0.3)


@pytest.fixture
def database(server: PostgresServer, name: str) -> Iterator[PostgresDatabase]:
    """An open database with one table, `item(name unique)`."""
    opened = PostgresDatabase(server.url(name))
    opened.write(one("create table item(name text not null unique)"))
    yield opened
    opened.close()


@pytest.fixture
def hurried(short_limits: None, database: PostgresDatabase) -> PostgresDatabase:
    """The same, opened with short limits."""
    return database


def names(server: PostgresServer, name: str) -> list[str]:
    return server.sql("select name from ombud.item order by name", name)


def cut_all(server: PostgresServer) -> None:
    server.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ombud'")


def until_stored(database: PostgresDatabase, make: Make[Any]) -> float:
    """Write until it works; returns the seconds that it took."""
    begun = time.monotonic()
    while time.monotonic() < begun + PATIENCE_SECONDS:
        try:
            database.write(make)
        except StorageUnavailable:
            time.sleep(0.01)
        else:
            return time.monotonic() - begun
    raise AssertionError("it never works again")


def test_a_connection_that_was_cut_meanwhile_is_replaced_unnoticed(
    database: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    for number in range(5):
        database.write(one(INSERT, name=str(number)))
        assert len(database.read(one("select name from item"))) == number + 1
        cut_all(server)

    assert len(names(server, name)) == 5


def test_a_connection_that_is_cut_in_a_transaction_is_replaced_unnoticed(
    database: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    tries: list[int] = []

    def cut_the_first_time() -> Operation[None]:
        tries.append(1)
        yield Statement("insert", INSERT), {"name": "a"}
        if len(tries) == 1:
            cut_all(server)
        yield Statement("insert", INSERT), {"name": "b"}

    database.write(cut_the_first_time)

    assert len(tries) == 2
    assert names(server, name) == ["a", "b"]


def test_a_statement_that_takes_too_long_is_ended(hurried: PostgresDatabase, server: PostgresServer, name: str) -> None:
    results = hurried.write_all([one(INSERT, name="a"), one("select pg_sleep(60)")])

    assert [type(result) for result in results] == [StorageUnavailable] * 2
    assert "statement timeout" in str(results[0])
    hurried.write(one(INSERT, name="b"))
    assert names(server, name) == ["b"]


def test_a_lock_is_not_waited_for_for_ever(hurried: PostgresDatabase, server: PostgresServer, name: str) -> None:
    async def hold_and_write() -> StorageUnavailable:
        holder = await asyncpg.connect(server.url(name))
        await holder.execute("begin; lock table ombud.item in access exclusive mode")
        with pytest.raises(StorageUnavailable, match=r"lock timeout.*nothing was stored") as caught:
            await asyncio.to_thread(hurried.write, one(INSERT, name="a"))
        with pytest.raises(StorageUnavailable, match="lock timeout"):
            await hurried.fetch(one("select name from item"))
        await holder.close()
        return caught.value

    asyncio.run(hold_and_write())
    hurried.write(one(INSERT, name="b"))
    assert names(server, name) == ["b"]


def test_an_operation_that_dawdles_between_its_statements_loses_its_transaction(
    hurried: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    """Its locks would hold up everybody."""

    def dawdle() -> Operation[None]:
        yield Statement("insert", INSERT), {"name": "a"}
        time.sleep(0.5)
        yield Statement("insert", INSERT), {"name": "b"}

    with pytest.raises(StorageUnavailable, match="nothing was stored"):
        hurried.write(dawdle)

    assert names(server, name) == []
    hurried.write(one(INSERT, name="c"))
    assert names(server, name) == ["c"]


def test_two_that_lock_each_other_out_both_succeed(
    database: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    other = PostgresDatabase(server.url(name))
    database.write_all([one(INSERT, name="a"), one(INSERT, name="b")])
    tries: list[str] = []
    both = threading.Barrier(2)
    update = Statement("update", "update item set name = name where name = :name")

    def in_order(first: str, second: str) -> Make[None]:
        def make() -> Operation[None]:
            tries.append(first)
            yield update, {"name": first}
            if tries.count(first) == 1:
                both.wait(PATIENCE_SECONDS)
            yield update, {"name": second}

        return make

    threads = [
        threading.Thread(target=database.write, args=(in_order("a", "b"),)),
        threading.Thread(target=other.write, args=(in_order("b", "a"),)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    assert len(tries) == 3, "one of them was repeated"
    assert "deadlock detected" in server.log
    other.close()


@pytest.mark.parametrize(
    ("state", "tries"),
    [
        ("40001", 4),  # could not serialize
        ("40P01", 4),  # deadlock
        ("53100", 1),  # disk full
        ("53200", 1),  # out of memory
        ("58030", 1),  # the disk
        ("25006", 1),  # read only
        ("XX001", 1),  # damaged
    ],
)
def test_what_is_not_the_operations_fault_is_told_to_all_and_repeated_if_that_may_help(
    database: PostgresDatabase, server: PostgresServer, name: str, state: str, tries: int
) -> None:
    made: list[int] = []

    def fail() -> Operation[None]:
        made.append(1)
        yield Statement("fail", f"do $$ begin raise 'trouble' using errcode = '{state}'; end $$"), {}

    results = database.write_all([one(INSERT, name="a"), fail])

    assert [type(result) for result in results] == [StorageUnavailable] * 2
    assert "trouble" in str(results[0])
    assert len(made) == tries
    assert names(server, name) == []
    database.write(one(INSERT, name="b"))


def test_a_plan_that_a_migration_made_stale_is_made_anew(
    database: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    for look in (database.read, database.write):
        look(one("select * from item"))
    server.sql("alter table ombud.item add column more bigint", name)
    database.write(one(INSERT, name="a"))

    for look in (database.read, database.write):
        assert look(one("select * from item")) == [{"name": "a", "more": None}]


def test_a_server_that_became_read_only_stores_nothing_until_it_is_not(
    database: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    server.sql(f"alter database {name} set default_transaction_read_only = on")
    cut_all(server)

    with pytest.raises(StorageUnavailable, match=r"read-only transaction.*nothing was stored"):
        database.write(one(INSERT, name="a"))

    server.sql(f"set default_transaction_read_only = off; alter database {name} reset default_transaction_read_only")
    cut_all(server)
    database.write(one(INSERT, name="b"))
    assert names(server, name) == ["b"]


async def test_too_many_clients(postgres_servers: PostgresServers) -> None:
    server = postgres_servers["newest"]
    with server.database() as name, server.restarted(max_connections="8", superuser_reserved_connections="0"):
        database = await asyncio.to_thread(PostgresDatabase, server.url(name))
        await asyncio.to_thread(database.write, one("create table item(name text)"))
        cut_all(server)
        others = await _take_all(server.url(name))

        with pytest.raises(StorageUnavailable, match=r"sorry, too many clients already.*nothing was stored"):
            await asyncio.to_thread(database.write, one(INSERT, name="a"))

        for other in others:
            await other.close()
        assert await asyncio.to_thread(until_stored, database, one(INSERT, name="b")) < 2
        await asyncio.to_thread(database.close)


def test_a_server_that_began_to_risk_what_it_confirms_is_not_written_to(
    database: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    with server.restarted(fsync="off"), pytest.raises(StorageUnavailable, match="fsync = off"):
        database.write(one(INSERT, name="a"))

    assert until_stored(database, one(INSERT, name="b")) < 2
    assert names(server, name) == ["b"]


async def _take_all(url: str) -> list["asyncpg.Connection[asyncpg.Record]"]:
    taken: list[asyncpg.Connection[asyncpg.Record]] = []
    with suppress(asyncpg.TooManyConnectionsError):
        while True:
            taken.append(await asyncpg.connect(url))
    return taken


def test_a_wait_for_the_standby_that_is_cut_short_is_not_confirmed(
    database: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    """The server says COMMIT, and a warning: it is stored on this server alone."""
    server.sql("alter system set synchronous_standby_names = 'ANY 1 (*)'")
    server.sql("select pg_reload_conf()")
    # A new session shows what everybody has been told by then. Commits wait once the checkpointer has heard it too,
    # which it has when it does something else.
    _until(lambda: server.sql("show synchronous_standby_names") == ["ANY 1 (*)"])
    server.sql("checkpoint")
    try:
        for how in ("cancel", "terminate"):
            errors: list[Exception] = []
            thread = threading.Thread(target=_write_and_note, args=(database, one(INSERT, name=how), errors))
            thread.start()
            _until(lambda: server.sql("select 1 from pg_stat_activity where wait_event = 'SyncRep'") == ["1"])
            server.sql(f"select pg_{how}_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")
            thread.join(PATIENCE_SECONDS)

            assert len(errors) == 1
            assert "nobody knows whether this was stored" in str(errors[0])
    finally:
        server.sql("alter system reset synchronous_standby_names")
        server.sql("select pg_reload_conf()")

    assert names(server, name) == ["cancel", "terminate"]
    until_stored(database, one(INSERT, name="later"))


def _write_and_note(database: PostgresDatabase, make: Make[Any], errors: list[Exception]) -> None:
    try:
        database.write(make)
    except StorageUnavailable as error:
        errors.append(error)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_server_that_hangs_is_not_waited_for_for_ever(
    hurried: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    hurried.write(one(INSERT, name="a"))
    pids = [int(pid) for pid in server.sql("select pid from pg_stat_activity where application_name = 'ombud'")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        with pytest.raises(StorageUnavailable):
            hurried.write(one(INSERT, name="b"))
        assert time.monotonic() - begun < 5
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    assert until_stored(hurried, one(INSERT, name="c")) < 2
    assert "c" in names(server, name)


def test_a_server_that_takes_no_connection_is_not_waited_for_for_ever(
    hurried: PostgresDatabase, server: PostgresServer
) -> None:
    async def fetch() -> None:
        await hurried.fetch(one("select 1"))

    assert server.pid
    os.kill(server.pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        with pytest.raises(StorageUnavailable, match="cannot be reached"):
            asyncio.run(fetch())
        assert time.monotonic() - begun < 5
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def test_more_readers_than_connections_wait_their_turn_and_not_for_ever(hurried: PostgresDatabase) -> None:
    assert len(await asyncio.gather(*(hurried.fetch(one("select pg_sleep(0.01)")) for _ in range(12)))) == 12

    slow = [asyncio.create_task(hurried.fetch(one("select pg_sleep(0.39)"))) for _ in range(4)]
    more = [asyncio.create_task(hurried.fetch(one("select 1"))) for _ in range(4)]
    said = await asyncio.gather(*more, return_exceptions=True)
    await asyncio.gather(*slow, return_exceptions=True)

    assert {str(error) for error in said} == {"All 4 connections are busy; nothing was stored. Try again."}
    assert len(await hurried.fetch(one("select 1 as n"))) == 1


async def test_a_reader_that_gives_up_disturbs_nobody(database: PostgresDatabase) -> None:
    for _ in range(10):
        task = asyncio.create_task(database.fetch(one("select pg_sleep(1)")))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert await asyncio.gather(*(database.fetch(one("select 1 as n")) for _ in range(8))) == [[{"n": 1}]] * 8


def test_event_loops_that_come_and_go_leave_nothing_behind(database: PostgresDatabase, server: PostgresServer) -> None:
    async def use() -> None:
        writer = database.open_writer()
        await asyncio.gather(*(writer.write(one("select 1")) for _ in range(3)), database.fetch(one("select 1")))
        writer.close()

    for _ in range(10):
        asyncio.run(use())

    assert len(database._loops._engines) == 1
    _until(lambda: int(server.sql("select count(*) from pg_stat_activity where application_name = 'ombud'")[0]) <= 2)


def test_a_child_cannot_use_its_parents_connections_and_harms_nothing(
    database: PostgresDatabase, server: PostgresServer, name: str
) -> None:
    def try_all() -> list[str]:
        said = []
        for use in (database.write, database.read):
            with pytest.raises(StorageUnavailable) as caught:
                use(one(INSERT, name="child"))
            said.append(str(caught.value))
        database.wake("outbox")
        database.close()
        return said

    for number in range(3):
        database.write(one(INSERT, name=f"{number}"))
        assert in_child(try_all) == [f"{database.name} was opened before a fork; open it after the fork instead."] * 2
        assert len(database.read(one("select name from item"))) == number + 1

    assert names(server, name) == ["0", "1", "2"]


def test_a_child_opens_it_for_itself(database: PostgresDatabase, server: PostgresServer, name: str) -> None:
    def write(line: Line) -> None:
        mine = PostgresDatabase(server.url(name))
        mine.write(one(INSERT, name="child"))
        mine.close()

    child = Child(write)
    assert child.hear() is None
    assert child.end() == 0
    database.write(one(INSERT, name="parent"))
    assert names(server, name) == ["child", "parent"]


def test_what_follows_a_commit_may_not_block_it(database: PostgresDatabase) -> None:
    """It runs on the event loop that committed."""

    async def write_from_its_own_thread() -> None:
        database.write(one("select 1"))

    with pytest.raises(RuntimeError, match="would wait for itself"):
        database._thread.run(write_from_its_own_thread())


def test_closing_waits_for_nothing_when_nothing_is_under_way(database: PostgresDatabase) -> None:
    began = time.monotonic()
    database.close()

    assert time.monotonic() - began < postgres_pool.DRAIN_SECONDS
