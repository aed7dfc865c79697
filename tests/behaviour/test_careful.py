"""After a crash: one delivery at a time, on record before it starts, so that the one that kills its worker is found."""

from collections.abc import Sequence

import pytest

from ombud.mailbox.load import Wanted
from ombud.mailbox.model import Delivery, Done, Lane, Loaded, Outcome, Result, Retry, State
from ombud.mailbox.settle import CRASHED, CRASHES
from ombud.mailbox.stay import Stay
from ombud.mailbox.turn import TurnDone, take_turn
from tests.behaviour.conftest import LEASE_SECONDS
from tests.mailbox.office import Office, Performing, StoppedClock, WatchedWriter, working
from tests.mailbox.owner import Owner


def lease(office: Office) -> list[tuple[Lane, Loaded]]:
    """Lease what is due as a worker does."""
    done: TurnDone = office.run(lambda: take_turn(office.mailbox, [], 10))
    return done.leased


def die(clock: StoppedClock) -> None:
    """Whoever owns lanes dies, and their leases end."""
    clock.jump(LEASE_SECONDS)


def events(loaded: Loaded) -> list[int]:
    return [delivery.event_id for delivery in loaded.deliveries]


def let_die(office: Office, clock: StoppedClock) -> None:
    """Have a worker lease the lane when something in it is due, and die while it is tried."""
    while not lease(office):
        clock.jump(10)
    die(clock)


@pytest.fixture
def lane_id(office: Office) -> int:
    return office.add_lane(window=16)


def append(office: Office, lane_id: int, number: int) -> list[int]:
    return [office.append(lane_id, subject=f"order/{place}") for place in range(number)]


def test_without_a_crash_nothing_is_put_on_record(office: Office, lane_id: int) -> None:
    stored = append(office, lane_id, 5)
    ((lane, loaded),) = lease(office)

    assert (lane.crashes, lane.started) == (0, None)
    assert events(loaded) == stored
    assert office.lane(lane_id)["started_event_id"] is None


def test_the_lane_of_a_dead_owner_brings_one_whose_start_is_on_record(
    office: Office, lane_id: int, clock: StoppedClock
) -> None:
    first, *_ = append(office, lane_id, 5)
    other = office.add_lane(window=16)
    lease(office)
    die(clock)
    live = append(office, other, 3)
    found = {lane.id: (lane, loaded) for lane, loaded in lease(office)}

    lane, loaded = found[lane_id]
    assert (lane.crashes, lane.started) == (1, None)
    assert events(loaded) == [first]
    assert loaded.more
    assert office.lane(lane_id)["started_event_id"] == first
    assert events(found[other][1]) == live, "the others are as they were"
    assert office.attempts(first) == [], "nobody knows which of five it was"


def test_who_is_on_record_when_the_next_owner_dies_is_to_blame(
    office: Office, lane_id: int, clock: StoppedClock
) -> None:
    first, second = append(office, lane_id, 2)
    lease(office)
    die(clock)
    lease(office)
    die(clock)
    ((lane, loaded),) = lease(office)

    assert lane.started == first
    (attempt,) = office.attempts(first)
    assert (attempt["outcome"], attempt["reason"], attempt["late"]) == ("crashed", CRASHED, 0)
    row = office.delivery(first)
    assert (row["state"], row["attempts"]) == (State.PENDING, 1)
    assert row["due_at"] > clock(), "it waits like any that failed, and the others go on"
    assert events(loaded) == [second]
    assert office.lane(lane_id)["started_event_id"] == second


def test_the_third_death_in_the_same_delivery_is_its_last(office: Office, lane_id: int, clock: StoppedClock) -> None:
    (poison,) = append(office, lane_id, 1)
    for _ in range(CRASHES + 1):
        assert office.state(poison) == State.PENDING
        let_die(office, clock)
    assert lease(office) == []

    assert office.outcomes(poison) == ["crashed"] * CRASHES
    row = office.delivery(poison)
    assert (row["state"], row["reason"]) == (State.DEAD, f"{CRASHED}, {CRASHES} times")
    assert office.is_free(lane_id)
    assert office.lane(lane_id)["crashes"] == 0


def test_a_replay_begins_a_new_count(office: Office, lane_id: int, clock: StoppedClock) -> None:
    (poison,) = append(office, lane_id, 1)
    for _ in range(CRASHES + 1):
        let_die(office, clock)
    lease(office)
    assert office.state(poison) == State.DEAD
    office.replay(poison, lane_id=lane_id)
    let_die(office, clock)
    let_die(office, clock)
    lease(office)

    assert office.state(poison) == State.PENDING
    assert [row["generation"] for row in office.attempts(poison)] == [0, 0, 0, 1]


class Turns:
    """A careful owner that takes turns."""

    def __init__(self, office: Office, lane: Lane, found: Loaded, linger_seconds: float = 0.0) -> None:
        self.office = office
        self.linger_seconds = linger_seconds
        self.owner = Owner()
        self.owner.held = type(self.owner.held)(lane, 0.0, 2.0)
        self.owner.held.fill(found, 0.0)

    def perform(self, outcome: Outcome) -> Sequence[int]:
        held, clock = self.owner.held, self.office.clock()
        started: list[Delivery] = []
        while (one := held.take(clock, lambda _, __: True)) is not None:
            started.append(one)
        for one in started:
            held.finish(Result(one, clock, 1, outcome), clock, self.office.mailbox.policy.care)
        touch = held.touch(0.0, clock, merging=False, stay=Stay(self.linger_seconds, 0.0))
        assert touch is not None
        held.begin(touch)
        done: TurnDone = self.office.run(lambda: take_turn(self.office.mailbox, [touch], 0))
        held.note(touch)
        for _, loaded in done.loaded:
            held.fill(loaded, 0.0)
        return [one.event_id for one in started]


def test_each_start_is_on_record_in_its_turn(office: Office, lane_id: int, clock: StoppedClock) -> None:
    stored = append(office, lane_id, 4)
    lease(office)
    die(clock)
    ((lane, found),) = lease(office)
    turns = Turns(office, lane, found)
    for number, event_id in enumerate(stored):
        assert office.lane(lane_id)["started_event_id"] == event_id
        assert turns.perform(Done()) == [event_id]
        assert office.state(event_id) == State.DONE
        assert office.pending() == 3 - number

    assert office.is_free(lane_id)
    assert office.lane(lane_id)["started_event_id"] is None


def test_what_has_ended_is_not_blamed_for_a_later_death(office: Office, lane_id: int, clock: StoppedClock) -> None:
    """It failed and waits for its next try while the lane is kept: it had nothing to do with it."""
    (event_id,) = append(office, lane_id, 1)
    lease(office)
    die(clock)
    ((lane, found),) = lease(office)
    turns = Turns(office, lane, found, linger_seconds=2.0)
    turns.owner.held._loads = 100  # busy: it lingers
    assert turns.perform(Retry("later")) == [event_id]
    assert not office.is_free(lane_id)
    clock.jump(60)
    die(clock)
    lease(office)

    assert office.outcomes(event_id) == ["retry"]


async def test_a_worker_is_careful_with_that_lane_alone(working_office: Office, writer: WatchedWriter) -> None:
    office = working_office
    careful, well = office.add_lane(window=8), office.add_lane(window=8)
    for number in range(6):
        office.append(careful, subject=f"order/{number}")
    office.lease()
    office.rows("update lane set wake_at = 0 where id = :id", id=careful)
    for number in range(6):
        office.append(well, subject=f"order/{number}")
    in_flight: dict[int, int] = {careful: 0, well: 0}
    most = dict(in_flight)
    unrecorded: list[int] = []
    performing = Performing()

    async def perform(delivery: Delivery, facts: object) -> Outcome:
        in_flight[delivery.lane_id] += 1
        most[delivery.lane_id] = max(most[delivery.lane_id], in_flight[delivery.lane_id])
        if delivery.lane_id == careful and office.lane(careful)["started_event_id"] != delivery.event_id:
            unrecorded.append(delivery.event_id)
        outcome = await performing(delivery, {})
        in_flight[delivery.lane_id] -= 1
        return outcome

    async with working(office, writer, perform):
        await writer.until(lambda: office.pending() == 0 and office.is_free(careful))

    assert (most[careful], unrecorded) == (1, [])
    assert most[well] > 1
    assert (office.lane(careful)["crashes"], office.lane(careful)["started_event_id"]) == (0, None)


def test_wanted_is_a_value() -> None:
    assert Wanted(1) == Wanted(1, (0, 0), 64, 16, frozenset(), frozenset(), given_up=False)
