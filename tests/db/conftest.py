"""A real SQLite file for each test, or a database on a real server of PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ombud.db.sqlite import SqliteDatabase
from tests.db.sql import one
from tests.support.databases import POSTGRES
from tests.support.postgres import PostgresServer, PostgresServers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file; nothing is there yet."""
    return tmp_path / "ombud.db"


@pytest.fixture
def database(path: Path) -> Iterator[SqliteDatabase]:
    """An open database with one table, `item(name unique)`."""
    opened = SqliteDatabase(path)
    opened.write(one("create table item(name text not null unique)"))
    yield opened
    opened.close()


@pytest.fixture(params=POSTGRES)
def server(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> PostgresServer:
    """A server of each version in turn."""
    return postgres_servers[POSTGRES[request.param]]


@pytest.fixture
def name(server: PostgresServer) -> Iterator[str]:
    """The name of an empty database there."""
    with server.database() as lent:
        yield lent
