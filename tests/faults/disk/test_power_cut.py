"""No power cut takes what was acknowledged. The full run: OMBUD_TEST_POWER_CUTS=1000 ./test tests/faults/disk"""

import os
from pathlib import Path

import pytest

from tests.faults.disk.power_cut import campaign

POWER_CUTS = int(os.environ.get("OMBUD_TEST_POWER_CUTS", "300"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
# Enough for a weaker setting to be caught.
CONTROL_CUTS = 100

FULL = 2


@pytest.mark.timeout(120 + POWER_CUTS // 10)
def test_no_power_cut_takes_what_was_acknowledged(tmp_path: Path) -> None:
    findings = campaign(tmp_path, POWER_CUTS, SEED)

    print(findings)
    assert findings.states == POWER_CUTS
    assert findings.acknowledged > POWER_CUTS
    assert findings.levels == {FULL}
    assert findings.bad == 0, f"{findings}; the log and the files are in {tmp_path}"


@pytest.mark.parametrize(("synchronous", "level"), [("normal", 1), ("off", 0)])
def test_a_weaker_setting_is_caught(tmp_path: Path, synchronous: str, level: int) -> None:
    findings = campaign(tmp_path, CONTROL_CUTS, SEED, synchronous)

    print(findings)
    assert findings.levels == {level}, "the control did not run with its setting"
    assert findings.bad
