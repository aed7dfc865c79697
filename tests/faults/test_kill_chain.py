"""Nothing lost: kill -9 of sender, receiver and worker, each alone and all together, while 200 events a second come in.

The full run: OMBUD_TEST_KILLS=50 ./test tests/faults
"""

import os

import pytest

from tests.faults.chain import WINDOW_CAP, campaign
from tests.support.processes import Commands, Ombuds

KILLS = int(os.environ.get("OMBUD_TEST_KILLS", "20"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
# Enough for a broken build to be caught.
CONTROL_KILLS = 5


@pytest.mark.timeout(180 + 6 * KILLS)
def test_nothing_is_lost(ombuds: Ombuds, commands: Commands) -> None:
    result = campaign(ombuds, commands, KILLS, SEED, {})
    for findings in (result.deliveries, result.runs):
        assert findings.acknowledged > KILLS
        assert findings.lost == set()
        assert findings.unexpected == set()
        assert findings.duplicates <= KILLS * WINDOW_CAP


@pytest.mark.timeout(180)
@pytest.mark.parametrize("role", ["serve", "receive"])
def test_an_ack_before_the_commit_is_caught(ombuds: Ombuds, commands: Commands, role: str) -> None:
    result = campaign(ombuds, commands, CONTROL_KILLS, SEED, {role: "ack_before_commit"})
    assert result.runs.lost


@pytest.mark.timeout(180)
def test_a_settle_without_a_commit_is_caught(ombuds: Ombuds, commands: Commands) -> None:
    result = campaign(ombuds, commands, CONTROL_KILLS, SEED, {"serve": "settle_without_commit"})
    assert result.deliveries.duplicates > CONTROL_KILLS * WINDOW_CAP
