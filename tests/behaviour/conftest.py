"""The databases that the mailbox's operations are tried on. A test here names none of them."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from ombud.db.database import Database
from ombud.mailbox.health import Care
from ombud.mailbox.mailbox import Policy
from tests.mailbox.office import Office, StoppedClock, WatchedWriter
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


# A worker at work goes by the database's own clock. Seconds: retries and probes come soon.
SOON = (0.02, 0.04)
FIRST_PROBE_SECONDS = 0.05


@pytest.fixture
def policy() -> Policy:
    """How the mailbox of `working_office` does things; a module of tests may have another."""
    return Policy(retry_seconds=SOON, care=Care(first_probe_seconds=FIRST_PROBE_SECONDS, last_probe_seconds=0.2))


@pytest.fixture
def working_office(home: Home, policy: Policy) -> Iterator[Office]:
    """A mailbox for a worker."""
    database = home.open()
    yield Office(database, policy)
    database.close()


@pytest.fixture
async def writer(working_office: Office) -> AsyncIterator[WatchedWriter]:
    made = WatchedWriter(working_office.database)
    yield made
    await asyncio.to_thread(made.close)
