"""A real disk that fills up under a real process: 503 while it is full, service at once when there is space again.

The full run: OMBUD_TEST_FULL_DISKS=40 ./test tests/faults/disk
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT

ROUNDS = int(os.environ.get("OMBUD_TEST_FULL_DISKS", "3"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
# Seconds from the first free byte to the first acceptance.
RESUMED_SECONDS = 10.0


def run(folder: Path, verb: str, rounds: int, module: str = "ombud") -> dict[str, Any]:
    """Run the campaign where it may mount: in namespaces of its own, as root or, where users may make them, as any."""
    disk, log = folder / "disk", folder / "stderr.txt"
    disk.mkdir()
    program = [sys.executable, "-m", "tests.faults.disk.full_disk", verb, str(rounds), str(SEED), str(disk), module]
    with log.open("w") as errors:
        done = subprocess.run(
            ["unshare", "--mount", "--map-root-user", *program],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == 0, f"exit code {done.returncode}: {log.read_text()[-3_000:]}"
    findings: dict[str, Any] = json.loads(done.stdout)
    print(findings | {"lost": len(findings["lost"])})
    return findings


@pytest.mark.timeout(120 + 10 * ROUNDS)
@pytest.mark.parametrize("verb", ["serve", "receive"])
def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path, verb: str) -> None:
    findings = run(tmp_path, verb, ROUNDS)

    assert findings["acknowledged"] > ROUNDS
    assert findings["lost"] == []
    assert findings["undelivered"] == 0
    assert findings["integrity"] == "ok"
    assert findings["statuses"].keys() <= {"200", "201", "503"}
    assert findings["statuses"]["503"] >= ROUNDS
    assert len(findings["resumed_seconds"]) == ROUNDS
    assert max(findings["resumed_seconds"]) < RESUMED_SECONDS


def test_a_receiver_that_accepts_what_it_cannot_store_is_caught(tmp_path: Path) -> None:
    assert run(tmp_path, "receive", 1, "tests.faults.disk.broken")["lost"]
