"""Races on PostgreSQL: nothing stuck, nothing lost, nothing recorded twice; and three broken builds that are caught.

The full run: OMBUD_TEST_RACE_SECONDS=600 ./test tests/faults/mailbox/test_races.py
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.mailbox.races import Race, Size
from tests.support.postgres import PostgresServers

SECONDS = float(os.environ.get("OMBUD_TEST_RACE_SECONDS", "20"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
# As many as two cores can keep busy; eight and ten in a run of minutes.
SIZE = Size(3, 4, SECONDS) if SECONDS < 120 else Size(8, 10, SECONDS)
# In this time a broken build is caught: a few seconds as a rule, half a minute at times.
CONTROL_SIZE = Size(3, 4, 120.0)


@pytest.fixture
def url(postgres_servers: PostgresServers) -> Iterator[str]:
    server = postgres_servers["newest"]
    with server.database() as name:
        yield server.url(name)


@pytest.mark.timeout(180 + 3 * int(SECONDS))
def test_races_are_survived(url: str, tmp_path: Path) -> None:
    findings = Race(url, tmp_path, SIZE, SEED).run()

    assert findings.wrong == {}
    # What was tried twice had lost its lease.
    assert findings.repeated <= findings.late
    assert findings.confirmed > 10 * SECONDS
    assert findings.late


@pytest.mark.timeout(240)
@pytest.mark.parametrize("build", ["ring_inside", "no_recheck"])
def test_a_lost_wake_up_is_caught(url: str, tmp_path: Path, build: str) -> None:
    assert Race(url, tmp_path, CONTROL_SIZE, SEED, build).run().asleep


@pytest.mark.timeout(240)
def test_a_settle_without_a_fence_is_caught(url: str, tmp_path: Path) -> None:
    assert Race(url, tmp_path, CONTROL_SIZE, SEED, "no_fence", by_record=True).run().contradictory
