"""Appending: an event, exactly one delivery for each lane that wants it, and somebody who will look."""

import pytest

from ombud.errors import StorageUnavailable
from ombud.mailbox.mailbox import DAY_MICROSECONDS
from ombud.mailbox.model import NEVER, Draft, State
from tests.mailbox.office import Office, StoppedClock


def test_an_event_is_stored_with_a_delivery_for_each_lane(office: Office, clock: StoppedClock) -> None:
    lanes = [office.add_lane(shop_id=7) for _ in range(3)]
    other = office.add_lane(shop_id=7)
    draft = Draft(7, "order.new", "order/90017", lanes, data='{"a": 1}')
    (event_id,) = office.run(lambda: office.mailbox.append([draft]))

    assert office.rows("select * from event") == [
        {
            "day": clock() // DAY_MICROSECONDS,
            "shop_id": 7,
            "id": event_id,
            "box": 1,
            "type": "order.new",
            "subject": "order/90017",
            "data": '{"a": 1}',
            "created_at": clock(),
            "fan_out": 3,
        }
    ]
    deliveries = office.rows("select * from delivery order by lane_id")
    assert [row["lane_id"] for row in deliveries] == sorted(lanes)
    assert {(row["shop_id"], row["event_id"], row["subject"], row["due_at"]) for row in deliveries} == {
        (7, event_id, "order/90017", clock())
    }
    assert {(row["state"], row["attempts"], row["generation"]) for row in deliveries} == {(State.PENDING, 0, 0)}
    assert office.lane(other)["wake_at"] == NEVER


def test_several_events_are_stored_in_their_order(office: Office) -> None:
    lane_id = office.add_lane()
    drafts = [office.draft(lane_id, subject=f"order/{number}") for number in range(5)]
    ids = office.run(lambda: office.mailbox.append(drafts))

    assert ids == sorted(set(ids))
    stored = office.rows("select id, subject from event order by id")
    assert stored == [{"id": id_, "subject": draft.subject} for id_, draft in zip(ids, drafts, strict=True)]


def test_an_event_that_nobody_wants_is_stored_all_the_same(office: Office) -> None:
    event_id = office.append()

    assert office.rows("select id, fan_out from event") == [{"id": event_id, "fan_out": 0}]
    assert office.rows("select * from delivery") == []


def test_nothing_is_appended_for_nothing(office: Office) -> None:
    assert office.run(lambda: office.mailbox.append([])) == []
    assert office.rows("select * from event") == []


def test_a_lane_named_twice_stores_nothing(office: Office) -> None:
    """Exactly one delivery per destination is what the key says, not a hope."""
    lane_id = office.add_lane()

    with pytest.raises(Exception, match=r"UNIQUE|unique"):
        office.append(lane_id, lane_id)

    assert office.rows("select * from event") == []
    assert office.lane(lane_id)["wake_at"] == NEVER


def test_a_sleeping_lane_is_rung(office: Office, clock: StoppedClock) -> None:
    lane_id = office.add_lane()
    assert office.lane(lane_id)["wake_at"] == NEVER
    office.append(lane_id)

    assert office.lane(lane_id)["wake_at"] == clock()


def test_a_ring_only_lowers(office: Office, clock: StoppedClock) -> None:
    lane_id = office.add_lane()
    office.append(lane_id)
    rung = clock()
    clock.jump(10)
    office.append(lane_id)

    assert office.lane(lane_id)["wake_at"] == rung


def test_a_held_lane_is_rung_for_the_end_of_its_hold(office: Office, clock: StoppedClock) -> None:
    lane_id = office.add_lane()
    hold_until = clock() + 60_000_000
    office.rows("update lane set hold_until = :hold_until", hold_until=hold_until)
    office.append(lane_id)

    assert office.lane(lane_id)["wake_at"] == hold_until


def test_a_leased_lane_keeps_the_end_of_its_lease(office: Office, clock: StoppedClock) -> None:
    lane_id = office.add_lane()
    office.append(lane_id)
    office.lease(1)
    leased_until = office.lane(lane_id)["wake_at"]
    clock.jump(1)
    office.append(lane_id)

    assert office.lane(lane_id)["wake_at"] == leased_until > clock()


def test_the_next_wake_is_the_earliest_of_the_box(office: Office, clock: StoppedClock) -> None:
    first, second, other = office.add_lane(), office.add_lane(), office.add_lane()
    assert office.next_wake() is None

    office.rows("update lane set box = 2, wake_at = 1 where id = :id", id=other)
    office.rows("update lane set wake_at = :at where id = :id", id=first, at=clock() + 5)
    office.rows("update lane set wake_at = :at where id = :id", id=second, at=clock() + 3)

    assert office.next_wake() == 3


def test_before_a_day_is_opened_nothing_can_be_stored(office: Office) -> None:
    """A database that is being set up: whoever asks is told to come again."""
    lane_id = office.add_lane()
    office.rows("delete from day")

    with pytest.raises(StorageUnavailable, match="No day has been opened"):
        office.append(lane_id)
    assert office.rows("select * from event") == []
