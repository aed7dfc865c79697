"""Opening a PostgreSQL database: which servers are refused, in which words, and what is never shown."""

import asyncio
import threading

import asyncpg
import pytest

from ombud.db.postgres import PostgresDatabase
from ombud.db.postgres_connect import check_server
from ombud.errors import ConfigurationError, StorageUnavailable
from tests.db.sql import one
from tests.support.postgres import PostgresServer


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_can_lose_what_it_confirmed_is_refused(server: PostgresServer, name: str, setting: str) -> None:
    with (
        server.restarted(**{setting: "off"}),
        pytest.raises(ConfigurationError, match=f"runs with {setting} = off and can lose what it has confirmed"),
    ):
        PostgresDatabase(server.url(name))


def test_commits_wait_for_the_disk_whatever_the_servers_default_is(server: PostgresServer, name: str) -> None:
    assert server.sql("show synchronous_commit") == ["off"]
    database = PostgresDatabase(server.url(name))

    assert database.write(one("show synchronous_commit")) == [{"synchronous_commit": "on"}]
    database.close()


def test_a_server_that_is_too_old_is_refused(server: PostgresServer) -> None:
    async def old_one() -> "asyncpg.Record | None":
        connection = await asyncpg.connect(server.url("postgres"))
        found = await connection.fetchrow("select '13.14' as version, 13 as major")
        await connection.close()
        return found

    with pytest.raises(ConfigurationError, match=r"PostgreSQL 13\.14 is too old: Ombud needs 14 or newer"):
        check_server(asyncio.run(old_one()))


def test_text_that_is_not_utf8_is_refused(server: PostgresServer) -> None:
    server.sql("create database latin encoding 'LATIN1' template template0")
    try:
        with pytest.raises(ConfigurationError, match="keeps its text as LATIN1"):
            PostgresDatabase(server.url("latin"))
    finally:
        server.sql("drop database latin")


def test_a_standby_is_not_written_to(server: PostgresServer, name: str) -> None:
    url = server.url(name)
    database = PostgresDatabase(url)
    database.write(one("create table item(name text)"))
    server.stop()
    (server.folder / "data" / "standby.signal").touch()
    server.start()
    try:
        with pytest.raises(StorageUnavailable, match="target attribute"):
            PostgresDatabase(url)
        with pytest.raises(StorageUnavailable, match="nothing was stored"):
            database.write(one("insert into item values ('a')"))
    finally:
        server.stop()
        (server.folder / "data" / "standby.signal").unlink()
        server.start()

    database.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://stranger:hunter2@/{name}?host={folder}", 'role "stranger" does not exist'),
        ("postgresql://ombud:hunter2@/nowhere?host={folder}", 'database "nowhere" does not exist'),
        ("postgresql://ombud:hunter2@host:port/{name}", "Cannot open postgresql://host:port/test"),
        ("postgresql://ombud:hunter2@[::1/{name}", "The database URL cannot be read"),
        ("postgresql://ombud:hunter2@/{name}?host={folder}&sslmode=hunter2", "Cannot open postgresql:///test"),
    ],
)
def test_what_only_a_person_can_mend_is_said_at_once_and_without_the_password(
    server: PostgresServer, name: str, url: str, says: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        PostgresDatabase(url.format(name=name, folder=server.folder))

    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("address", ["ombud:hunter2@127.0.0.1:1/ombud", "ombud:hunter2@/ombud?host=/tmp/nowhere"])
def test_a_server_that_is_away_may_come_back(address: str) -> None:
    with pytest.raises(StorageUnavailable, match=r"Cannot open postgresql://.* now: .* Try again\.") as caught:
        PostgresDatabase(f"postgresql://{address}")

    assert "hunter2" not in str(caught.value)


def test_its_name_shows_neither_user_nor_password(server: PostgresServer, name: str) -> None:
    database = PostgresDatabase(f"postgres://ombud:hunter2@/{name}?host={server.folder}&password=hunter2")

    assert database.name == f"postgresql:///{name}"
    database.close()


def test_a_user_that_may_not_make_the_schema_is_told_what_to_run(server: PostgresServer, name: str) -> None:
    url = server.url(name).replace("ombud@", "visitor@")
    server.sql("create role visitor login")
    try:
        with pytest.raises(ConfigurationError, match="create schema ombud authorization"):
            PostgresDatabase(url)

        server.sql("create schema ombud authorization visitor", name)
        database = PostgresDatabase(url)
        database.write(one("create table item(name text)"))
        database.close()
        assert server.sql("select schemaname from pg_tables where tablename = 'item'", name) == ["ombud"]
    finally:
        server.sql("drop owned by visitor cascade", name)
        server.sql("drop role visitor")


def test_ten_open_it_for_the_first_time_at_once(server: PostgresServer, name: str) -> None:
    opened: list[PostgresDatabase] = []
    start = threading.Barrier(10)

    def open_it() -> None:
        start.wait()
        opened.append(PostgresDatabase(server.url(name)))

    threads = [threading.Thread(target=open_it) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in opened:
        database.close()

    assert len(opened) == 10


def test_nothing_of_it_is_left_when_it_is_closed(server: PostgresServer, name: str) -> None:
    before = threading.active_count()
    database = PostgresDatabase(server.url(name))
    database.read(one("select 1"))
    database.write(one("select 1"))
    asyncio.run(database.fetch(one("select 1")))
    database.close()

    assert threading.active_count() == before
    # The server may still be sweeping up after them.
    server.sql(
        "do $$ begin for i in 1..1000 loop perform pg_stat_clear_snapshot(); perform pg_sleep(0.01);"
        " exit when not exists (select from pg_stat_activity where application_name = 'ombud'); end loop; end $$"
    )
    assert server.sql("select count(*) from pg_stat_activity where application_name = 'ombud'") == ["0"]
