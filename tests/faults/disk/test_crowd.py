"""The WAL-reset bug and its kin: many writers and checkpoints on one file lose nothing.

SQLite 3.7.0 to 3.51.2 could skip committed pages when a checkpoint met a commit that resets the log; opening a database
refuses those (tests/db/test_opening.py). The full run: OMBUD_TEST_CROWD_SECONDS=600 ./test tests/faults/disk
"""

import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from tests.faults.history import read
from tests.support.processes import PATIENCE_SECONDS, ROOT

SECONDS = float(os.environ.get("OMBUD_TEST_CROWD_SECONDS", "4"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
WRITERS = 8
CONTROL_SECONDS = 2.0


@dataclass(frozen=True)
class Findings:
    """What the histories say, and what is in the file."""

    acknowledged: set[int]
    stored: set[int]
    checkpoints: int
    trouble: str
    codes: list[int]

    def __str__(self) -> str:
        lost = len(self.acknowledged - self.stored)
        return (
            f"seed {SEED}: acknowledged {len(self.acknowledged)}, stored {len(self.stored)}, lost {lost}, "
            f"{self.checkpoints} checkpoints, {self.trouble or 'sound'}"
        )


@contextlib.contextmanager
def member(folder: Path, work: str, number: int) -> Iterator[subprocess.Popen[str]]:
    """One process; it is told to end when this does."""
    arguments = (work, str(folder / "ombud.db"), str(number), str(folder / f"{work}-{number}.history"))
    with (folder / f"{work}-{number}.txt").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.disk.crowd", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout:
        try:
            assert process.stdout.readline() == "begun\n"
            yield process
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.wait(PATIENCE_SECONDS)


def campaign(folder: Path, seconds: float, other: str) -> Findings:
    """Let them all work that long."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(member(folder, "write", SEED * 100 + number)) for number in range(1, WRITERS + 1)]
        crowd.append(stack.enter_context(member(folder, other, SEED)))
        # How long it lasts is the size of the campaign.
        time.sleep(seconds)
    lines = read(folder.glob("*.history"))
    stored, trouble = look(folder / "ombud.db")
    acknowledged = {int(row) for what, row, _ in lines if what == "ack"}
    checkpoints = Counter(what for what, *_ in lines)["checkpoint"]
    findings = Findings(acknowledged, stored, checkpoints, trouble, [process.returncode for process in crowd])
    print(findings)
    return findings


def look(path: Path) -> tuple[set[int], str]:
    try:
        with contextlib.closing(apsw.Connection(str(path))) as connection:
            health = str(connection.execute("pragma integrity_check").get)
            return {row[0] for row in connection.execute("select id from item")}, "" if health == "ok" else health
    except apsw.Error as error:
        return set(), f"unreadable: {error}"


@pytest.mark.timeout(120 + 2 * SECONDS)
def test_a_crowd_loses_nothing(tmp_path: Path) -> None:
    findings = campaign(tmp_path, SECONDS, "checkpoint")

    assert findings.trouble == ""
    assert findings.acknowledged == findings.stored
    assert set(findings.codes) == {0}
    assert len(findings.acknowledged) > WRITERS
    assert findings.checkpoints > 0


def test_a_log_that_is_thrown_away_is_caught(tmp_path: Path) -> None:
    findings = campaign(tmp_path, CONTROL_SECONDS, "truncate")

    assert findings.trouble or findings.acknowledged - findings.stored
