"""Loading: what an owner may start, where it reads on, and what becomes of work without a destination."""

import pytest

from ombud.mailbox.load import GIVEN_UP, SKIP_ROWS, next_due
from ombud.mailbox.mailbox import DAY_MICROSECONDS
from ombud.mailbox.model import Delivery, Lane, Rank, State
from tests.mailbox.office import Office, StoppedClock


@pytest.fixture
def lane(office: Office) -> Lane:
    """A lane that was just leased; nothing is in it."""
    lane_id = office.add_lane()
    office.rows("update lane set wake_at = 0 where id = :id", id=lane_id)
    return office.lease_one()


def append(office: Office, lane: Lane, number: int) -> list[int]:
    return [office.append(lane.id, subject=f"order/{place}") for place in range(number)]


def events(deliveries: object) -> list[int]:
    assert isinstance(deliveries, list | tuple)
    return [delivery.event_id for delivery in deliveries]


def test_a_delivery_comes_with_its_event_and_the_destination(office: Office, lane: Lane, clock: StoppedClock) -> None:
    event_id = office.append(lane.id, subject="order/90017")
    loaded = office.load(lane)

    wishes = dict.fromkeys(("pace", "covers", "schedule"))
    assert loaded.facts == {"lane_id": lane.id, "closed": None, "note": "first"} | wishes
    today = clock() // DAY_MICROSECONDS
    assert loaded.deliveries == [
        Delivery(today, 1, event_id, lane.id, "order.new", "order/90017", None, clock(), clock(), Rank.LIVE, 0, 0, None)
    ]
    assert loaded.deliveries[0].key == (today, event_id, lane.id)


def test_what_is_due_earlier_comes_first(office: Office, lane: Lane) -> None:
    first, second, third = append(office, lane, 3)
    office.rows("update delivery set due_at = due_at - 5 where event_id = :id", id=second)

    assert events(office.load(lane).deliveries) == [second, first, third]


def test_nothing_of_what_is_in_its_hands(office: Office, lane: Lane) -> None:
    first, second = append(office, lane, 2)
    loaded = office.load(lane)
    assert events(loaded.deliveries) == [first, second]

    assert events(office.load(lane, loaded.deliveries[0]).deliveries) == [second]
    assert events(office.load(lane, *loaded.deliveries).deliveries) == []


def test_nothing_before_its_time_and_nothing_that_has_ended(office: Office, lane: Lane, clock: StoppedClock) -> None:
    later, ended = append(office, lane, 2)
    office.rows("update delivery set due_at = due_at + 1 where event_id = :id", id=later)
    office.rows("update delivery set state = 1 where event_id = :id", id=ended)
    assert office.load(lane).deliveries == []
    assert office.run(lambda: next_due([lane.id])) == {lane.id: clock() + 1}

    clock.jump(0.000001)
    assert events(office.load(lane).deliveries) == [later]
    assert office.run(lambda: next_due([lane.id])) == {}


@pytest.mark.parametrize("rank", Rank)
def test_the_next_one_due_may_be_of_any_rank(office: Office, lane: Lane, clock: StoppedClock, rank: Rank) -> None:
    first, second = append(office, lane, 2)
    office.rows("update delivery set due_at = due_at + 7, rank = 1 - :rank where event_id = :id", id=first, rank=rank)
    office.rows("update delivery set due_at = due_at + 5, rank = :rank where event_id = :id", id=second, rank=rank)

    assert office.run(lambda: next_due([lane.id])) == {lane.id: clock() + 5}


def test_nothing_of_another_lane(office: Office, lane: Lane) -> None:
    office.append(office.add_lane())

    assert office.load(lane).deliveries == []


def test_it_reads_on_from_its_cursor_until_there_is_no_more(office: Office, lane: Lane, clock: StoppedClock) -> None:
    stored = append(office, lane, 5)
    clock.jump(1)
    stored += append(office, lane, 5)
    found, cursors, more = [], [(0, 0)], True
    while more:
        loaded = office.load(lane, cursor=cursors[-1], most=3)
        found += events(loaded.deliveries)
        cursors.append(loaded.cursor)
        more = loaded.more

    assert found == stored
    assert cursors == sorted(cursors)
    assert len(cursors) == 5


def test_a_row_committed_behind_the_cursor_is_found_from_the_front(
    office: Office, lane: Lane, clock: StoppedClock
) -> None:
    """Two that append at once may commit in another order than their clocks say."""
    clock.jump(1)
    loaded = office.load(lane) if append(office, lane, 2) else None
    assert loaded is not None
    late = office.append(lane.id, subject="order/late")
    office.rows("update delivery set due_at = due_at - 500000 where event_id = :id", id=late)

    assert events(office.load(lane, *loaded.deliveries, cursor=loaded.cursor).deliveries) == []
    assert events(office.load(lane, *loaded.deliveries).deliveries) == [late]


def test_replays_come_beside_what_is_live(office: Office, lane: Lane) -> None:
    stored = append(office, lane, 6)
    office.rows("update delivery set rank = 1 where event_id <= :id", id=stored[3])
    loaded = office.load(lane, most=1, replays=2)

    assert events(loaded.deliveries) == [stored[4], *stored[:2]]
    assert loaded.more
    assert events(office.load(lane, replays=0).deliveries) == stored[4:]


def test_a_load_writes_nothing(office: Office, lane: Lane) -> None:
    event_id = office.append(lane.id)
    before = office.delivery(event_id), office.lane(lane.id)
    office.load(lane)

    assert (office.delivery(event_id), office.lane(lane.id)) == before


def test_a_closed_destination_ends_what_waits_in_steps(office: Office, lane: Lane) -> None:
    other = office.append(office.add_lane())
    office.run(lambda: office.mailbox.append([office.draft(lane.id)] * (2 * SKIP_ROWS + 500)))
    office.close_destination(lane.id, "destination disabled")

    left, more = [], []
    for _ in range(4):
        loaded = office.load(lane)
        assert (loaded.deliveries, loaded.facts["closed"]) == ((), "destination disabled")
        left.append(office.pending() - 1)
        more.append(loaded.more)
    assert left == [SKIP_ROWS + 500, 500, 0, 0]
    assert more == [True, True, False, False]
    assert office.rows("select distinct state, reason, attempts from delivery where lane_id = :id", id=lane.id) == [
        {"state": State.SKIPPED, "reason": "destination disabled", "attempts": 0}
    ]
    assert office.state(other) == State.PENDING


def test_a_closed_destination_ends_what_waits_for_its_next_try_as_well(office: Office, lane: Lane) -> None:
    event_id = office.append(lane.id)
    office.rows("update delivery set due_at = due_at + 1000000, attempts = 2")
    office.close_destination(lane.id, "destination disabled")
    office.load(lane)

    assert (office.state(event_id), office.delivery(event_id)["attempts"]) == (State.SKIPPED, 2)


def test_a_closed_destination_leaves_what_is_in_flight_to_its_result(office: Office, lane: Lane) -> None:
    flying, waiting = append(office, lane, 2)
    first, _ = office.load(lane).deliveries
    office.close_destination(lane.id, "destination deleted")
    office.load(lane, first)

    assert (office.state(flying), office.state(waiting)) == (State.PENDING, State.SKIPPED)


def test_what_was_given_up_is_skipped_with_its_reason(office: Office, lane: Lane) -> None:
    event_id = office.append(lane.id)
    assert office.load(lane, given_up=True).deliveries == ()

    assert (office.state(event_id), office.delivery(event_id)["reason"]) == (State.SKIPPED, GIVEN_UP)


def test_a_destination_that_opens_again_hears_of_what_comes(office: Office, lane: Lane) -> None:
    office.close_destination(lane.id, "destination disabled")
    skipped = office.append(lane.id)
    office.load(lane)
    office.close_destination(lane.id, None)
    event_id = office.append(lane.id)

    assert events(office.load(lane).deliveries) == [event_id]
    assert office.state(skipped) == State.SKIPPED


def test_a_destination_that_was_deleted_by_hand_is_closed(office: Office, lane: Lane) -> None:
    event_id = office.append(lane.id)
    office.rows("delete from destination")

    assert office.load(lane).deliveries == ()
    assert (office.state(event_id), office.delivery(event_id)["reason"]) == (State.SKIPPED, "destination missing")


def test_an_event_that_was_deleted_by_hand_ends_its_deliveries(office: Office, lane: Lane) -> None:
    gone, kept = append(office, lane, 2)
    office.rows("delete from event where id = :id", id=gone)

    assert events(office.load(lane).deliveries) == [kept]
    assert (office.state(gone), office.delivery(gone)["reason"]) == (State.DEAD, "event missing")


def test_merging_lets_the_newest_stand_for_what_has_not_started(
    merging: Office, office: Office, lane: Lane, clock: StoppedClock
) -> None:
    stored = []
    for subject in ("order/1", "order/1", "order/2", "order/1"):
        stored.append(merging.append(lane.id, subject=subject))
        clock.jump(1)
    loaded = merging.load(lane)

    assert {delivery.event_id for delivery in loaded.deliveries} == {stored[2], stored[3]}
    assert [merging.state(event_id) for event_id in stored] == [
        State.SKIPPED,
        State.SKIPPED,
        State.PENDING,
        State.PENDING,
    ]
    assert merging.delivery(stored[0])["reason"].startswith("covered by evt_")
    assert merging.attempts(stored[0]) == []


def test_merging_leaves_what_is_in_flight_and_what_is_not_due(merging: Office, lane: Lane) -> None:
    flying = merging.append(lane.id)
    (first,) = merging.load(lane).deliveries
    later, newest = merging.append(lane.id), merging.append(lane.id)
    merging.rows("update delivery set due_at = due_at + 1000000 where event_id = :id", id=later)

    passed = merging.load(lane, first)
    assert passed.deliveries == []
    assert passed.passed == {"order/1"}
    assert [merging.state(event_id) for event_id in (flying, later, newest)] == [State.PENDING] * 3
    assert events(merging.load(lane).deliveries) == [newest]
    assert [merging.state(event_id) for event_id in (flying, later, newest)] == [
        State.SKIPPED,
        State.PENDING,
        State.PENDING,
    ]


def test_merging_reads_past_a_busy_subject(merging: Office, lane: Lane) -> None:
    """However much waits for it, others do not wait behind it."""
    merging.append(lane.id)
    (first,) = merging.load(lane).deliveries
    for _ in range(10):
        merging.append(lane.id)
    other = merging.append(lane.id, subject="order/2")
    cursor, found = (0, 0), list[int]()
    while not found:
        loaded = merging.load(lane, first, cursor=cursor, most=4)
        found, cursor = events(loaded.deliveries), loaded.cursor
        assert loaded.more or found

    assert found == [other]
