"""The mailbox against a dictionary: whatever happens in whatever order, both say the same."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.mailbox import Policy
from ombud.mailbox.model import Dead, Delivery, Done, Interrupted, Lane, Outcome, Result, Retry, Skip, State
from tests.behaviour.conftest import BACKENDS, LEASE_SECONDS, SCHEDULE
from tests.mailbox.office import Office, StoppedClock

LANES = 3
SUBJECTS = ("order/1", "order/2")
LEASE = round(LEASE_SECONDS * 1_000_000)

outcomes: st.SearchStrategy[Outcome] = st.sampled_from(
    [Done(), Retry("no"), Retry("later", after=60.0), Dead("gone"), Skip("covered"), Interrupted()]
)
places = st.integers(0, 1_000)


@dataclass
class Expected:
    """What a delivery must look like. `due_at` is copied after a retry, whose jitter is chance."""

    subject: str
    due_at: int
    state: State = State.PENDING
    attempts: int = 0


@dataclass
class Owner:
    """A lease as its owner sees it, and what it has loaded and not settled."""

    lane: Lane
    leased_until: int
    loaded: list[Delivery] = field(default_factory=list)


class Life(RuleBasedStateMachine):
    """Appenders, an owner for each leased lane, and owners who lost theirs and do not know it."""

    open_database: Callable[[Path], SqliteDatabase]

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = StoppedClock()
        self.expected: dict[tuple[int, int], Expected] = {}
        self.attempts = 0
        self.owners: dict[int, Owner] = {}
        self.losers: list[Owner] = []
        self._open()
        self.lanes = [self.office.add_lane() for _ in range(LANES)]

    def _open(self) -> None:
        database = type(self).open_database(Path(self.folder.name))
        self.office = Office(database, self.clock, Policy(retry_seconds=SCHEDULE, lease_seconds=LEASE_SECONDS))

    def teardown(self) -> None:
        if hasattr(self, "office"):
            self.office.database.close()
            self.folder.cleanup()

    @rule(chosen=st.sets(st.integers(0, LANES - 1), min_size=1), subject=st.sampled_from(SUBJECTS))
    def append(self, chosen: set[int], subject: str) -> None:
        lanes = [self.lanes[number] for number in sorted(chosen)]
        event_id = self.office.append(*lanes, subject=subject)
        self.expected |= {(event_id, lane_id): Expected(subject, self.clock()) for lane_id in lanes}

    @rule(lanes=st.integers(1, LANES))
    def lease(self, lanes: int) -> None:
        now = self.clock()
        due = {row["id"] for row in self.office.rows("select id from lane where wake_at <= :now", now=now)}
        leased = self.office.run(lambda: self.office.mailbox.lease(lanes))
        assert len(leased) == min(lanes, len(due))
        for lane in leased:
            assert lane.id in due
            if lane.id in self.owners:
                self.losers.append(self.owners[lane.id])
            self.owners[lane.id] = Owner(lane, now + LEASE)

    def _owner(self, place: int) -> Owner:
        owners = list(self.owners.values())
        return owners[place % len(owners)]

    @precondition(lambda self: self.owners)
    @rule(place=places)
    def load(self, place: int) -> None:
        owner = self._owner(place)
        loaded = self.office.run(lambda: self.office.mailbox.load(owner.lane, owner.loaded)).deliveries
        busy = {delivery.subject for delivery in owner.loaded}
        due = [
            (expected.due_at, event_id, expected.subject)
            for (event_id, lane_id), expected in self.expected.items()
            if lane_id == owner.lane.id
            and expected.state is State.PENDING
            and expected.due_at <= self.clock()
            and expected.subject not in busy
        ]
        first = {subject: event_id for _, event_id, subject in sorted(due, reverse=True)}
        assert {delivery.subject: delivery.event_id for delivery in loaded} == first
        owner.loaded += loaded

    @precondition(lambda self: any(owner.loaded for owner in self.owners.values()))
    @rule(place=places, outcome=outcomes)
    def settle(self, place: int, outcome: Outcome) -> None:
        busy = [owner for owner in self.owners.values() if owner.loaded]
        owner = busy[place % len(busy)]
        delivery = owner.loaded.pop(place % len(owner.loaded))
        assert self._settle(owner, delivery, outcome)
        expected = self.expected[delivery.event_id, delivery.lane_id]
        match outcome:
            case Done():
                expected.state = State.DONE
            case Dead():
                expected.state = State.DEAD
            case Skip():
                expected.state = State.SKIPPED
            case Retry() if expected.attempts == len(SCHEDULE):
                expected.state = State.DEAD
        if not isinstance(outcome, Interrupted):
            expected.attempts += 1
        expected.due_at = self.office.delivery(delivery.event_id, delivery.lane_id)["due_at"]
        waits = (
            outcome.after or SCHEDULE[expected.attempts - 1] if isinstance(outcome, Retry) and not expected.state else 0
        )
        assert expected.due_at - self.clock() >= waits * 1_000_000

    def _settle(self, owner: Owner, delivery: Delivery, outcome: Outcome) -> bool:
        self.attempts += 1
        result = Result(delivery, self.clock(), 1, outcome)
        return self.office.run(lambda: self.office.mailbox.settle(owner.lane, [result]))

    @precondition(lambda self: any(owner.loaded for owner in self.losers))
    @rule(outcome=outcomes)
    def settle_too_late(self, outcome: Outcome) -> None:
        loser = next(owner for owner in self.losers if owner.loaded)
        assert not self._settle(loser, loser.loaded.pop(), outcome)

    @precondition(lambda self: any(not owner.loaded for owner in self.owners.values()))
    @rule(place=places)
    def release(self, place: int) -> None:
        idle = [owner for owner in self.owners.values() if not owner.loaded]
        lane = idle[place % len(idle)].lane
        self.office.run(lambda: self.office.mailbox.release(lane, 1, 0))
        del self.owners[lane.id]

    @precondition(lambda self: self.owners)
    @rule(place=places)
    def extend(self, place: int) -> None:
        owner = self._owner(place)
        self.office.run(lambda: self.office.mailbox.extend([owner.lane]))
        owner.leased_until = self.clock() + LEASE

    @precondition(lambda self: self.losers)
    @rule()
    def meddle_too_late(self) -> None:
        loser = self.losers.pop()
        before = self.office.lane(loser.lane.id)
        self.office.run(lambda: self.office.mailbox.extend([loser.lane]))
        self.office.run(lambda: self.office.mailbox.release(loser.lane, 9, 9))
        assert self.office.lane(loser.lane.id) == before

    @precondition(lambda self: self.owners)
    @rule(place=places)
    def lose_a_lease(self, place: int) -> None:
        owner = self._owner(place)
        lane_id, token = owner.lane.id, owner.lane.token + 1
        self.office.rows("update lane set lease_token = :token where id = :id", id=lane_id, token=token)
        self.losers.append(self.owners.pop(lane_id))

    @rule(seconds=st.sampled_from([0.001, 1.0, 6.0, 31.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.clock.jump(seconds)

    @rule()
    def crash_and_start_again(self) -> None:
        """Nobody outlives the process: what was loaded and not settled is forgotten, and its lanes are due."""
        self.office.database.close()
        self._open()
        self.office.run(self.office.mailbox.free_leases)
        self.owners.clear()
        self.losers.clear()

    @invariant()
    def deliveries_are_as_expected(self) -> None:
        if not hasattr(self, "office"):
            return
        rows = self.office.rows("select * from delivery")
        assert len(rows) == len(self.expected), "exactly one delivery for each event and lane"
        stored = {(row["event_id"], row["lane_id"]): row for row in rows}
        for key, expected in self.expected.items():
            row = stored[key]
            assert (row["subject"], row["due_at"], row["state"], row["attempts"]) == (
                expected.subject,
                expected.due_at,
                expected.state,
                expected.attempts,
            )
        assert self.office.rows("select count(*) as n from attempt")[0]["n"] == self.attempts

    @invariant()
    def what_is_pending_will_be_looked_at(self) -> None:
        if not hasattr(self, "office"):
            return
        for lane in self.office.rows("select * from lane"):
            owner = self.owners.get(lane["id"])
            if owner is not None:
                assert (lane["lease_token"], lane["wake_at"]) == (owner.lane.token, owner.leased_until)
                continue
            due = [
                expected.due_at
                for (_, lane_id), expected in self.expected.items()
                if lane_id == lane["id"] and expected.state is State.PENDING
            ]
            # A lane that was lost or left by a crash wakes when its lease ends, or earlier.
            patience = LEASE if lane["lease_token"] is not None else 0
            assert not due or lane["wake_at"] <= max(lane["hold_until"], min(due), self.clock() + patience)

    @invariant()
    def a_subject_is_loaded_once_in_a_lane(self) -> None:
        for owner in getattr(self, "owners", {}).values():
            subjects = [delivery.subject for delivery in owner.loaded]
            assert len(subjects) == len(set(subjects))


@pytest.mark.parametrize("backend_name", BACKENDS)
def test_any_life(backend_name: str) -> None:
    machine = type(
        "LifeOnABackend", (Life,), {"open_database": staticmethod(BACKENDS[backend_name]), "__module__": __name__}
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
