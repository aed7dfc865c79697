"""kill -9 of appenders and workers at random instants, each alone and all together, on both databases.

The full run: OMBUD_TEST_KILLS=200 ./test tests/faults/mailbox/test_kills.py
"""

import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ombud.db.connect import open_database
from ombud.db.database import Database
from tests.faults.mailbox import roles
from tests.faults.mailbox.crew import Crew, Member, gathered, quieten, wait_until
from tests.faults.mailbox.judge import Findings, judge
from tests.faults.mailbox.post import WINDOW_CAP, found, held_lanes, open_sender, pending
from tests.faults.mailbox.roles import ON, Job
from tests.support.databases import lend_home
from tests.support.postgres import PostgresServers

KILLS = int(os.environ.get("OMBUD_TEST_KILLS", "15"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
SHOPS = 6
LEASE_SECONDS = 0.5
# Seconds between two kills.
LIFE_SECONDS = (0.03, 0.5)
# Enough for a broken build to be caught.
CONTROL_KILLS = 12


@dataclass
class Campaign:
    """Two workers, of which one appends as well, and two appenders; whoever is killed comes back at once.

    `build`: that of the appenders.
    """

    url: str
    folder: Path
    kills: int
    build: str = ""
    killed: list[str] = field(default_factory=list)

    def run(self) -> Findings:
        found(self.url, range(1, SHOPS + 1))
        chance = random.Random(SEED)
        with gathered() as crew:
            members = {name: self._start(crew, name) for name in ("worker0", "worker1", "appender0", "appender1")}
            for member in members.values():
                member.ready()
            for _ in range(self.kills):
                time.sleep(chance.uniform(*LIFE_SECONDS))  # how long they live is the fault's own random variable
                for name in self._choose(chance):
                    self.killed.append(members[name].job.process)
                    members[name].kill()
                    members[name] = self._start(crew, name)
            findings = self._end(members)
        print(f"seed {SEED}, {len(self.killed)} kills, {self.build or 'real'} build: {findings}")
        return findings

    def _choose(self, chance: random.Random) -> Sequence[str]:
        workers, appenders = ["worker0", "worker1"], ["appender0", "appender1"]
        return chance.choice([*([one] for one in (*workers, *appenders)), workers, [*workers, *appenders]])

    def _start(self, crew: Crew, name: str) -> Member:
        job = Job(
            self.url, self.folder, name, seed=f"{SEED}-{len(self.killed)}", shops=SHOPS, lease_seconds=LEASE_SECONDS
        )
        if name.startswith("worker"):
            member = crew.start(roles.perform, job)
        else:
            member = crew.start(roles.append, replace(job, build=self.build))
        if name != "worker1":
            member.line.send(ON)
        return member

    def _end(self, members: dict[str, Member]) -> Findings:
        for name in ("worker0", "appender0", "appender1"):
            quieten(members[name])
        database = open_database(self.url)
        try:
            _resume(self.url, database)
            wait_until(lambda: pending(database) == 0, lambda: f"{pending(database)} do not end")
            for name, member in members.items():
                if name.startswith("worker"):
                    member.stop()
                else:
                    member.line.send(None)
                    assert member.end() == 0, member.said
            return judge(self.folder, database, self.killed)
        finally:
            database.close()


def _resume(url: str, database: Database) -> None:
    """Do what somebody who was killed between a pause and its end would have done."""
    sender = open_sender(url, lease_seconds=LEASE_SECONDS)
    for lane_id in held_lanes(database):
        database.write(lambda lane_id=lane_id: sender.outbox.mailbox.resume(lane_id))  # type: ignore[misc]
    sender.close()


@pytest.mark.timeout(180 + 5 * KILLS)
@pytest.mark.parametrize("kind", ["sqlite", "postgres-newest"])
def test_nothing_is_lost(kind: str, tmp_path: Path, postgres_servers: PostgresServers) -> None:
    with lend_home(kind, tmp_path, postgres_servers) as home:
        campaign = Campaign(home.url, tmp_path, KILLS)
        findings = campaign.run()

        assert findings.wrong == {}
        # Only what was in flight when its process was killed was tried again, and what had lost its lease.
        assert findings.unrecorded <= len(campaign.killed) * SHOPS * WINDOW_CAP
        assert findings.repeated <= findings.late
        assert findings.confirmed > KILLS


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", ["sqlite", "postgres-newest"])
def test_an_ack_before_the_commit_is_caught(kind: str, tmp_path: Path, postgres_servers: PostgresServers) -> None:
    with lend_home(kind, tmp_path, postgres_servers) as home:
        assert Campaign(home.url, tmp_path, CONTROL_KILLS, "ack_before_commit").run().lost
