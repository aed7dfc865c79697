"""A database with the tables of a sender and of keys."""

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from ombud.db.migrate import migrate
from ombud.db.operation import Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.sender.sender import Sender
from ombud.settings import Settings


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """A database of its own."""
    made = SqliteDatabase(tmp_path / "sender.db")
    migrate(made, ["ombud.admin"])
    yield made
    made.close()


@pytest.fixture
def sender(database: SqliteDatabase) -> Iterator[Sender]:
    """A sender that performs nothing."""
    made = Sender(database, Settings(allow_networks=(ip_network("127.0.0.0/8"),)))
    yield made
    made.writer.close()


@pytest.fixture
def run_sql(database: SqliteDatabase) -> Callable[..., list[Any]]:
    """Run a statement."""

    def run(text: str, **values: Any) -> list[Any]:
        def operation() -> Any:
            return (yield Statement(text, text), values)

        found: list[Any] = database.write(operation)
        return found

    return run
