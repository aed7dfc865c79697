"""Databases for tests of what both kinds do alike: a SQLite file, the newest PostgreSQL, and Debian's."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ombud.clock import now_microseconds
from ombud.db.database import Clock, Database
from ombud.db.migrate import migrate
from ombud.db.postgres import PostgresDatabase
from ombud.db.sqlite import SqliteDatabase
from tests.support.postgres import PostgresServers

# The PostgreSQL that each id stands for.
POSTGRES = {"postgres-newest": "newest", "postgres-debian": "debian"}
KINDS = ["sqlite", *POSTGRES]


@dataclass(frozen=True)
class Home:
    """An empty place for one database. `url` is its address; it may be opened any number of times."""

    url: str

    @property
    def is_postgres(self) -> bool:
        """Whether it is one of PostgreSQL's."""
        return not self.url.startswith("sqlite:")

    def open(self, clock: Clock | None = None) -> Database:
        """Open the database; with a clock it goes by that one."""
        if self.is_postgres:
            return PostgresDatabase(self.url, clock)
        return SqliteDatabase(Path(self.url.removeprefix("sqlite:///")), clock or now_microseconds)


@contextmanager
def lend_home(kind: str, folder: Path, servers: PostgresServers) -> Iterator[Home]:
    """Lend a home of one of KINDS; a SQLite file is in that folder."""
    if kind == "sqlite":
        yield Home(f"sqlite:///{folder}/ombud.db")
        return
    server = servers[POSTGRES[kind]]
    with server.database() as name:
        yield Home(server.url(name))


def lay_tables(path: Path, *packages: str) -> Path:
    """Make this SQLite file with the tables of these packages, unless it is there. What is made once is copied then."""
    if not path.exists():
        path.touch(0o600)
        path.write_bytes(_tables(packages))
    return path


@cache
def _tables(packages: tuple[str, ...]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tables.db"
        database = SqliteDatabase(path)
        migrate(database, list(packages))
        database.close()
        return path.read_bytes()
