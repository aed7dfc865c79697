"""A worker that is stopped (SIGSTOP) at a point, past its lease, and goes on later, beside one that could take over."""

import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ombud.db.connect import open_database
from ombud.mailbox.mailbox import sql
from tests.faults.mailbox import roles
from tests.faults.mailbox.crew import Member, gathered, quieten, wait_until
from tests.faults.mailbox.diary import read
from tests.faults.mailbox.driver import PERFORM, PHASES, Point, Rule
from tests.faults.mailbox.judge import Findings, judge
from tests.faults.mailbox.post import found, pending
from tests.faults.mailbox.roles import ON, Job

# Seconds.
LEASE_SECONDS = 1.0
# How long it stands still: past its lease, and past what the other one needs to take over. Now and then so long that
# PostgreSQL ends a transaction in which nothing happens.
STILL_SECONDS = 1.4
LONG_STILL_SECONDS = 6.0
SHOPS = 6
# The longest between two events of one client, in seconds: several pairs share this machine.
PAUSE_SECONDS = 0.1

# What a worker comes by again and again, and the commits of it.
STATEMENTS = (
    *("next_wake", "lease_lanes", "load_due", "fence", "insert_attempts", "settle_deliveries", "extend_leases"),
    *("next_due", "release_lanes", "hand_over", "ring_lanes"),
)
COMMITS = ("lease_lanes", "settle_deliveries", "release_lanes")


def points() -> list[Point]:
    """Return where a worker is stopped."""
    assert {*STATEMENTS, *COMMITS} <= {statement.name for statement in sql}
    names = [*STATEMENTS, *(f"commit of {name}" for name in COMMITS), PERFORM]
    return [(name, phase) for name in names for phase in PHASES]


@dataclass
class Pair:
    """Two workers of one database. The first is stopped, at these points one after the other."""

    url: str
    folder: Path
    points: Sequence[Point]
    seed: int
    long: bool = False
    build: str = ""  # of the first
    stops: int = 0
    # Tries that the second has begun while the first stood still.
    begun_meanwhile: int = 0
    second: str = ""
    findings: Findings = field(default_factory=Findings)

    def run(self) -> "Pair":
        found(self.url, range(1, SHOPS + 1))
        database = open_database(self.url)
        rules = [Rule(point, "stop", armed=self._file_of(point)) for point in set(self.points)]
        try:
            with gathered() as crew:
                first, second = (
                    crew.start(roles.perform, self._job("first", rules)).ready(),
                    crew.start(roles.perform, self._job("second", ())).ready(),
                )
                self.second = second.job.process
                for member in (first, second):
                    member.line.send(ON)
                for point in self.points:
                    self._stop(first, point)
                for member in (first, second):
                    quieten(member)
                wait_until(lambda: pending(database) == 0, lambda: f"{pending(database)} do not end")
                for member in (first, second):
                    member.stop()
            self.findings = judge(self.folder, database)
        finally:
            database.close()
        return self

    def _stop(self, first: Member, point: Point) -> None:
        chance = random.Random(f"{self.seed}-{self.stops}")
        Path(self._file_of(point)).touch()
        wait_until(lambda: first.stopped, lambda: f"it does not come by {point}{first.said}")
        before = self._begun_by_second()
        time.sleep(LONG_STILL_SECONDS if self.long and chance.random() < 0.1 else STILL_SECONDS)  # the fault itself
        self.begun_meanwhile += self._begun_by_second() - before
        self.stops += 1
        os.kill(first.pid, signal.SIGCONT)

    def _begun_by_second(self) -> int:
        return sum(line["what"] == "begin" for line in read(self.folder, f"second-{self.second}"))

    def _job(self, name: str, rules: Sequence[Rule]) -> Job:
        return Job(
            self.url,
            self.folder,
            name,
            seed=str(self.seed),
            shops=SHOPS,
            lease_seconds=LEASE_SECONDS,
            rules=rules,
            build=self.build if rules else "",
            pause_seconds=PAUSE_SECONDS,
        )

    def _file_of(self, point: Point) -> str:
        return str(self.folder / f"stop-{'-'.join(point).replace(' ', '-')}")
