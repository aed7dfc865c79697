"""Lanes that will not be looked at, and what waits in lanes that are well: who performs decides what it means."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from ombud.admin.audit import Report, Waiting, audit
from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.mailbox.model import NEVER
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings
from tests.admin.post import Post
from tests.mailbox.office import StoppedClock
from tests.support.databases import Home

# Seconds.
MINUTE, HOUR = 60.0, 3_600.0


@dataclass
class Street:
    """A sender with one endpoint for whom an event waits, due now, and a lane of somebody else."""

    clock: StoppedClock
    post: Post
    lane_id: int
    other_lane_id: int

    @property
    def database(self) -> Database:
        return self.post.database

    def have(self, **columns: int | None) -> None:
        """Change the lane by hand."""
        changes = ", ".join(f"{column} = {value if value is not None else 'null'}" for column, value in columns.items())
        self.post.rows(f"update lane set {changes} where id = {self.lane_id}")

    def show_life(self) -> None:
        """Leave the traces of somebody who performs now: a lease that runs, and the time."""
        now = self.clock()
        self.post.rows(f"update lane set lease_token = 5, wake_at = {now + 1} where id = {self.other_lane_id}")
        self.post.rows(f"update clock set seen = {now}")

    def audit(self, *, performed: bool) -> Report:
        """Audit; where there is no seat to ask about, the traces tell."""
        if performed:
            self.show_life()
        return self.database.read(lambda: audit((lambda _: performed) if self.database.exclusive else None))

    def kinds(self, *, performed: bool) -> set[str]:
        return {finding.kind for finding in self.audit(performed=performed).findings}

    def waiting(self, *, performed: bool) -> Waiting:
        [waiting] = self.audit(performed=performed).waiting
        return waiting


@pytest.fixture
def street(home: Home) -> Iterator[Street]:
    clock = StoppedClock()
    database = home.open(clock)
    migrate(database, ["ombud.admin"])
    sender = Sender(database, Settings())
    post = Post(database, sender.outbox.mailbox)
    one, other = (post.run(partial(sender.endpoints.add, EndpointEdit("http://a.example/"), shop)) for shop in (1, 2))
    post.run(lambda: sender.outbox.publish([Event("order.new", "1")]))
    post.wait_for_rings()
    yield Street(clock, post, one.lane_id, other.lane_id)
    sender.close()


@pytest.mark.parametrize("performed", [True, False])
def test_what_is_due_now_is_well(street: Street, *, performed: bool) -> None:
    assert street.kinds(performed=performed) == set()
    waiting = street.waiting(performed=performed)
    assert (waiting.due, waiting.held, waiting.since) == (1, 0, street.clock())


def test_a_lane_that_sleeps_is_found(street: Street) -> None:
    street.have(wake_at=NEVER)
    street.clock.jump(2 * MINUTE)
    assert street.kinds(performed=True) == {"lane_asleep"}


def test_a_lane_that_sleeps_beyond_its_first_delivery_is_found(street: Street) -> None:
    street.have(wake_at=street.clock() + round(10 * MINUTE * 1_000_000))
    street.clock.jump(2 * MINUTE)
    assert street.kinds(performed=True) == {"lane_asleep"}


def test_a_lane_that_sleeps_may_be_in_memory_for_a_moment_or_wait_for_a_performer(street: Street) -> None:
    street.have(wake_at=NEVER)
    assert street.kinds(performed=True) == set()
    street.clock.jump(2 * MINUTE)
    assert street.kinds(performed=False) == set()


def test_a_pause_is_no_sleep(street: Street) -> None:
    street.post.run(lambda: street.post.mailbox.pause(street.lane_id))
    street.post.wait_for_rings()
    street.clock.jump(2 * HOUR)
    assert street.kinds(performed=True) == set()
    assert street.waiting(performed=True).held == 1


def test_a_lease_that_nobody_took_over_is_found_where_somebody_performs(street: Street) -> None:
    street.have(lease_token=5, wake_at=street.clock())
    street.clock.jump(2 * HOUR)
    assert street.kinds(performed=False) == set()
    assert street.waiting(performed=False).left == 1
    assert street.kinds(performed=True) == {"lane_abandoned"}


def test_a_lane_that_nobody_looked_at_is_found_where_somebody_performs(street: Street) -> None:
    street.clock.jump(2 * HOUR)
    assert street.kinds(performed=False) == set()
    assert street.kinds(performed=True) == {"lane_overlooked"}


def test_a_clock_that_was_set_forward_makes_nothing_late(street: Street) -> None:
    """Who performs goes on by its own time, which it notes."""
    street.show_life()
    street.clock.jump(2 * HOUR)
    report = street.database.read(lambda: audit((lambda _: True) if street.database.exclusive else None))
    assert report.findings == []


def test_a_clock_that_was_set_back_hides_nothing(street: Street) -> None:
    street.have(wake_at=NEVER)
    street.clock.jump(2 * MINUTE)
    street.show_life()
    street.clock.jump(-HOUR)
    report = street.database.read(lambda: audit((lambda _: True) if street.database.exclusive else None))
    assert {finding.kind for finding in report.findings} == {"lane_asleep"}


PERFORMED: dict[str, tuple[Callable[[Street], None], bool | None]] = {
    "a lease that runs": (lambda street: street.show_life(), True),
    "a lane that was just given back": (lambda street: street.have(rested_at=street.clock()), True),
    "nothing was due for long": (lambda _: None, None),
    "what is due waits and waits": (lambda street: street.clock.jump(2 * MINUTE), False),
    "what is due is held": (lambda street: street.post.run(lambda: street.post.mailbox.pause(street.lane_id)), None),
}


@pytest.mark.parametrize("name", PERFORMED)
def test_traces_tell_whether_somebody_performs(street: Street, name: str) -> None:
    make, performed = PERFORMED[name]
    make(street)
    [waiting] = street.database.read(lambda: audit(None)).waiting
    assert waiting.performed is performed


def test_the_states_of_lanes_are_counted(street: Street) -> None:
    now = street.clock()
    states: dict[str, dict[str, int | None]] = {
        "closed": {"closed_at": now},
        "given_up": {"closed_at": now, "given_up_at": now},
        "careful": {"crashes": 2, "lease_token": 7, "wake_at": now + 1},
        "left": {"lease_token": 7, "wake_at": now - 1},
    }
    well: dict[str, int | None] = {"closed_at": None, "given_up_at": None, "crashes": 0, "lease_token": None}
    for state, columns in states.items():
        street.have(**{**well, **columns})
        waiting = street.waiting(performed=False)
        assert {name: getattr(waiting, name) for name in states} == {name: int(name == state) for name in states}
