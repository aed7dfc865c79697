"""A kill -9 before every statement of every migration, and around its commit: nothing is left, and the next resumes.

And ten processes that start at once, of which some are killed. More often:
OMBUD_TEST_ROUNDS=20 ./test tests/faults/mailbox/test_migration_kills.py
"""

import os
import random
import re
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ombud.db.connect import open_database
from ombud.db.migrate import migrations_of, require_tables, version_of
from tests.faults.mailbox.crew import Crew, gathered
from tests.faults.mailbox.driver import Point, Rule
from tests.faults.mailbox.migrating import EVENTS, PARTS, fill_first_version, kept_rows, migrate_all, shape
from tests.faults.mailbox.roles import Job
from tests.support.databases import Home, lend_home
from tests.support.postgres import PostgresServers

KINDS = ["sqlite", "postgres-newest"]
AT_ONCE = 10
ROUNDS = int(os.environ.get("OMBUD_TEST_ROUNDS", "1"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
_STATEMENT = re.compile(r"(ombud\.[a-z]+) (\d+):(\d+)")
# At the end of each migration.
_NOTED: Point = ("write_schema_version", "before")
_UNCOMMITTED: Point = ("commit of write_schema_version", "before")
_COMMITTED: Point = ("commit of write_schema_version", "after")


class NewHome:
    """Lends empty databases of one kind."""

    def __init__(self, kind: str, folder: Path, servers: PostgresServers) -> None:
        self.kind, self.folder, self._servers = kind, folder, servers
        self._lent = 0

    def lend(self) -> AbstractContextManager[Home]:
        self._lent += 1
        folder = self.folder / str(self._lent)
        folder.mkdir()
        return lend_home(self.kind, folder, self._servers)


@pytest.fixture(params=KINDS)
def new_home(request: pytest.FixtureRequest, tmp_path: Path, postgres_servers: PostgresServers) -> NewHome:
    return NewHome(request.param, tmp_path, postgres_servers)


@pytest.mark.timeout(600)
def test_a_killed_migration_leaves_no_trace_and_resumes(new_home: NewHome) -> None:
    with new_home.lend() as home, gathered() as crew:
        statements = sorted(_statements(migrated(crew, home, new_home.folder)), key=_place)
        whole = shape(home.url)
    # No Ombud has kept rows on PostgreSQL in the first version's tables.
    kills, rows = 0, 0 if home.is_postgres else EVENTS
    with new_home.lend() as home, gathered() as crew:
        for migration in (f"{part} {one.version}" for part in PARTS for one in migrations_of(part)):
            before = _of_migrations(home)
            for name in statements:
                if name.startswith(f"{migration}:"):
                    kills += killed(crew, home, new_home.folder, (name, "before"))
            kills += killed(crew, home, new_home.folder, _NOTED)
            kills += killed(crew, home, new_home.folder, _UNCOMMITTED)
            assert _of_migrations(home) == before, migration
            kills += killed(crew, home, new_home.folder, _COMMITTED)
            assert _version(home, migration) == int(migration.split()[1])
            if migration == "ombud.mailbox 1" and rows:
                fill_first_version(home.url)
        migrated(crew, home, new_home.folder)
        assert shape(home.url) == whole
        database = open_database(home.url)
        assert kept_rows(database) == (rows, rows, rows)
        database.close()
    print(f"{new_home.kind}: {kills} kills in {len(statements)} statements")
    assert kills == len(statements) + 3 * sum(len(migrations_of(part)) for part in PARTS)


def test_a_migration_in_pieces_is_caught(new_home: NewHome) -> None:
    with new_home.lend() as home, gathered() as crew:
        before = _of_migrations(home)
        killed(crew, home, new_home.folder, ("ombud.mailbox 1:3", "before"), build="migrate_in_pieces")
        assert _of_migrations(home) != before


@pytest.mark.timeout(300)
@pytest.mark.parametrize("deaths", [0, 3])
def test_ten_processes_at_once(new_home: NewHome, deaths: int) -> None:
    chance = random.Random(SEED)
    with new_home.lend() as home, gathered() as crew:
        statements = sorted(_statements(migrated(crew, home, new_home.folder)))
        whole = shape(home.url)
    for _ in range(ROUNDS):
        with new_home.lend() as home, gathered() as crew:
            members = []
            for number in range(AT_ONCE):
                rules = [Rule((chance.choice(statements), "before"), "kill")] if number < deaths else []
                job = Job(home.url, new_home.folder, "migrating", rules=rules)
                members.append(crew.start(migrate_all, job))
            for member in members:
                member.line.send("go")
            codes = [member.end() for member in members]
            assert codes[deaths:] == [0] * (AT_ONCE - deaths), [member.said for member in members]
            assert set(codes[:deaths]) <= {0, -9}
            assert shape(home.url) == whole
            database = open_database(home.url)
            require_tables(database, PARTS)
            database.close()


def migrated(crew: Crew, home: Home, folder: Path) -> dict[Point, int]:
    """Migrate without harm; returns the points."""
    member = crew.start(migrate_all, Job(home.url, folder, "migrating"))
    member.line.send("go")
    hits: dict[Point, int] = member.hear()
    assert member.end() == 0, member.said
    return hits


def killed(crew: Crew, home: Home, folder: Path, point: Point, build: str = "") -> int:
    """Have a migration die there."""
    rules = [Rule(point, "kill", nth=1)]
    member = crew.start(migrate_all, Job(home.url, folder, "migrating", rules=rules, build=build))
    member.line.send("go")
    assert member.end() == -9, (point, member.said)
    return 1


def _statements(hits: dict[Point, int]) -> list[str]:
    return [name for name, phase in hits if phase == "before" and _STATEMENT.fullmatch(name)]


def _place(name: str) -> tuple[int, int, int]:
    match = _STATEMENT.fullmatch(name)
    assert match
    return PARTS.index(match[1]), int(match[2]), int(match[3])


def _version(home: Home, migration: str) -> int:
    database = open_database(home.url)
    try:
        return version_of(database, migration.split(maxsplit=1)[0])
    finally:
        database.close()


def _of_migrations(home: Home) -> set[tuple[str, ...]]:
    """Return what is in the schema, but for the table of versions: a look at the version makes it."""
    return {row for row in shape(home.url) if "schema_version" not in str(row) and row[1] not in {"part", "version"}}
