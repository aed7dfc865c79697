"""A life of a mailbox beside a dictionary: whatever is done to it in whatever order, both say the same.

Appenders, an owner for each leased lane, owners who lost theirs and do not know it, people, and the janitor.
"""

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ombud.mailbox.ids import first_id_of
from ombud.mailbox.lease import free_leases
from ombud.mailbox.load import SKIP_ROWS
from ombud.mailbox.mailbox import DAY_MICROSECONDS, Policy
from ombud.mailbox.model import (
    NEVER,
    Ages,
    Dead,
    Delivery,
    Done,
    Interrupted,
    Lane,
    Outcome,
    Rank,
    Retry,
    Skip,
    State,
)
from tests.behaviour.conftest import LEASE_SECONDS, SCHEDULE
from tests.behaviour.housekeeping import end_days
from tests.mailbox.office import Office, StoppedClock
from tests.support.databases import lend_home
from tests.support.postgres import PostgresServers

LANES = 3
SUBJECTS = ("order/1", "order/2")
LEASE = round(LEASE_SECONDS * 1_000_000)
AGES = Ages(done_days=1, failed_days=4)
REPLAYS = 2

outcomes: st.SearchStrategy[Outcome] = st.sampled_from(
    [Done(), Retry("no"), Retry("later", after=60.0), Dead("gone"), Skip("covered"), Interrupted()]
)
places = st.integers(0, 1_000)
Key = tuple[int, int]


@dataclass
class Expected:
    """What a delivery must look like. `due_at` is copied after a retry, whose jitter is chance."""

    subject: str
    due_at: int
    state: State = State.PENDING
    attempts: int = 0
    generation: int = 0
    rank: Rank = Rank.LIVE


@dataclass
class Owner:
    """A lease as its owner sees it, and what it has loaded and not settled."""

    lane: Lane
    leased_until: int
    loaded: list[Delivery] = field(default_factory=list)
    cursor: tuple[int, int] = (0, 0)


class Life(RuleBasedStateMachine):
    """`kind`: one of tests.support.databases.KINDS."""

    kind: str
    servers: PostgresServers

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.home = self.stack.enter_context(lend_home(self.kind, Path(folder), self.servers))
        self.clock = StoppedClock()
        self.expected: dict[Key, Expected] = {}
        self.tries: dict[int, int] = {}  # by event
        self.owners: dict[int, Owner] = {}
        self.losers: list[Owner] = []
        self.paused: set[int] = set()
        self.closed: set[int] = set()
        self._open()
        self.lanes = [self.office.add_lane() for _ in range(LANES)]

    def _open(self) -> None:
        database = self.home.open(self.clock)
        self.office = Office(database, Policy(retry_seconds=SCHEDULE, lease_seconds=LEASE_SECONDS, ages=AGES))

    def teardown(self) -> None:
        if hasattr(self, "office"):
            self.office.database.close()
            self.stack.close()

    def _pending(self, lane_id: int) -> dict[int, Expected]:
        """Return by event what is pending in a lane."""
        return {
            event_id: one
            for (event_id, lane), one in self.expected.items()
            if lane == lane_id and one.state is State.PENDING
        }

    def _owner(self, place: int) -> Owner:
        owners = list(self.owners.values())
        return owners[place % len(owners)]

    # What appenders and people do -------------------------------------------------------------------------------------

    @rule(chosen=st.sets(st.integers(0, LANES - 1), min_size=1), subject=st.sampled_from(SUBJECTS))
    def append(self, chosen: set[int], subject: str) -> None:
        lanes = [self.lanes[number] for number in sorted(chosen)]
        event_id = self.office.append(*lanes, subject=subject)
        self.expected |= {(event_id, lane_id): Expected(subject, self.clock()) for lane_id in lanes}
        self.tries[event_id] = 0

    @rule(number=st.integers(0, LANES - 1))
    def pause(self, number: int) -> None:
        lane_id = self.lanes[number]
        self.office.run(lambda: self.office.mailbox.pause(lane_id))
        self.paused.add(lane_id)

    @precondition(lambda self: self.paused)
    @rule(place=places)
    def resume(self, place: int) -> None:
        lane_id = sorted(self.paused)[place % len(self.paused)]
        self.office.run(lambda: self.office.mailbox.resume(lane_id))
        self.paused.discard(lane_id)

    @rule(number=st.integers(0, LANES - 1), reason=st.sampled_from([None, "destination deleted"]))
    def delete_or_restore(self, number: int, reason: str | None) -> None:
        lane_id = self.lanes[number]
        self.office.close_destination(lane_id, reason)
        (self.closed.discard if reason is None else self.closed.add)(lane_id)

    @precondition(lambda self: self.expected)
    @rule(chosen=st.lists(places, min_size=1, max_size=3))
    def replay(self, chosen: list[int]) -> None:
        keys = list({list(self.expected)[place % len(self.expected)] for place in chosen})
        ended = [key for key in keys if self.expected[key].state is not State.PENDING]
        assert self.office.run(lambda: self.office.mailbox.replay(keys)) == len(ended)
        for key in ended:
            one = self.expected[key]
            again = Expected(one.subject, self.clock(), generation=one.generation + 1, rank=Rank.REPLAY)
            self.expected[key] = again

    # What owners do ---------------------------------------------------------------------------------------------------

    @rule(lanes=st.integers(1, LANES))
    def lease(self, lanes: int) -> None:
        now = self.clock()
        due = {row["id"]: row for row in self.office.rows("select * from lane where wake_at <= :now", now=now)}
        leased = self.office.lease(lanes)
        assert len(leased) == min(lanes, len(due))
        for lane in leased:
            before = due[lane.id]
            assert lane.crashes == before["crashes"] + (before["lease_token"] is not None)
            if lane.id in self.owners:
                self.losers.append(self.owners[lane.id])
            self.owners[lane.id] = Owner(lane, now + LEASE)

    @precondition(lambda self: self.owners)
    @rule(place=places, most=st.sampled_from([1, 2, 64]), on=st.booleans())
    def load(self, place: int, most: int, on: bool) -> None:
        self._load(self._owner(place), most, on=on)

    def _load(self, owner: Owner, most: int, *, on: bool) -> None:
        lane_id, known = owner.lane.id, {delivery.event_id for delivery in owner.loaded}
        cursor = owner.cursor if on else (0, 0)
        loaded = self.office.load(owner.lane, *owner.loaded, cursor=cursor, most=most, replays=REPLAYS)
        pending = self._pending(lane_id)
        if lane_id in self.closed:
            assert len(pending) < SKIP_ROWS
            assert not loaded.deliveries
            for event_id in set(pending) - known:
                pending[event_id].state = State.SKIPPED
            return
        due = sorted((one.rank, one.due_at, id_) for id_, one in pending.items() if one.due_at <= self.clock())
        live = [row for row in due if row[0] == Rank.LIVE and row[1:] > cursor][:most]
        again = [row for row in due if row[0] == Rank.REPLAY][:REPLAYS]
        assert [delivery.event_id for delivery in loaded.deliveries] == [
            event_id for *_, event_id in live + again if event_id not in known
        ]
        assert loaded.more == (len(live) == most)
        owner.cursor = loaded.cursor
        owner.loaded += loaded.deliveries

    @precondition(lambda self: any(owner.loaded for owner in self.owners.values()))
    @rule(place=places, outcome=outcomes)
    def settle(self, place: int, outcome: Outcome) -> None:
        busy = [owner for owner in self.owners.values() if owner.loaded]
        owner = busy[place % len(busy)]
        self._settle(owner, place % len(owner.loaded), outcome)

    def _settle(self, owner: Owner, place: int, outcome: Outcome) -> None:
        delivery = owner.loaded.pop(place)
        one = self.expected[delivery.event_id, delivery.lane_id]
        assert self.office.settle(owner.lane, delivery, outcome)
        self.tries[delivery.event_id] += 1
        self._expect(one, outcome)
        due_at = self.office.delivery(delivery.event_id, delivery.lane_id)["due_at"]
        if one.state is State.PENDING and isinstance(outcome, Retry):
            wait = outcome.after if outcome.after is not None else SCHEDULE[one.attempts - 1]
            assert wait * 1_000_000 <= due_at - self.clock() <= wait * 1_200_000 + 1
        else:
            assert due_at == self.clock()
        one.due_at = due_at

    def _expect(self, one: Expected, outcome: Outcome) -> None:
        match outcome:
            case Done():
                one.state = State.DONE
            case Dead():
                one.state = State.DEAD
            case Skip():
                one.state = State.SKIPPED
            case Retry() if one.attempts == len(SCHEDULE):
                one.state = State.DEAD
        one.attempts += not isinstance(outcome, Interrupted)

    @precondition(lambda self: any(not owner.loaded for owner in self.owners.values()))
    @rule(place=places)
    def release(self, place: int) -> None:
        idle = [owner for owner in self.owners.values() if not owner.loaded]
        self._release(idle[place % len(idle)].lane)

    def _release(self, lane: Lane) -> None:
        self.office.release(lane)
        del self.owners[lane.id]

    @rule(outcome=outcomes)
    def work(self, outcome: Outcome) -> None:
        """Do all that is due: the shortest way to states that are far from the beginning."""
        self.lease(LANES)
        for owner in list(self.owners.values()):
            self._load(owner, 64, on=False)
            while owner.loaded:
                self._settle(owner, 0, outcome)
            self._release(owner.lane)

    @precondition(lambda self: self.owners)
    @rule(place=places)
    def extend(self, place: int) -> None:
        owner = self._owner(place)
        self.office.extend(owner.lane)
        owner.leased_until = self.clock() + LEASE

    @precondition(lambda self: self.losers)
    @rule(outcome=outcomes)
    def meddle_too_late(self, outcome: Outcome) -> None:
        """Somebody who has lost its lease extends, settles and releases all the same."""
        loser = self.losers.pop()
        before = self.office.lane(loser.lane.id)
        self.office.extend(loser.lane)
        for delivery in loser.loaded:
            if (delivery.event_id, delivery.lane_id) in self.expected:
                assert not self.office.settle(loser.lane, delivery, outcome)
                self.tries[delivery.event_id] += 1
        self.office.release(loser.lane, 9, 9)
        assert self.office.lane(loser.lane.id) == before

    @precondition(lambda self: self.owners)
    @rule(place=places)
    def lose_a_lease(self, place: int) -> None:
        owner = self._owner(place)
        lane_id, token = owner.lane.id, owner.lane.token + 1
        self.office.rows("update lane set lease_token = :token where id = :id", id=lane_id, token=token)
        self.losers.append(self.owners.pop(lane_id))

    # What time brings -------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.001, 1.0, 6.0, 31.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.clock.jump(seconds)

    @rule(days=st.sampled_from([1, 2, 5]))
    def days_pass(self, days: int) -> None:
        self.clock.jump(days * 86_400)

    @rule()
    def end_the_days(self) -> None:
        now, newest = self.clock(), self.clock() // DAY_MICROSECONDS
        before = {row["id"]: row["day"] for row in self.office.rows("select id, day from event")}
        end_days(self.office, AGES)
        after = {row["id"]: row["day"] for row in self.office.rows("select id, day from event")}
        failed_since = first_id_of(now - AGES.failed_days * DAY_MICROSECONDS)
        kept = {
            event_id
            for (event_id, _), one in self.expected.items()
            if one.state is State.PENDING or (one.state is State.DEAD and event_id >= failed_since)
        }
        for event_id, day in before.items():
            old = day < newest - AGES.done_days
            if not old or event_id in kept:
                assert event_id in after
            elif not self._in_hands:
                assert event_id not in after
            if old and event_id in kept and not self._in_hands:
                assert after[event_id] == newest
        for event_id in set(before) - set(after):
            self.expected = {key: one for key, one in self.expected.items() if key[0] != event_id}
            del self.tries[event_id]

    @property
    def _in_hands(self) -> bool:
        """Whether a lane is owned: what it may have loaded stays where it is, and keeps its day."""
        return bool(self.office.rows("select 1 from lane where lease_token is not null"))

    @rule()
    def crash_and_start_again(self) -> None:
        """Nobody outlives the process: what was loaded and not settled is forgotten, and its lanes are due."""
        self.office.database.close()
        self._open()
        self.office.run(partial(free_leases, self.office.mailbox))
        self.owners.clear()
        self.losers.clear()

    # What must hold ---------------------------------------------------------------------------------------------------

    @invariant()
    def deliveries_are_as_expected(self) -> None:
        if not hasattr(self, "office"):
            return
        rows = self.office.rows("select * from delivery")
        assert {(row["event_id"], row["lane_id"]) for row in rows} == set(self.expected)
        assert len(rows) == len(self.expected), "exactly one delivery for each event and lane"
        for row in rows:
            one = self.expected[row["event_id"], row["lane_id"]]
            assert (
                Expected(row["subject"], row["due_at"], row["state"], row["attempts"], row["generation"], row["rank"])
                == one
            )

    @invariant()
    def what_belongs_together_shares_a_day_that_is_open(self) -> None:
        if not hasattr(self, "office"):
            return
        days = {row["day"] for row in self.office.rows("select day from day")}
        events = {row["id"]: row for row in self.office.rows("select * from event")}
        assert {row["day"] for row in events.values()} <= days
        fan_out = dict.fromkeys(events, 0)
        for row in self.office.rows("select event_id, day from delivery"):
            assert row["day"] == events[row["event_id"]]["day"]
            fan_out[row["event_id"]] += 1
        assert fan_out == {event_id: row["fan_out"] for event_id, row in events.items()}
        tries = dict.fromkeys(events, 0)
        for row in self.office.rows("select event_id, day from attempt"):
            assert row["day"] == events[row["event_id"]]["day"]
            tries[row["event_id"]] += 1
        assert tries == self.tries, "each try is on record once"

    @invariant()
    def what_is_pending_will_be_looked_at(self) -> None:
        if not hasattr(self, "office"):
            return
        for lane in self.office.rows("select * from lane"):
            owner = self.owners.get(lane["id"])
            assert (lane["hold_until"] == NEVER) == (lane["id"] in self.paused)
            if owner is not None:
                assert (lane["lease_token"], lane["wake_at"]) == (owner.lane.token, owner.leased_until)
                continue
            due = [one.due_at for one in self._pending(lane["id"]).values()]
            if lane["lease_token"] is not None:
                # A lane that was lost or left by a crash wakes when its lease ends, or earlier.
                assert lane["wake_at"] <= self.clock() + LEASE
            elif due:
                assert lane["wake_at"] <= max(lane["hold_until"], self.clock(), min(due))
