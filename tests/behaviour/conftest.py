"""The databases that the mailbox's operations are tried on. A test here names none of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.mailbox import Policy
from tests.mailbox.office import Office, StoppedClock

BACKENDS: dict[str, Callable[[Path], SqliteDatabase]] = {"sqlite": lambda folder: SqliteDatabase(folder / "ombud.db")}
# Seconds, without the jitter.
SCHEDULE = (5.0, 30.0)
LEASE_SECONDS = 30.0


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteDatabase]:
    opened = BACKENDS[request.param](tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def office(backend: SqliteDatabase, clock: StoppedClock) -> Office:
    return Office(backend, clock, Policy(retry_seconds=SCHEDULE, lease_seconds=LEASE_SECONDS))


@pytest.fixture
def merging(office: Office, backend: SqliteDatabase, clock: StoppedClock) -> Office:
    """A mailbox on the same database in which the newest of a subject covers the others."""
    return Office(backend, clock, Policy(retry_seconds=SCHEDULE, lease_seconds=LEASE_SECONDS, merging=True))
