"""Many workers and appenders on one PostgreSQL database, in rounds: everybody at once, then quiet, and a look.

Nobody sweeps: a lane that sleeps past its work in a quiet moment would sleep for ever.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ombud.db.connect import open_database
from ombud.db.database import Database
from tests.faults.mailbox import roles
from tests.faults.mailbox.crew import PATIENCE_SECONDS, Crew, Member, gathered, wait_until
from tests.faults.mailbox.driver import PERFORM, Rule
from tests.faults.mailbox.judge import Findings, judge
from tests.faults.mailbox.post import asleep, found, pending
from tests.faults.mailbox.roles import Job

# Lanes: few enough that appends and releases of one meet, enough that each has a last event in every round.
SHOPS = 12
# Seconds: so short that a stalled worker loses its lanes, so long that a busy machine rarely does it.
LEASE_SECONDS = 0.6
STALL_SECONDS = 1.0
# Seconds that everybody appends in a round.
ROUND_SECONDS = (0.1, 0.4)
# Seconds that a lane sleeps past its work in a quiet moment, after which nobody will ever wake it.
ASLEEP_SECONDS = 1.5

# The same for every build: what makes the rare orders frequent.
APPENDER_RULES = (
    Rule(("insert_deliveries", "after"), "delay", chance=0.3, seconds=0.03),
    Rule(("ring_lanes", "before"), "delay", chance=0.1, seconds=0.02),
    Rule(("ring_lanes", "after"), "delay", chance=0.3, seconds=0.1),
)
WORKER_RULES = (
    *APPENDER_RULES,
    Rule(("release_lanes", "before"), "delay", chance=0.1, seconds=0.02),
    Rule(("release_lanes", "after"), "delay", chance=0.5, seconds=0.1),
    Rule(("recheck_lanes", "before"), "delay", chance=0.2, seconds=0.02),
    Rule(("lease_lanes", "after"), "delay", chance=0.2, seconds=0.02),
    Rule(("hand_over", "after"), "delay", chance=0.1, seconds=0.02),
    Rule(("still_held", "after"), "delay", chance=0.1, seconds=0.1),
    Rule(("fence", "after"), "stall", chance=0.004, seconds=STALL_SECONDS),
    Rule(("settle_deliveries", "after"), "stall", chance=0.004, seconds=STALL_SECONDS),
    Rule((PERFORM, "before"), "stall", chance=0.0005, seconds=STALL_SECONDS),
    Rule((PERFORM, "after"), "stall", chance=0.0005, seconds=STALL_SECONDS),
)


@dataclass(frozen=True)
class Size:
    """How many take part, and for how long. Every second worker appends as well."""

    workers: int
    appenders: int
    seconds: float


@dataclass
class Race:
    """One run. `build`: a broken one. `by_record`: it is caught by what stands on record, and the run ends there."""

    url: str
    folder: Path
    size: Size
    seed: int
    build: str = ""
    by_record: bool = False
    rounds: int = 0

    def run(self) -> Findings:
        found(self.url, range(1, SHOPS + 1))
        database = open_database(self.url)
        chance = random.Random(self.seed)
        until = time.monotonic() + self.size.seconds
        try:
            with gathered() as crew:
                workers, appenders = self._start(crew)
                ringers = [*appenders, *(worker for worker in workers if worker.job.appends)]
                stuck: set[int] = set()
                while time.monotonic() < until and not stuck:
                    self.rounds += 1
                    _append(ringers, chance.uniform(*ROUND_SECONDS))
                    stuck = _stuck(database)
                    if self.by_record and judge(self.folder, database).contradictory:
                        break
                for worker in workers:
                    worker.stop()
                for appender in appenders:
                    appender.line.send(None)
                    assert appender.end() == 0, appender.said
            findings = judge(self.folder, database)
            findings.asleep |= stuck
        finally:
            database.close()
        print(f"seed {self.seed}, {self.size}, {self.build or 'real'} build, {self.rounds} rounds: {findings}")
        return findings

    def _start(self, crew: Crew) -> tuple[Sequence[Member], Sequence[Member]]:
        workers = [
            crew.start(roles.perform, self._job(f"worker{n}", WORKER_RULES, appends=n % 2 == 0))
            for n in range(self.size.workers)
        ]
        appenders = [
            crew.start(roles.append, self._job(f"appender{n}", APPENDER_RULES)) for n in range(self.size.appenders)
        ]
        for member in (*workers, *appenders):
            member.ready()
        return workers, appenders

    def _job(self, name: str, rules: Sequence[Rule], *, appends: bool = False) -> Job:
        return Job(
            self.url,
            self.folder,
            name,
            seed=str(self.seed),
            shops=SHOPS,
            lease_seconds=LEASE_SECONDS,
            rules=rules,
            build=self.build,
            appends=appends,
            sweeps=False,
        )


def _append(ringers: Sequence[Member], seconds: float) -> None:
    for member in ringers:
        member.line.send(seconds)
    for member in ringers:
        assert member.hear() == "quiet"


def _stuck(database: Database) -> set[int]:
    """Wait until all has ended, and return no lane; or return those that will sleep for ever."""
    lasting: set[int] = set()
    since = time.monotonic()

    def over() -> bool:
        nonlocal lasting, since
        sleeping = asleep(database)
        if not lasting & sleeping:
            since = time.monotonic()
        lasting = sleeping & lasting or sleeping
        return pending(database) == 0 or time.monotonic() > since + ASLEEP_SECONDS

    wait_until(over, lambda: f"{pending(database)} deliveries do not end", PATIENCE_SECONDS)
    return lasting & asleep(database)
