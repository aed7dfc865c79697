"""The databases that the mailbox's operations are tried on. A test here names none of them."""

from collections.abc import Iterator

import pytest

from ombud.db.database import Database
from ombud.mailbox.mailbox import Policy
from tests.mailbox.office import Office, StoppedClock
from tests.support.databases import Home

# Seconds, without the jitter.
SCHEDULE = (5.0, 30.0)
LEASE_SECONDS = 30.0


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def backend(home: Home, clock: StoppedClock) -> Iterator[Database]:
    opened = home.open(clock)
    yield opened
    opened.close()


@pytest.fixture
def office(backend: Database) -> Office:
    return Office(backend, Policy(retry_seconds=SCHEDULE, lease_seconds=LEASE_SECONDS))


@pytest.fixture
def merging(office: Office, backend: Database) -> Office:
    """A mailbox on the same database in which the newest of a subject covers the others."""
    return Office(backend, Policy(retry_seconds=SCHEDULE, lease_seconds=LEASE_SECONDS, merging=True))
