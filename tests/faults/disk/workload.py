"""What the campaigns store: rows of a plain table with a running total, and events through the mailbox.

Each key is attempted once. It is acknowledged when the database said so; what a file must hold is judged by `look`.
"""

import contextlib
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from ombud.db import locks
from ombud.db.operation import Make, Operation, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.errors import StorageUnavailable
from tests.faults.disk.letters import Letters, stored_events
from tests.faults.disk.log import Key, Log

# Pages in the log at which it is copied into the file: few, so that it happens often, or the real number.
FEW_PAGES = (12, 60)
ANY_PAGES = (*FEW_PAGES, 1_000)
# Most bytes of a row: several pages.
LONGEST_BODY = 12_000

_TABLES = (
    Statement("table_row", "create table if not exists row(id integer primary key, body blob not null)"),
    Statement("table_total", "create table if not exists total(one integer primary key, rows integer not null)"),
)
_INSERT = Statement("insert_row", "insert into row(id, body) values (:id, :body)")
_COUNT = Statement(
    "count_rows",
    "insert into total(one, rows) values (1, :rows) on conflict (one) do update set rows = rows + excluded.rows",
)


def body_of(number: int) -> bytes:
    """Return what the row of this number holds."""
    chance = random.Random(number)
    return chance.randbytes(chance.choice((10, 200, 2_000, LONGEST_BODY)))


def _insert(numbers: list[int]) -> Operation[list[Key]]:
    yield _INSERT, [{"id": number, "body": body_of(number)} for number in numbers]
    yield _COUNT, {"rows": len(numbers)}
    return [("row", number) for number in numbers]


def _append(letters: Letters, texts: list[str]) -> Operation[list[Key]]:
    numbers = yield from letters.append(texts)()
    return [("event", number) for number in numbers]


def _make_tables() -> Operation[None]:
    for table in _TABLES:
        yield table, {}


@contextlib.contextmanager
def connections_opened(chance: random.Random, pages: Sequence[int] = ANY_PAGES) -> Iterator[list[apsw.Connection]]:
    """Give the connections that are opened meanwhile; close them and their locks in the end, as that of a process does.

    Their log is copied at some of these lengths.
    """
    connections: list[apsw.Connection] = []
    before = set(locks._open_locks)
    apsw.connection_hooks.append(connections.append)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ombud.db.sqlite_connection.CHECKPOINT_PAGES", chance.choice(pages))
            yield connections
    finally:
        apsw.connection_hooks.remove(connections.append)
        for connection in connections:
            connection.close()
        for lock in set(locks._open_locks) - before:
            lock.close()


class Workload:
    """Stores things in a database, and tells the log what was acknowledged."""

    def __init__(self, chance: random.Random, log: Log, first_number: int = 1) -> None:
        self.chance = chance
        self.log = log
        self.acknowledged: set[Key] = set()
        self.refused = 0
        self._numbers = itertools.count(first_number)

    def open(self, path: Path, vfs: str | None = None, synchronous: str | None = None) -> "Process":
        """Open the file; `synchronous` weakens what the database chose."""
        opened: list[apsw.Connection] = []
        apsw.connection_hooks.append(opened.append)
        try:
            database = SqliteDatabase(path, vfs=vfs)
        finally:
            apsw.connection_hooks.remove(opened.append)
        if synchronous is not None:
            opened[0].execute(f"pragma synchronous = {synchronous}")
        try:
            database.write(_make_tables)
            return Process(self, database, Letters(database), opened[0])
        except StorageUnavailable:
            database.close()
            raise

    def group(self, letters: Letters) -> list[Make[list[Key]]]:
        """Return operations that are committed together."""
        return [self._one(letters) for _ in range(self.chance.randint(1, 4))]

    def _one(self, letters: Letters) -> Make[list[Key]]:
        many = self.chance.randint(1, 4)
        if self.chance.random() < 0.5:
            return partial(_insert, list(itertools.islice(self._numbers, many)))
        sizes = [self.chance.choice((5, 600)) for _ in range(many)]
        return partial(_append, letters, [self.chance.randbytes(size).hex() for size in sizes])


@dataclass
class Process:
    """What one process would have: the open file, and the mailbox in it."""

    workload: Workload
    database: SqliteDatabase
    letters: Letters
    writer: apsw.Connection

    def commit(self) -> bool:
        """Store a group; returns whether it was acknowledged. All of a group is, or nothing."""
        results: list[Any] = self.database.write_all(self.workload.group(self.letters))
        refusals = [result for result in results if isinstance(result, BaseException)]
        if refusals:
            assert all(isinstance(refusal, StorageUnavailable) for refusal in refusals), refusals
            assert len(refusals) == len(results)
            self.workload.refused += 1
            return False
        keys = {key for result in results for key in result}
        self.workload.log.acknowledged(keys)
        self.workload.acknowledged |= keys
        return True


@dataclass(frozen=True)
class Look:
    """What a new process finds in a file: the keys that are there, or what is wrong with it."""

    keys: frozenset[Key]
    trouble: str = ""


def look(path: Path) -> Look:
    """Open the file as anybody would, through SQLite's usual VFS, and read all of it."""
    keys: set[Key] = set()
    try:
        with contextlib.closing(apsw.Connection(str(path))) as connection:
            connection.execute("pragma synchronous = off")  # this file is thrown away
            health = connection.execute("pragma integrity_check").get
            if health != "ok":
                return Look(frozenset(), str(health))
            tables = {row[0] for row in connection.execute("select name from sqlite_schema")}
            if "delivery" in tables:
                whole, halves = stored_events(connection)
                if halves:
                    return Look(frozenset(), f"{halves} events without all of their deliveries")
                keys |= {("event", number) for number in whole}
            if "total" in tables:
                rows: list[tuple[Any, ...]] = connection.execute("select id, body from row").fetchall()
                total = connection.execute("select coalesce(sum(rows), 0) from total").get
                if total != len(rows) or any(body != body_of(number) for number, body in rows):
                    return Look(frozenset(), f"{len(rows)} rows, counted {total}, or one is not as it was stored")
                keys |= {("row", number) for number, _ in rows}
    except apsw.Error as error:
        return Look(frozenset(), f"unreadable: {error}")
    return Look(frozenset(keys))
