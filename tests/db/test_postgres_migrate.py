"""Migrations on PostgreSQL: by however many nodes at once, all of a file or nothing of it, and as long as it takes."""

import asyncio
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from ombud.db import postgres_connect, postgres_session
from ombud.db.migrate import migrate
from ombud.db.postgres import PostgresDatabase
from ombud.errors import ConfigurationError, StorageUnavailable
from tests.db.children import Child, Line
from tests.support.postgres import PostgresServer

MakePart = Callable[..., str]
PATIENCE_SECONDS = 20.0


@pytest.fixture
def make_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePart:
    """Make a package of migrations: 0001, 0002 and so on."""
    parts = tmp_path / "parts"
    parts.mkdir()
    monkeypatch.syspath_prepend(parts)

    def make(*scripts: str) -> str:
        part = f"part_{uuid.uuid4().hex}"
        folder = parts / part / "migrations"
        folder.mkdir(parents=True)
        (parts / part / "__init__.py").touch()
        for number, script in enumerate(scripts, 1):
            (folder / f"{number:04}_step.sql").write_text(script)
        return part

    return make


def migrated(url: str, part: str) -> None:
    database = PostgresDatabase(url)
    try:
        migrate(database, [part])
    finally:
        database.close()


def test_the_portable_subset(server: PostgresServer, name: str, make_part: MakePart) -> None:
    part = make_part(
        "create table a(n integer primary key, said text not null default 'integer') without rowid;\n"
        "-- sqlite:\ncreate table b(only_sqlite);\n-- end\n"
        "-- postgres:\ncreate table c(n bigint) with (fillfactor = 50);\n-- end\n"
        "insert into a(n) values (9000000000000000000);",
        "update a set n = n + 1;",
    )
    migrated(server.url(name), part)
    migrated(server.url(name), part)

    assert server.sql("select n, said from ombud.a", name) == ["9000000000000000001|integer"]
    tables = server.sql("select tablename from pg_tables where schemaname = 'ombud' order by 1", name)
    assert tables == ["a", "c", "schema_version"]


def test_a_broken_file_leaves_nothing_of_itself(server: PostgresServer, name: str, make_part: MakePart) -> None:
    part = make_part("create table a(n integer);", "create table b(n integer); insert into nowhere values (1);")

    with pytest.raises(asyncpg.UndefinedTableError, match="nowhere"):
        migrated(server.url(name), part)

    assert server.sql("select version from ombud.schema_version", name) == ["1"]
    assert server.sql("select tablename from pg_tables where tablename = 'b'", name) == []


def test_a_database_of_a_newer_ombud_is_refused(server: PostgresServer, name: str, make_part: MakePart) -> None:
    part = make_part("create table a(n integer);")
    migrated(server.url(name), part)
    server.sql("update ombud.schema_version set version = 7", name)

    with pytest.raises(ConfigurationError, match=f"postgresql:///{name} has version 7 of the {part} tables"):
        migrated(server.url(name), part)


def test_ten_nodes_at_once(server: PostgresServer, name: str, make_part: MakePart) -> None:
    part = make_part(
        "create table a(n integer); insert into a values (1);",
        *(f"insert into a values ({number});" for number in range(2, 6)),
    )

    def start(line: Line) -> None:
        line.send("ready")
        line.recv()
        migrated(server.url(name), part)

    children = [Child(start) for _ in range(10)]
    assert [child.hear() for child in children] == ["ready"] * 10
    for child in children:
        child.say()
    assert [child.hear() for child in children] == [None] * 10
    assert [child.end() for child in children] == [0] * 10

    assert server.sql("select n from ombud.a order by n", name) == ["1", "2", "3", "4", "5"]


def test_a_migration_that_is_killed_in_the_middle_is_done_by_the_next_start(
    server: PostgresServer, name: str, make_part: MakePart
) -> None:
    part = make_part("create table a(n integer);", "create table b(n integer); select pg_sleep(2); drop table a;")
    child = Child(lambda _: migrated(server.url(name), part))
    asleep = f"select pid from pg_stat_activity where datname = '{name}' and wait_event = 'PgSleep'"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not server.sql(asleep):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.kill()

    assert server.sql("select version from ombud.schema_version", name) == ["1"]
    migrated(server.url(name), part)
    assert server.sql("select version from ombud.schema_version", name) == ["2"]
    assert server.sql("select tablename from pg_tables where schemaname = 'ombud' order by 1", name) == [
        "b",
        "schema_version",
    ]


def test_a_migration_takes_as_long_as_it_takes(
    server: PostgresServer, name: str, make_part: MakePart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so long the other nodes wait."""
    monkeypatch.setattr(postgres_connect, "STATEMENT_SECONDS", 0.3)
    monkeypatch.setattr(postgres_connect, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr(postgres_connect, "MORE_PATIENCE_SECONDS", 0.1)
    part = make_part("select pg_sleep(1); create table a(n integer);")

    async def migrate_twice() -> None:
        await asyncio.gather(*(asyncio.to_thread(migrated, server.url(name), part) for _ in range(2)))

    asyncio.run(migrate_twice())
    assert server.sql("select version from ombud.schema_version", name) == ["1"]


def test_a_migration_does_not_wait_for_ever_for_a_table(
    server: PostgresServer, name: str, make_part: MakePart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody would queue up behind it."""
    migrated(server.url(name), make_part("create table a(n integer);"))
    part = make_part("alter table a add column more integer;")
    monkeypatch.setattr(postgres_session, "MIGRATION_LOCK_SECONDS", 0.2)

    async def migrate_a_table_in_use() -> None:
        holder = await asyncpg.connect(server.url(name))
        await holder.execute("begin; select n from ombud.a")
        with pytest.raises(StorageUnavailable, match="lock timeout"):
            await asyncio.to_thread(migrated, server.url(name), part)
        await holder.close()

    asyncio.run(migrate_a_table_in_use())
    migrated(server.url(name), part)
