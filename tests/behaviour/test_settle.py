"""Settling and releasing: every try on record, and only an owner decides what it means."""

import pytest

from ombud.db.operation import Operation
from ombud.mailbox.model import (
    NEVER,
    Dead,
    Done,
    Interrupted,
    Lane,
    Outcome,
    Retry,
    Skip,
    State,
)
from ombud.mailbox.retry import JITTER
from tests.behaviour.conftest import LEASE_SECONDS, SCHEDULE
from tests.mailbox.office import Office, StoppedClock


@pytest.fixture
def lane(office: Office) -> Lane:
    """A lane that was just leased; nothing is in it."""
    lane_id = office.add_lane()
    office.rows("update lane set wake_at = 0 where id = :id", id=lane_id)
    return office.lease_one()


@pytest.mark.parametrize(
    ("outcome", "state", "word", "attempts"),
    [
        (Done(status=204, reason="thanks"), State.DONE, "done", 1),
        (Dead("gone", status=410), State.DEAD, "dead", 1),
        (Skip("covered"), State.SKIPPED, "skipped", 1),
        (Retry("Answered 500.", status=500), State.PENDING, "retry", 1),
        (Interrupted(), State.PENDING, "interrupted", 0),
        (Interrupted("too early", after=5.0), State.PENDING, "interrupted", 0),
    ],
)
def test_a_try_is_recorded_and_decides(
    office: Office, lane: Lane, outcome: Outcome, state: State, word: str, attempts: int
) -> None:
    event_id = office.append(lane.id)
    assert office.settle(lane, office.load_one(lane), outcome)

    (attempt,) = office.attempts(event_id)
    assert {name: attempt[name] for name in ("outcome", "status", "reason", "at", "milliseconds", "late")} == {
        "outcome": word,
        "status": outcome.status,
        "reason": outcome.reason,
        "at": office.clock(),
        "milliseconds": 12,
        "late": 0,
    }
    row = office.delivery(event_id)
    assert (row["state"], row["attempts"], row["reason"]) == (state, attempts, outcome.reason)


def test_retries_follow_the_schedule_to_the_last(office: Office, lane: Lane, clock: StoppedClock) -> None:
    event_id = office.append(lane.id)
    for number, seconds in enumerate(SCHEDULE, 1):
        office.settle(lane, office.load_one(lane), Retry("no"))
        row = office.delivery(event_id)
        assert (row["state"], row["attempts"]) == (State.PENDING, number)
        assert seconds <= (row["due_at"] - clock()) / 1_000_000 <= seconds * (1 + JITTER)
        clock.jump((row["due_at"] - clock()) / 1_000_000)
    office.settle(lane, office.load_one(lane), Retry("no"))

    assert office.state(event_id) == State.DEAD
    assert office.outcomes(event_id) == ["retry", "retry", "dead"]


def test_an_interruption_may_repeat_for_ever(office: Office, lane: Lane) -> None:
    event_id = office.append(lane.id)
    for _ in range(10):
        office.settle(lane, office.load_one(lane), Interrupted())

    assert office.delivery(event_id)["attempts"] == 0
    assert len(office.attempts(event_id)) == 10


def test_a_lost_lease_decides_nothing_and_leaves_its_mark(office: Office, lane: Lane, clock: StoppedClock) -> None:
    event_id = office.append(lane.id)
    delivery = office.load_one(lane)
    clock.jump(LEASE_SECONDS)
    thief = office.lease_one()
    before = office.delivery(event_id)

    assert not office.settle(lane, delivery, Dead("too late"))
    assert office.delivery(event_id) == before
    assert [(attempt["outcome"], attempt["late"]) for attempt in office.attempts(event_id)] == [("dead", 1)]

    assert office.settle(thief, office.load_one(thief), Done())
    assert office.state(event_id) == State.DONE


def test_a_late_result_does_not_undo_what_the_thief_decided(office: Office, lane: Lane, clock: StoppedClock) -> None:
    event_id = office.append(lane.id)
    delivery = office.load_one(lane)
    clock.jump(LEASE_SECONDS)
    thief = office.lease_one()
    office.settle(thief, office.load_one(thief), Done())
    office.settle(lane, delivery, Retry("too late"))

    assert office.state(event_id) == State.DONE
    assert [attempt["late"] for attempt in office.attempts(event_id)] == [0, 1]


def test_a_lease_that_came_back_does_not_revive_an_old_result(office: Office, lane: Lane, clock: StoppedClock) -> None:
    """The same delivery, tried by a thief in between: its number of attempts has moved on."""
    event_id = office.append(lane.id)
    old = office.load_one(lane)
    office.settle(lane, old, Retry("no"))
    clock.jump(3_600)

    assert office.settle(lane, old, Done())
    assert (office.state(event_id), office.delivery(event_id)["attempts"]) == (State.PENDING, 1)


@pytest.mark.parametrize(
    "change", ["state = 3, reason = 'cancelled'", "generation = generation + 1", "attempts = attempts + 1"]
)
def test_what_was_changed_since_it_was_loaded_is_left_alone(office: Office, lane: Lane, change: str) -> None:
    event_id = office.append(lane.id)
    delivery = office.load_one(lane)
    office.rows(f"update delivery set {change}")
    before = office.delivery(event_id)
    office.settle(lane, delivery, Done())

    assert office.delivery(event_id) == before
    assert office.outcomes(event_id) == ["done"]


def test_more_writing_shares_the_settle(office: Office, lane: Lane, clock: StoppedClock) -> None:
    """A change that was found is appended for the next stage, or the try never happened."""
    next_stage = office.add_lane()

    def tell() -> Operation[None]:
        yield from office.mailbox.append([office.draft(next_stage, subject="product/7")])

    event_id = office.append(lane.id)
    delivery = office.load_one(lane)
    assert office.settle(lane, delivery, Done(also=tell))
    assert office.state(event_id) == State.DONE
    assert office.rows("select subject from delivery where lane_id = :id", id=next_stage) == [{"subject": "product/7"}]
    assert office.lane(next_stage)["wake_at"] == clock()


def test_more_writing_that_fails_undoes_the_settle(office: Office, lane: Lane) -> None:
    def fail() -> Operation[None]:
        yield from office.mailbox.append([office.draft(lane.id, subject="half")])
        raise RuntimeError("never mind")

    event_id = office.append(lane.id)
    with pytest.raises(RuntimeError):
        office.settle(lane, office.load_one(lane), Done(also=fail))

    assert office.state(event_id) == State.PENDING
    assert office.attempts(event_id) == []
    assert office.rows("select count(*) as n from event") == [{"n": 1}]


def test_a_late_try_writes_nothing_more(office: Office, lane: Lane, clock: StoppedClock) -> None:
    def tell() -> Operation[None]:
        yield from office.mailbox.append([office.draft(lane.id, subject="product/7")])

    office.append(lane.id)
    delivery = office.load_one(lane)
    clock.jump(LEASE_SECONDS)
    office.lease(1)
    office.settle(lane, delivery, Done(also=tell))

    assert office.rows("select count(*) as n from event") == [{"n": 1}]


def test_an_empty_lane_sleeps(office: Office, lane: Lane) -> None:
    ended = office.append(lane.id)
    office.rows("update delivery set state = 1 where event_id = :id", id=ended)

    assert office.release(lane) == NEVER
    assert office.next_wake() is None


def test_a_lane_wakes_for_its_earliest_delivery(office: Office, lane: Lane, clock: StoppedClock) -> None:
    for seconds in (30, 10, 20):
        event_id = office.append(lane.id)
        office.rows(
            "update delivery set due_at = due_at + :by where event_id = :id", id=event_id, by=seconds * 1_000_000
        )

    assert office.release(lane) == clock() + 10_000_000


def test_a_held_lane_wakes_when_its_hold_ends(office: Office, lane: Lane, clock: StoppedClock) -> None:
    office.append(lane.id)
    hold_until = clock() + 60_000_000
    office.rows("update lane set hold_until = :hold_until", hold_until=hold_until)

    assert office.release(lane) == hold_until


@pytest.mark.parametrize("when", ["after the load", "after the last settle"])
def test_an_append_before_the_release_is_not_lost(office: Office, lane: Lane, clock: StoppedClock, when: str) -> None:
    """It cannot ring a leased lane; the release must see it."""
    office.append(lane.id)
    delivery = office.load_one(lane)
    clock.jump(1)
    if when == "after the load":
        late = office.append(lane.id, subject="order/2")
    office.settle(lane, delivery, Done())
    if when == "after the last settle":
        late = office.append(lane.id, subject="order/2")

    assert office.release(lane) == office.delivery(late)["due_at"] == clock()
    again = office.lease_one()
    assert office.load_one(again).event_id == late


def test_a_lost_lane_cannot_be_released(office: Office, lane: Lane, clock: StoppedClock) -> None:
    office.append(lane.id)
    clock.jump(LEASE_SECONDS)
    thief = office.lease_one()
    before = office.lane(lane.id)

    assert office.release(lane) == before["wake_at"]
    assert office.lane(lane.id) == before
    assert before["lease_token"] == thief.token


def test_a_lane_with_more_to_do_goes_to_the_tail(office: Office, clock: StoppedClock) -> None:
    """However old what waits in it is: others have waited as well."""
    lanes = [office.add_lane() for _ in range(3)]
    for lane_id in lanes:
        office.append(lane_id)
    order = []
    for _ in range(7):
        clock.jump(1)
        lane = office.lease_one()
        order.append(lane.id)
        assert office.release(lane) == clock()

    assert order == [*lanes, *lanes, lanes[0]]
