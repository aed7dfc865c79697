"""Numbered .sql files, applied in order, each in a transaction of its own: a killed migration leaves no trace.

Each part of Ombud keeps its tables' files in its own `migrations` folder, so versions are counted by part.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files

from ombud.db.database import Database
from ombud.db.operation import Operation, Script, Statement
from ombud.errors import ConfigurationError

_FILE = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")

_CREATE = Script(
    "create_schema_version",
    "create table if not exists schema_version(part text primary key, version integer not null) without rowid;",
)
_READ = Statement("read_schema_version", "select version from schema_version where part = :part")
_WRITE = Statement(
    "write_schema_version",
    "insert into schema_version(part, version) values (:part, :version)"
    " on conflict (part) do update set version = excluded.version",
)


@dataclass(frozen=True)
class Migration:
    """One file: its number and its statements, in the portable subset of `script.py`."""

    version: int
    script: str


def migrations_of(package: str) -> list[Migration]:
    """Read the numbered files of `package/migrations`, lowest first."""
    found = [
        Migration(int(match[1]), file.read_text("utf-8"))
        for file in files(package).joinpath("migrations").iterdir()
        if (match := _FILE.match(file.name))
    ]
    found.sort(key=lambda migration: migration.version)
    # Two files with one number: the second would never be applied, and nobody would hear of it.
    if not found or [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"{package}: migrations are numbered 0001, 0002 and so on, each number once")
    return found


def migrate(database: Database, packages: list[str]) -> None:
    """Bring the tables of these packages up to date; safe when many processes start at once.

    Raises ConfigurationError when the database was written by a newer Ombud.
    """
    for package in packages:
        for migration in migrations_of(package)[version_of(database, package) :]:
            database.write(partial(_apply, database, package, migration))


def require_tables(database: Database, packages: Sequence[str]) -> None:
    """Raise ConfigurationError unless the tables of these packages are there and of this Ombud's version."""
    for package in packages:
        if version_of(database, package) < migrations_of(package)[-1].version:
            raise ConfigurationError(
                f"{database.name} does not hold the tables of {package} in this Ombud's version."
                " Start Ombud on it first: `ombud serve`, or for a receiver `ombud work`."
            )


def version_of(database: Database, package: str) -> int:
    """Return how many migrations of a package were applied; raises ConfigurationError when more than we have."""
    current, newest = database.write(partial(_version, database, package)), migrations_of(package)[-1].version
    if current > newest:
        raise ConfigurationError(
            f"{database.name} has version {current} of the {package} tables; this Ombud knows up to {newest}."
            " Start the newer Ombud that wrote it."
        )
    return current


def _version(database: Database, package: str) -> Operation[int]:
    yield from database.lock_migrations()
    yield _CREATE
    rows = yield _READ, {"part": package}
    return int(rows[0]["version"]) if rows else 0


def _apply(database: Database, package: str, migration: Migration) -> Operation[None]:
    # Another process may have applied it since we looked.
    if (yield from _version(database, package)) >= migration.version:
        return
    yield Script(f"{package} {migration.version}", migration.script)
    yield _WRITE, {"part": package, "version": migration.version}
