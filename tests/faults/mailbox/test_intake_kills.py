"""Whoever empties the table `intake` is killed before and after each statement: each row becomes one event."""

from pathlib import Path

import pytest

from ombud.db.connect import open_database
from ombud.db.operation import Statement
from tests.faults.mailbox.crew import gathered
from tests.faults.mailbox.driver import PHASES, Point, Rule
from tests.faults.mailbox.handing_in import APART, take
from tests.faults.mailbox.post import found, numbers, once
from tests.faults.mailbox.roles import Job
from tests.support.databases import lend_home
from tests.support.postgres import PostgresServers

KINDS = ["sqlite", "postgres-newest"]
ROWS = 40
POINTS: list[Point] = [
    (name, phase)
    for name in ("take_intake", "insert_events", "drop_intake", "commit of insert_events")
    for phase in PHASES
]

_FILL = Statement(
    "fill",
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 40)"
    " insert into intake(type, object_id) select 'order.new', cast(i as text) from n",
)
_LEFT = Statement("left", "select id from intake")
_SUBJECTS = Statement("subjects", "select cast(substr(subject, 7) as integer) from event")


def run(url: str, folder: Path, points: list[Point], build: str = "") -> tuple[list[int], list[int]]:
    """Kill a process at each of these points in turn, let the last one end; returns what is left, and the events."""
    found(url, [1])
    database = open_database(url)
    try:
        database.write(once(_FILL))
        for rules in ([Rule(point, "kill", nth=2)] for point in points):
            with gathered() as crew:
                assert crew.start(take, Job(url, folder, "intake", rules=rules, build=build)).end() == -9, rules
        with gathered() as crew:
            member = crew.start(take, Job(url, folder, "intake", build=build))
            assert (member.hear(), member.end()) == ("ended", 0), member.said
        return numbers(database, _LEFT), sorted(numbers(database, _SUBJECTS))
    finally:
        database.close()


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_becomes_one_event(kind: str, tmp_path: Path, postgres_servers: PostgresServers) -> None:
    with lend_home(kind, tmp_path, postgres_servers) as home:
        assert run(home.url, tmp_path, POINTS) == ([], list(range(1, ROWS + 1)))


def test_a_row_that_goes_later_is_caught(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ombud.db"
    left, subjects = run(url, tmp_path, [("commit of insert_events", "after")], APART)
    assert left == []
    assert len(subjects) > ROWS
