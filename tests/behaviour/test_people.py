"""What people do to lanes and deliveries: pause, resume, replay."""

import pytest

from ombud.mailbox.model import NEVER, Done, Rank, State
from tests.behaviour.conftest import LEASE_SECONDS
from tests.mailbox.office import Office, StoppedClock


@pytest.fixture
def lane_id(office: Office) -> int:
    return office.add_lane()


def end(office: Office, lane_id: int, state: State, *events: int) -> None:
    for event_id in events:
        office.rows(
            "update delivery set state = :state, attempts = 3, reason = 'so', open_since = 1"
            " where event_id = :event_id and lane_id = :lane_id",
            state=state,
            event_id=event_id,
            lane_id=lane_id,
        )


def test_a_paused_lane_is_leased_by_nobody(office: Office, lane_id: int, clock: StoppedClock) -> None:
    office.append(lane_id)
    office.pause(lane_id)
    assert office.lane(lane_id)["wake_at"] == office.lane(lane_id)["hold_until"] == NEVER
    office.append(lane_id)
    clock.jump(LEASE_SECONDS)
    assert office.lease() == []

    office.resume(lane_id)
    assert [lane.id for lane in office.lease()] == [lane_id]


def test_a_lane_paused_in_the_hands_of_its_owner_sleeps_when_it_is_given_back(office: Office, lane_id: int) -> None:
    office.append(lane_id)
    lane = office.lease_one()
    office.pause(lane_id)
    assert office.lane(lane_id)["wake_at"] == lane.leased_until, "its owner may die"

    assert office.release(lane) == NEVER
    assert office.lease() == []


def test_a_paused_lane_whose_owner_died_is_put_to_sleep_by_the_next(
    office: Office, lane_id: int, clock: StoppedClock
) -> None:
    office.append(lane_id)
    office.lease_one()
    office.pause(lane_id)
    clock.jump(LEASE_SECONDS)
    (thief,) = office.lease()
    assert thief.health.hold_until == NEVER
    assert office.release(thief) == NEVER


def test_a_resume_keeps_how_a_sick_lane_does_but_not_that_it_was_given_up(
    office: Office, lane_id: int, clock: StoppedClock
) -> None:
    sick, gone = office.add_lane(), office.add_lane()
    day = 86_400_000_000
    counts = "closed_time = 5, warned = 3, failures = 7, probes = 9, failed_subjects = 'a', window_size = 9"
    for lane, given_up in ((sick, None), (gone, clock())):
        office.rows(
            f"update lane set closed_at = :at, hold_until = :at, {counts}, given_up_at = :given_up where id = :id",
            at=clock() - 2 * day,
            given_up=given_up,
            id=lane,
        )
    office.resume(sick, gone)
    kept = ["closed_at", "closed_time", "warned", "failures", "probes", "failed_subjects", "window_size"]

    assert [office.lane(sick)[name] for name in kept] == [clock() - 2 * day, 5, 3, 7, 9, "a", 9]
    assert [office.lane(gone)[name] for name in kept] == [None, 5 + 2 * day, 0, 0, 0, "", 1]
    for lane in (sick, gone):
        row = office.lane(lane)
        assert (row["hold_until"], row["given_up_at"], row["wake_at"]) == (0, None, clock())


def test_a_replay_opens_the_same_delivery_once_more(office: Office, lane_id: int, clock: StoppedClock) -> None:
    events = [office.append(lane_id, subject=f"order/{state}") for state in (State.DONE, State.DEAD, State.SKIPPED)]
    for event_id, state in zip(events, (State.DONE, State.DEAD, State.SKIPPED), strict=True):
        end(office, lane_id, state, event_id)
    office.release(office.lease_one())
    assert office.lane(lane_id)["wake_at"] == NEVER
    clock.jump(60)

    assert office.replay(*events, lane_id=lane_id) == 3
    for event_id in events:
        row = office.delivery(event_id)
        assert (row["state"], row["generation"], row["rank"], row["attempts"]) == (State.PENDING, 1, Rank.REPLAY, 0)
        assert (row["reason"], row["open_since"], row["due_at"]) == (None, None, clock())
    assert office.lane(lane_id)["wake_at"] == clock()
    assert len(office.rows("select 1 from delivery")) == 3


def test_what_is_pending_or_not_there_is_not_replayed(office: Office, lane_id: int) -> None:
    event_id = office.append(lane_id)
    before = office.delivery(event_id)

    assert office.replay(event_id, event_id + 1, lane_id=lane_id) == 0
    assert office.replay(event_id, lane_id=lane_id + 1) == 0
    assert office.delivery(event_id) == before


def test_a_replay_may_be_as_urgent_as_what_is_live(office: Office, lane_id: int) -> None:
    event_id = office.append(lane_id)
    end(office, lane_id, State.DEAD, event_id)
    office.run(lambda: office.mailbox.replay([(event_id, lane_id)], Rank.LIVE))

    assert office.delivery(event_id)["rank"] == Rank.LIVE


def test_a_replay_touches_one_lane_of_an_event(office: Office, lane_id: int) -> None:
    other = office.add_lane()
    event_id = office.append(lane_id, other)
    end(office, lane_id, State.DONE, event_id)
    end(office, other, State.DONE, event_id)
    office.replay(event_id, lane_id=lane_id)

    assert (office.state(event_id, lane_id), office.state(event_id, other)) == (State.PENDING, State.DONE)


def test_an_old_result_does_not_end_a_replay(office: Office, lane_id: int) -> None:
    """Its try began before: a generation apart."""
    event_id = office.append(lane_id)
    lane = office.lease_one()
    old = office.load_one(lane)
    office.settle(lane, old, Done())
    office.replay(event_id, lane_id=lane_id)
    office.settle(lane, old, Done())
    assert office.state(event_id) == State.PENDING

    (again,) = office.load(lane).deliveries
    assert (again.generation, again.rank) == (1, Rank.REPLAY)
    office.settle(lane, again, Done())
    assert office.state(event_id) == State.DONE
    assert [row["generation"] for row in office.attempts(event_id)] == [0, 0, 1]


def test_a_replay_in_a_paused_lane_waits(office: Office, lane_id: int) -> None:
    event_id = office.append(lane_id)
    end(office, lane_id, State.DONE, event_id)
    office.pause(lane_id)
    office.replay(event_id, lane_id=lane_id)

    assert office.lease() == []
    office.resume(lane_id)
    assert len(office.lease()) == 1
