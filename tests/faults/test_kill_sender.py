"""kill -9 at any moment, and a start on the same folder: every accepted event is delivered.

The full run: OMBUD_TEST_KILLS=500 ./test tests/faults
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.faults.history import Findings, check, read
from tests.support.processes import PATIENCE_SECONDS, ROOT, Ombud, Ombuds

KILLS = int(os.environ.get("OMBUD_TEST_KILLS", "20"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
EVENTS_PER_SECOND = 200
WINDOW_CAP = 64


@contextmanager
def helper(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that writes a history and is never killed while the test runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.faults.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def pending(ombud: Ombud) -> int:
    """How many of the newest events are not delivered yet."""
    headers = {"Authorization": f"Bearer {ombud.card['api_key']}"}
    with httpx2.Client(base_url=ombud.card["api"], headers=headers) as api:
        page = api.get("/events", params={"limit": 500}).json()
    return sum(event["deliveries"]["pending"] for event in page["data"])


def campaign(ombuds: Ombuds, folder: Path, kills: int, seed: int) -> Findings:
    """Kill the demo again and again while events come in; say what the histories say once it has drained."""
    chance = random.Random(seed)
    sent, arrived, data = folder / "publisher.history", folder / "sink.history", str(folder / "demo")
    with helper("sink", str(arrived)) as sink, helper("publisher", str(sent), str(EVENTS_PER_SECOND)) as publisher:
        assert sink.stdout is not None
        assert publisher.stdin is not None
        port = sink.stdout.readline().strip()
        ombud = ombuds.start("demo", "--port", "0", "--data", data)
        headers = {"Authorization": f"Bearer {ombud.card['api_key']}"}
        with httpx2.Client(base_url=ombud.card["api"], headers=headers) as api:
            assert api.post("/endpoints", json={"url": f"http://127.0.0.1:{port}/"}).status_code == 201
        publisher.stdin.write(json.dumps(ombud.card) + "\n")
        publisher.stdin.flush()
        for _ in range(kills):
            # How long it lives before the kill is the fault's own random variable.
            with pytest.raises(subprocess.TimeoutExpired):
                ombud.process.wait(chance.uniform(0.05, 1.0))
            ombud.kill()
            ombud = ombuds.start("demo", "--port", str(urlsplit(ombud.card["api"]).port), "--data", data)
        publisher.stdin.close()  # which tells it to end
        publisher.wait(PATIENCE_SECONDS)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while pending(ombud):
            assert time.monotonic() < deadline, "the backlog does not drain"
        findings = check(read([sent, arrived]))
    print(f"seed {seed}, {kills} kills: {findings}")
    return findings


@pytest.mark.timeout(60 + 3 * KILLS)
def test_every_accepted_event_is_delivered(ombuds: Ombuds, tmp_path: Path) -> None:
    findings = campaign(ombuds, tmp_path, KILLS, SEED)
    assert findings.acknowledged > KILLS
    assert findings.lost == set()
    assert findings.unexpected == set()
    assert findings.duplicates <= KILLS * WINDOW_CAP


def test_the_checker_catches_an_ack_before_the_commit(ombuds: Ombuds, tmp_path: Path) -> None:
    ombuds.program = ("-m", "tests.faults.broken", "ack_before_commit")
    assert campaign(ombuds, tmp_path, 5, SEED).lost
