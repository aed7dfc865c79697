"""The end of a day: what is pending or has failed of late is copied forward with all it has, the rest goes."""

from functools import partial

import pytest

from ombud.mailbox import retention
from ombud.mailbox.model import Ages, Done, State
from tests.behaviour.broken import broken
from tests.behaviour.housekeeping import copy_forward, days, days_pass, end, end_days, stored, today, try_once
from tests.mailbox.office import Office, StoppedClock

AGES = Ages(done_days=2, failed_days=5)


@pytest.fixture
def lane_id(office: Office) -> int:
    return office.add_lane()


def test_a_day_is_opened_and_the_next_is_prepared(office: Office, lane_id: int, clock: StoppedClock) -> None:
    first = today(office)
    assert days(office) == [first]
    event_id = office.append(lane_id)
    days_pass(clock, 1)
    late = office.append(lane_id)
    assert stored(office, "event") == {event_id: {first}, late: {first}}, "nobody has opened it yet"
    office.run(lambda: retention.open_days(office.clock()))
    office.run(lambda: retention.open_days(office.clock()))
    after = office.append(lane_id)

    assert days(office) == [first, first + 1]
    assert stored(office, "event")[after] == {first + 1}


def test_a_day_goes_when_it_is_old_enough_and_the_newest_never(
    office: Office, lane_id: int, clock: StoppedClock
) -> None:
    first = today(office)
    for _ in range(4):
        end(office, office.append(lane_id), State.DONE)
        days_pass(clock, 1)
        end_days(office, AGES)
    assert days(office) == [first + 2, first + 3, first + 4]
    assert len(stored(office, "event")) == 2

    days_pass(clock, 100)
    assert office.run(lambda: retention.old_days(office.clock(), AGES)) == [first + 2, first + 3]
    end_days(office, AGES)
    assert days(office) == [today(office)]


def test_what_is_pending_moves_with_all_that_belongs_to_it(office: Office, lane_id: int, clock: StoppedClock) -> None:
    other = office.add_lane()
    kept, gone = office.append(lane_id, other), office.append(lane_id, subject="order/2")
    try_once(office, kept, lane_id)
    end(office, kept, State.DONE, other)
    end(office, gone, State.DONE)
    before = office.delivery(kept, lane_id)
    days_pass(clock, 4)
    end_days(office, AGES)

    now = today(office)
    assert days(office) == [now]
    for table in ("event", "delivery", "attempt"):
        assert stored(office, table) == {kept: {now}}
    assert office.delivery(kept, lane_id) == {**before, "day": now}
    assert office.state(kept, other) == State.DONE
    assert office.rows("select fan_out from event") == [{"fan_out": 2}]
    assert len(office.attempts(kept)) == 1


def test_what_failed_of_late_moves_and_what_failed_long_ago_goes(
    office: Office, lane_id: int, clock: StoppedClock
) -> None:
    failed, skipped = office.append(lane_id), office.append(lane_id, subject="order/2")
    end(office, failed, State.DEAD)
    end(office, skipped, State.SKIPPED)
    for _ in range(5):
        days_pass(clock, 1)
        end_days(office, AGES)
    assert set(stored(office, "event")) == {failed}
    assert office.replay(failed, lane_id=lane_id) == 1
    end(office, failed, State.DEAD)

    days_pass(clock, 1)
    end_days(office, AGES)
    days_pass(clock, 3)
    end_days(office, AGES)
    assert stored(office, "event") == stored(office, "delivery") == {}


def test_what_is_done_is_performed_where_it_has_moved_to(office: Office, lane_id: int, clock: StoppedClock) -> None:
    event_id = office.append(lane_id)
    days_pass(clock, 4)
    end_days(office, AGES)
    lane = office.lease_one()
    assert office.settle(lane, office.load_one(lane), Done())

    assert office.state(event_id) == State.DONE
    assert stored(office, "attempt") == {event_id: {today(office)}}


def test_an_event_without_deliveries_goes_with_its_day(office: Office, clock: StoppedClock) -> None:
    office.append()
    days_pass(clock, 4)
    end_days(office, AGES)

    assert stored(office, "event") == {}
    assert days(office) == [today(office)]


def test_what_is_in_the_hands_of_an_owner_stays_where_it_finds_it(
    office: Office, lane_id: int, clock: StoppedClock
) -> None:
    """And keeps its day, until a later round."""
    free = office.add_lane()
    in_hand, other, beside = office.append(lane_id), office.append(free), office.append(free, subject="order/2")
    end(office, beside, State.DONE)
    first = today(office)
    days_pass(clock, 4)
    lanes = {lane.id: lane for lane in office.lease()}
    delivery = office.load_one(lanes[lane_id])
    office.release(lanes[free])
    end_days(office, AGES)

    assert days(office) == [first, today(office)]
    assert stored(office, "delivery")[in_hand] == {first}
    assert stored(office, "delivery")[other] == {today(office)}
    assert office.settle(lanes[lane_id], delivery, Done())
    assert office.state(in_hand) == State.DONE
    end_days(office, AGES)
    assert days(office) == [today(office)]
    assert set(stored(office, "event")) == {other}


def test_moving_what_is_in_somebodys_hands_would_lose_its_result(
    office: Office, lane_id: int, clock: StoppedClock
) -> None:
    """What the test above would notice."""
    with broken("lock_free_lanes", "lease_token is null", "wake_at > 0"), pytest.raises(AssertionError):
        test_what_is_in_the_hands_of_an_owner_stays_where_it_finds_it(office, lane_id, clock)


def test_what_waits_long_for_its_next_try_moves_though_its_lane_is_owned(
    office: Office, lane_id: int, clock: StoppedClock
) -> None:
    waits, due = office.append(lane_id), office.append(lane_id, subject="order/2")
    office.rows("update delivery set due_at = due_at + 864000000000 where event_id = :id", id=waits)
    days_pass(clock, 4)
    office.lease_one()
    end_days(office, AGES)

    assert stored(office, "delivery")[waits] == {today(office)}
    assert stored(office, "delivery")[due] != {today(office)}


def test_a_replay_before_the_last_step_keeps_the_day(office: Office, lane_id: int, clock: StoppedClock) -> None:
    event_id = office.append(lane_id)
    end(office, event_id, State.DONE)
    day = today(office)
    days_pass(clock, 4)
    office.run(lambda: retention.open_days(office.clock()))
    copy_forward(office, day, AGES)
    assert office.replay(event_id, lane_id=lane_id) == 1
    assert not office.run(lambda: retention.drop(day, AGES, office.clock()))

    assert office.state(event_id) == State.PENDING
    end_days(office, AGES)
    assert stored(office, "delivery") == {event_id: {today(office)}}


def test_a_day_that_another_process_has_dropped_is_no_trouble(
    office: Office, lane_id: int, clock: StoppedClock
) -> None:
    day = today(office)
    days_pass(clock, 4)
    end_days(office, AGES)
    assert days(office) == [today(office)]

    assert not office.run(lambda: retention.drop(day, AGES, office.clock()))
    assert office.run(lambda: retention.move(day, [])) == 0


def test_a_late_result_of_a_day_that_is_gone_harms_nobody(office: Office, lane_id: int, clock: StoppedClock) -> None:
    event_id = office.append(lane_id)
    lane = office.lease_one()
    delivery = office.load_one(lane)
    clock.jump(60)
    thief = office.lease_one()
    office.settle(thief, office.load_one(thief), Done())
    office.release(thief)
    days_pass(clock, 4)
    end_days(office, AGES)

    assert not office.settle(lane, delivery, Done())
    assert stored(office, "event") == {}
    assert event_id not in stored(office, "delivery")


def test_keys_go_with_their_events(office: Office, lane_id: int, clock: StoppedClock) -> None:
    def keyed(key: str, event_id: int) -> None:
        text = "insert into event_key(shop_id, key, event_id) values (1, :key, :event_id)"
        office.rows(text, key=key, event_id=event_id)

    kept, *gone = (office.append(lane_id, subject=f"order/{number}") for number in range(8))
    for number, event_id in enumerate([kept, *gone]):
        keyed(f"key {number}", event_id)
    for event_id in gone:
        end(office, event_id, State.DONE)
    days_pass(clock, 4)
    end_days(office, AGES)
    young = office.append(lane_id)
    keyed("young", young)

    assert office.rows("select key from event_key order by event_id") == [{"key": "key 0"}, {"key": "young"}]


def test_one_process_at_a_time_keeps_the_house(office: Office, clock: StoppedClock) -> None:
    take = partial(retention.take_chore, "retention")
    assert office.run(take)
    assert not office.run(take)
    assert office.run(partial(retention.take_chore, "another"))
    clock.jump(retention.CHORE_SECONDS + 0.000001)
    assert office.run(take)


@pytest.mark.parametrize("state", [State.PENDING, State.DONE])
def test_a_try_that_comes_late_stands_beside_its_delivery_or_goes_with_it(
    office: Office, lane_id: int, clock: StoppedClock, state: State
) -> None:
    """Its lease is lost, so nothing keeps its delivery where it was."""
    first = today(office)
    event_id = office.append(lane_id)
    days_pass(clock, 4)
    [lane] = office.lease()
    [delivery] = office.load(lane).deliveries
    office.rows("update lane set lease_token = null where id = :id", id=lane_id)
    end(office, event_id, state)
    end_days(office, AGES)

    office.settle(lane, delivery, Done())

    there = {event_id: {today(office)}} if state is State.PENDING else {}
    assert first != today(office)
    assert stored(office, "delivery") == there
    assert stored(office, "attempt") == there
    assert [row["late"] for row in office.rows("select late from attempt")] == [1] * len(there)
