"""A real SQLite file for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ombud.db.sqlite import SqliteDatabase
from tests.db.sql import one


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
