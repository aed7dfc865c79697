"""A replay whose process is killed before and after each of its statements: every delivery is sent again once."""

from pathlib import Path

import pytest

from ombud.admin.access import OPERATOR
from ombud.admin.delivery_filter import Asked
from ombud.admin.resending import HIGHEST_PER_SECOND, Found, Resending, get_resending, start_resending
from ombud.db.connect import open_database
from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.db.operation import Statement
from ombud.sender.outbox import Event
from tests.faults.mailbox.crew import gathered
from tests.faults.mailbox.driver import PHASES, Point, Rule
from tests.faults.mailbox.post import found, numbers, once, open_sender
from tests.faults.mailbox.replaying import APART, replay
from tests.faults.mailbox.roles import Job
from tests.support.databases import lend_home
from tests.support.postgres import PostgresServers

KINDS = ["sqlite", "postgres-newest"]
LEASE_SECONDS = 0.3
EVENTS = 40
POINTS: list[Point] = [
    (name, phase)
    for name in ("move_resending", "replay_deliveries", "commit of replay_deliveries", "count_resending")
    for phase in PHASES
]

_ALL_DONE = Statement("all_done", "update delivery set state = 1")
_GENERATIONS = Statement("generations", "select generation from delivery")


class Campaign:
    """One job on one database, and processes that do it one after the other."""

    def __init__(self, url: str, folder: Path, build: str = "") -> None:
        self.url = url
        self._folder = folder
        self._build = build

    def run(self, points: list[Point]) -> tuple[Resending, list[int]]:
        """Kill a process at each of these points in turn, let the last one end; returns the job and its deliveries."""
        found(self.url, [1])
        database = open_database(self.url)
        try:
            migrate(database, ["ombud.admin"])
            number = self._start(database)
            for point in points:
                self._do(Rule(point, "kill", nth=2))
            self._do()
            return database.read(lambda: get_resending(OPERATOR, number)), numbers(database, _GENERATIONS)
        finally:
            database.close()

    def _start(self, database: Database) -> int:
        sender = open_sender(self.url, lease_seconds=LEASE_SECONDS)
        database.write(lambda: sender.outbox.publish([Event("order.new", str(number)) for number in range(EVENTS)]))
        database.write(once(_ALL_DONE))
        # All of them: what was sent again is found a second time by whoever looks a second time.
        now, asked = database.clock() + 1_000_000, Asked(state="done")
        number = database.write(
            lambda: start_resending(OPERATOR, asked, HIGHEST_PER_SECOND, Found(EVENTS, whole=True), now)
        )
        database.write(once(Statement("now", "update resending set next_at = 0")))
        sender.close()
        return number

    def _do(self, *rules: Rule) -> None:
        with gathered() as crew:
            job = Job(self.url, self._folder, "replay", lease_seconds=LEASE_SECONDS, rules=rules, build=self._build)
            member = crew.start(replay, job)
            if not rules:
                assert member.hear() == "ended"
            assert member.end() == (-9 if rules else 0), (rules, member.said)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_sent_again_twice_or_not_at_all(
    kind: str, tmp_path: Path, postgres_servers: PostgresServers
) -> None:
    with lend_home(kind, tmp_path, postgres_servers) as home:
        job, generations = Campaign(home.url, tmp_path).run(POINTS)
    assert generations == [1] * EVENTS
    assert (job.state, job.sent) == ("done", EVENTS)


def test_a_cursor_apart_from_its_step_is_caught(tmp_path: Path) -> None:
    campaign = Campaign(f"sqlite:///{tmp_path}/ombud.db", tmp_path, APART)
    _, generations = campaign.run([("commit of replay_deliveries", "after")])
    assert 2 in generations
