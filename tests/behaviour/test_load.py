"""Loading: what an owner may start, one of a subject, and what becomes of work without a destination."""

import pytest

from ombud.mailbox.mailbox import LOAD_ROWS, SKIP_ROWS
from ombud.mailbox.model import Delivery, Lane, Loaded, State
from tests.mailbox.office import Office, StoppedClock


@pytest.fixture
def lane(office: Office) -> Lane:
    """A lane that was just leased; nothing is in it."""
    lane_id = office.add_lane()
    office.rows("update lane set wake_at = 0 where id = :id", id=lane_id)
    (leased,) = office.run(lambda: office.mailbox.lease(1))
    return leased


def load(office: Office, lane: Lane, *in_flight: Delivery) -> Loaded:
    return office.run(lambda: office.mailbox.load(lane, in_flight))


def test_a_delivery_comes_with_its_event_and_the_destination(office: Office, lane: Lane, clock: StoppedClock) -> None:
    event_id = office.append(lane.id, subject="order/90017")
    loaded = load(office, lane)

    assert loaded.facts == {"closed": None, "note": "first"}
    assert loaded.deliveries == [
        Delivery(1, event_id, lane.id, "order.new", "order/90017", None, clock(), clock(), 0, 0)
    ]


def test_one_of_each_subject_and_the_oldest(office: Office, lane: Lane, clock: StoppedClock) -> None:
    events = []
    for subject in ("order/1", "order/2", "order/1", "order/3", "order/2"):
        events.append(office.append(lane.id, subject=subject))
        clock.jump(1)

    assert [delivery.event_id for delivery in load(office, lane).deliveries] == [events[0], events[1], events[3]]


def test_what_is_due_earlier_comes_first(office: Office, lane: Lane, clock: StoppedClock) -> None:
    first, second = (office.append(lane.id, subject=f"order/{number}") for number in (1, 2))
    office.rows("update delivery set due_at = due_at - 5 where event_id = :id", id=second)

    assert [delivery.event_id for delivery in load(office, lane).deliveries] == [second, first]


def test_nothing_of_a_subject_in_flight(office: Office, lane: Lane) -> None:
    for subject in ("order/1", "order/2", "order/1"):
        office.append(lane.id, subject=subject)
    first, _ = load(office, lane).deliveries

    assert [delivery.subject for delivery in load(office, lane, first).deliveries] == ["order/2"]


def test_nothing_before_its_time_and_nothing_that_has_ended(office: Office, lane: Lane, clock: StoppedClock) -> None:
    later, ended = (office.append(lane.id, subject=f"order/{number}") for number in (1, 2))
    office.rows("update delivery set due_at = due_at + 1 where event_id = :id", id=later)
    office.rows("update delivery set state = 1 where event_id = :id", id=ended)
    assert load(office, lane).deliveries == []
    assert office.run(lambda: office.mailbox.next_due(lane)) == clock() + 1

    clock.jump(0.000001)
    assert [delivery.event_id for delivery in load(office, lane).deliveries] == [later]
    assert office.run(lambda: office.mailbox.next_due(lane)) is None


def test_nothing_of_another_lane(office: Office, lane: Lane) -> None:
    office.append(office.add_lane())

    assert load(office, lane).deliveries == []


def test_a_load_is_bounded(office: Office, lane: Lane) -> None:
    drafts = [office.draft(lane.id, subject=f"order/{number}") for number in range(LOAD_ROWS + 10)]
    office.run(lambda: office.mailbox.append(drafts))

    assert len(load(office, lane).deliveries) == LOAD_ROWS


def test_a_load_writes_nothing(office: Office, lane: Lane) -> None:
    event_id = office.append(lane.id)
    before = office.delivery(event_id), office.lane(lane.id)
    load(office, lane)

    assert (office.delivery(event_id), office.lane(lane.id)) == before


def test_a_closed_destination_ends_what_waits_in_steps(office: Office, lane: Lane) -> None:
    other = office.append(office.add_lane())
    office.run(lambda: office.mailbox.append([office.draft(lane.id)] * (2 * SKIP_ROWS + 500)))
    office.close_destination(lane.id, "destination disabled")

    left = []
    for _ in range(4):
        loaded = load(office, lane)
        assert (loaded.deliveries, loaded.facts["closed"]) == ((), "destination disabled")
        left.append(office.pending() - 1)
    assert left == [SKIP_ROWS + 500, 500, 0, 0]
    assert office.rows("select distinct state, reason, attempts from delivery where lane_id = :id", id=lane.id) == [
        {"state": State.SKIPPED, "reason": "destination disabled", "attempts": 0}
    ]
    assert office.state(other) == State.PENDING


def test_a_closed_destination_ends_what_waits_for_its_next_try_as_well(office: Office, lane: Lane) -> None:
    event_id = office.append(lane.id)
    office.rows("update delivery set due_at = due_at + 1000000, attempts = 2")
    office.close_destination(lane.id, "destination disabled")
    load(office, lane)

    assert (office.state(event_id), office.delivery(event_id)["attempts"]) == (State.SKIPPED, 2)


def test_a_closed_destination_leaves_what_is_in_flight_to_its_result(office: Office, lane: Lane) -> None:
    flying, waiting = (office.append(lane.id, subject=f"order/{number}") for number in (1, 2))
    first, _ = load(office, lane).deliveries
    office.close_destination(lane.id, "destination deleted")
    load(office, lane, first)

    assert (office.state(flying), office.state(waiting)) == (State.PENDING, State.SKIPPED)


def test_a_destination_that_opens_again_hears_of_what_comes(office: Office, lane: Lane) -> None:
    office.close_destination(lane.id, "destination disabled")
    skipped = office.append(lane.id)
    load(office, lane)
    office.close_destination(lane.id, None)
    event_id = office.append(lane.id)

    assert [delivery.event_id for delivery in load(office, lane).deliveries] == [event_id]
    assert office.state(skipped) == State.SKIPPED


def test_a_destination_that_was_deleted_by_hand_is_closed(office: Office, lane: Lane) -> None:
    event_id = office.append(lane.id)
    office.rows("delete from destination")

    assert load(office, lane).deliveries == ()
    assert (office.state(event_id), office.delivery(event_id)["reason"]) == (State.SKIPPED, "destination missing")


def test_an_event_that_was_deleted_by_hand_ends_its_deliveries(office: Office, lane: Lane) -> None:
    gone, kept = (office.append(lane.id, subject=f"order/{number}") for number in (1, 2))
    office.rows("delete from event where id = :id", id=gone)

    assert [delivery.event_id for delivery in load(office, lane).deliveries] == [kept]
    assert (office.state(gone), office.delivery(gone)["reason"]) == (State.DEAD, "event missing")


def test_merging_lets_the_newest_stand_for_what_has_not_started(
    merging: Office, office: Office, lane: Lane, clock: StoppedClock
) -> None:
    events = []
    for subject in ("order/1", "order/1", "order/2", "order/1"):
        events.append(merging.append(lane.id, subject=subject))
        clock.jump(1)
    loaded = load(merging, lane)

    assert {delivery.event_id for delivery in loaded.deliveries} == {events[2], events[3]}
    assert [merging.state(event_id) for event_id in events] == [
        State.SKIPPED,
        State.SKIPPED,
        State.PENDING,
        State.PENDING,
    ]
    assert merging.delivery(events[0])["reason"].startswith("covered by evt_")


def test_merging_leaves_what_is_in_flight_and_what_is_not_due(merging: Office, lane: Lane) -> None:
    flying = merging.append(lane.id)
    (first,) = load(merging, lane).deliveries
    later, newest = merging.append(lane.id), merging.append(lane.id)
    merging.rows("update delivery set due_at = due_at + 1000000 where event_id = :id", id=later)

    assert load(merging, lane, first).deliveries == []
    assert [merging.state(event_id) for event_id in (flying, later, newest)] == [State.PENDING] * 3
    assert [delivery.event_id for delivery in load(merging, lane).deliveries] == [newest]
    assert [merging.state(event_id) for event_id in (flying, later, newest)] == [
        State.SKIPPED,
        State.PENDING,
        State.PENDING,
    ]
