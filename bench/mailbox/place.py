"""Where a scenario runs: a fresh database on this disk, and what it has grown by."""

import asyncio
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg

from ombud.db.database import Database
from ombud.db.postgres import PostgresDatabase
from ombud.db.sqlite import SqliteDatabase


class Place(ABC):
    """A database that can be opened, also several times."""

    name: str

    @abstractmethod
    def open(self) -> Database:
        """Open it in this process."""

    @abstractmethod
    def bytes_stored(self) -> int:
        """Return what tables and indexes take on disk."""

    @abstractmethod
    def bytes_logged(self) -> int:
        """Return what has gone through the log so far."""


class SqlitePlace(Place):
    """A file."""

    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mailbox.db"

    def open(self) -> Database:
        """Open it in this process."""
        return SqliteDatabase(self.path)

    def bytes_stored(self) -> int:
        """Return the size of the file; what is in the log alone is left out."""
        return self.path.stat().st_size

    def bytes_logged(self) -> int:
        """Return what this process has written to files: nearly all of it is the log and its copy."""
        fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
        return int(fields["wchar"])


class PostgresPlace(Place):
    """A database of a running server."""

    name = "PostgreSQL"

    def __init__(self, url: str) -> None:
        self.url = url

    def open(self) -> Database:
        """Open it in this process."""
        return PostgresDatabase(self.url)

    def bytes_stored(self) -> int:
        """Return the size of the database."""
        return int(self._ask("select pg_database_size(current_database())"))

    def bytes_logged(self) -> int:
        """Return the position in the write-ahead log."""
        return int(self._ask("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"))

    def _ask(self, text: str) -> str:
        async def ask() -> str:
            connection = await asyncpg.connect(self.url)
            try:
                return str(await connection.fetchval(text))
            finally:
                await connection.close()

        # A loop of its own: the caller's is running.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(ask())).result()
