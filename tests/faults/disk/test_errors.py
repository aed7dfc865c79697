"""A failing disk and a full one. The full run, all calls of a life: OMBUD_TEST_DISK_LIVES=9999 ./test tests/faults/disk

Each test takes a life's calls that write, truncate or sync, and fails one of them in each repetition of that life.
"""

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.disk.errors import TROUBLES, Findings, calls, campaign

LIVES = int(os.environ.get("OMBUD_TEST_DISK_LIVES", "25"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
# Enough for a broken build to be caught.
CONTROL_LIVES = 30


def run(folder: Path, trouble: str, lives: int) -> Findings:
    count = calls(folder, TROUBLES[trouble], SEED)
    nths: Sequence[int] = range(1, count + 1)
    if lives < count:
        nths = sorted(random.Random(SEED).sample(nths, lives))
    findings = campaign(folder, trouble, SEED, nths)
    print(f"{findings}; of {count} calls")
    return findings


@pytest.mark.timeout(120 + LIVES)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_nothing_acknowledged_is_lost(tmp_path: Path, trouble: str) -> None:
    findings = run(tmp_path, trouble, LIVES)

    assert findings.lives > 0
    assert findings.acknowledged > findings.lives
    assert findings.wrong == [], f"{findings}; the log and the files are in {tmp_path}"
    assert findings.refused > 0


def test_a_process_that_goes_on_after_a_failure_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ombud.db.damage.Damage.note", lambda *_: None)

    findings = run(tmp_path, "failing sync", CONTROL_LIVES)

    assert findings.acknowledged_after_failure
    assert findings.not_noticed


def test_a_log_that_is_trusted_after_a_failure_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ombud.db.sqlite_connection.write_again", lambda _: None)

    assert run(tmp_path, "failing sync", CONTROL_LIVES).lost_at_power_cut


def test_a_full_disk_that_is_taken_for_a_failure_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ombud.db.sqlite.is_damage", lambda *_: True)

    assert run(tmp_path, "full disk", CONTROL_LIVES).not_resumed
