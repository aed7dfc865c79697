"""Nothing lost: kill -9 of sender, receiver and worker, each alone and all together, while 200 events a second come in.

On SQLite and on PostgreSQL. The full run: OMBUD_TEST_KILLS=50 ./test tests/faults/test_kill_chain.py
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.chain import EVENTS_PER_SECOND, WINDOW_CAP, Campaign, campaign
from tests.faults.mailbox.crew import wait_until
from tests.support.databases import lend_home
from tests.support.postgres import PostgresServers
from tests.support.processes import Commands, Ombuds

KILLS = int(os.environ.get("OMBUD_TEST_KILLS", "4"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
# More than a control waits for.
CONTROL_ORDERS = 10 * EVENTS_PER_SECOND
KINDS = ["sqlite", "postgres-newest"]


@pytest.fixture(params=KINDS)
def databases(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_servers: PostgresServers
) -> Iterator[Mapping[str, str]]:
    """Two empty databases of one kind: their URLs."""
    with ExitStack() as stack:
        homes = {}
        for name in ("sender", "receiver"):
            folder = tmp_path / name
            folder.mkdir()
            homes[name] = stack.enter_context(lend_home(request.param, folder, postgres_servers)).url
        yield homes


@pytest.mark.timeout(180 + 6 * KILLS)
def test_nothing_is_lost(ombuds: Ombuds, commands: Commands, databases: Mapping[str, str]) -> None:
    result = campaign(ombuds, commands, databases, KILLS, SEED, {})
    for findings in (result.deliveries, result.runs):
        assert findings.acknowledged > KILLS
        assert findings.lost == set()
        assert findings.unexpected == set()
        assert findings.duplicates <= KILLS * WINDOW_CAP


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("databases", "role"),
    [("sqlite", "serve"), ("sqlite", "receive"), ("postgres-newest", "serve")],
    indirect=["databases"],
)
def test_an_ack_before_the_commit_is_caught(
    ombuds: Ombuds, commands: Commands, databases: Mapping[str, str], role: str
) -> None:
    run = Campaign(ombuds, commands, databases, CONTROL_ORDERS)
    broken = {role: "ack_before_commit"}
    with run.flowing(broken) as chain:
        wait_until(chain.marker.exists, lambda: f"{role} has not answered anything")
        broken.clear()
        chain.kill((role,))
    assert run.result().runs.lost


@pytest.mark.timeout(180)
def test_a_settle_without_a_commit_is_caught(ombuds: Ombuds, commands: Commands, databases: Mapping[str, str]) -> None:
    run = Campaign(ombuds, commands, databases, CONTROL_ORDERS)
    broken = {"serve": "settle_without_commit"}
    with run.flowing(broken) as chain:
        # Of this one of two endpoints alone more than may be in flight at the kill.
        wait_until(lambda: run.delivered() >= 3 * WINDOW_CAP, lambda: f"only {run.delivered()} deliveries")
        broken.clear()
        chain.kill(("serve",))
    assert run.result().deliveries.duplicates > WINDOW_CAP
