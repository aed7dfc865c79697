"""Without any fault: every delivery is decided once, and each try is on record. What the judge says otherwise, it sees.

Longer: OMBUD_TEST_CALM_SECONDS=300 ./test tests/faults/mailbox/test_calm.py
"""

import os
from pathlib import Path

import pytest

from ombud.db.connect import open_database
from tests.faults.mailbox import roles
from tests.faults.mailbox.crew import gathered, wait_until
from tests.faults.mailbox.judge import Findings, judge
from tests.faults.mailbox.post import found, pending
from tests.faults.mailbox.roles import Job
from tests.support.databases import lend_home
from tests.support.postgres import PostgresServers

SECONDS = float(os.environ.get("OMBUD_TEST_CALM_SECONDS", "2"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
KINDS = ["sqlite", "postgres-newest"]
SHOPS = 8


def work(url: str, folder: Path, seconds: float, build: str = "") -> Findings:
    """Two workers, of which one appends as well, and an appender."""
    found(url, range(1, SHOPS + 1))
    database = open_database(url)
    try:
        with gathered() as crew:
            job = Job(url, folder, "member", seed=str(SEED), shops=SHOPS, lease_seconds=30.0, build=build)
            first, second = (crew.start(roles.perform, job).ready() for _ in range(2))
            appender = crew.start(roles.append, job).ready()
            for member in (first, appender):
                member.line.send(seconds)
            for member in (first, appender):
                assert member.hear() == "quiet"
            wait_until(lambda: pending(database) == 0, lambda: f"{pending(database)} do not end")
            for member in (first, second):
                member.stop()
            appender.line.send(None)
            assert appender.end() == 0, appender.said
        return judge(folder, database)
    finally:
        database.close()


@pytest.mark.timeout(120 + 2 * int(SECONDS))
@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_done_once(kind: str, tmp_path: Path, postgres_servers: PostgresServers) -> None:
    with lend_home(kind, tmp_path, postgres_servers) as home:
        findings = work(home.url, tmp_path, SECONDS)
    print(f"{kind}, seed {SEED}, {SECONDS:g} s: {findings}")

    assert findings.wrong == {}
    assert (findings.late, findings.repeated, findings.unrecorded) == (0, 0, 0)
    assert findings.confirmed > 10 * SECONDS


@pytest.mark.parametrize(("build", "caught"), [("subjects_at_once", "together"), ("forget_retries", "unexplained")])
def test_the_judge_sees(build: str, caught: str, tmp_path: Path, postgres_servers: PostgresServers) -> None:
    with lend_home("sqlite", tmp_path, postgres_servers) as home:
        assert caught in work(home.url, tmp_path, 1.0, build).wrong
