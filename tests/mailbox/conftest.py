"""A mailbox on a real SQLite file, with retries that come soon."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ombud.mailbox import worker as worker_module
from ombud.mailbox.mailbox import Policy
from tests.mailbox.office import Clock, CountingDatabase, Office, WatchedWriter

# Seconds: two retries, soon.
SOON = (0.01, 0.02)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path, clock: Clock) -> Iterator[CountingDatabase]:
    opened = CountingDatabase(tmp_path / "ombud.db", clock)
    yield opened
    opened.close()


@pytest.fixture
def office(database: CountingDatabase) -> Office:
    return Office(database, Policy(retry_seconds=SOON))


@pytest.fixture
async def writer(database: CountingDatabase) -> AsyncIterator[WatchedWriter]:
    made = WatchedWriter(database)
    database.on_read = made.moved.set
    yield made
    made.close()


@pytest.fixture
def short_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in flight when a worker stops is cut soon."""
    monkeypatch.setattr(worker_module, "STOP_SECONDS", 0.05)
