"""The worker: what is due is performed, and what came of it is on record."""

import pytest

from ombud.mailbox.model import NEVER, Dead, Delivery, Done, Fault, Outcome, Retry, Skip, State
from ombud.mailbox.slots import EVERY_SHOP
from ombud.mailbox.worker import Worker
from tests.mailbox.office import Office, Performing, WatchedWriter, working


async def test_a_delivery_is_performed_and_settled(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane()
    event_id = office.append(lane_id, subject="order/90017")
    performing = Performing(lambda _: Done(status=200))
    async with working(office, writer, performing):
        await writer.until(lambda: office.state(event_id) == State.DONE)
        await writer.until(lambda: office.lane(lane_id)["lease_token"] is None)

    (delivery,) = performing.started
    assert (delivery.event_id, delivery.lane_id, delivery.type) == (event_id, lane_id, "order.new")
    (attempt,) = office.attempts(event_id)
    assert (attempt["outcome"], attempt["status"], attempt["reason"], attempt["late"]) == ("done", 200, None, 0)
    assert attempt["milliseconds"] >= 0
    assert delivery.created_at <= attempt["at"] <= office.clock()
    assert office.delivery(event_id)["attempts"] == 1
    assert office.lane(lane_id)["wake_at"] == NEVER


async def test_it_is_tried_again_until_it_succeeds(office: Office, writer: WatchedWriter) -> None:
    event_id = office.append(office.add_lane())
    outcomes: list[Outcome] = [Retry("Answered 500.", fault=Fault.LANE, status=500), Retry("No answer."), Done()]
    async with working(office, writer, Performing(lambda _: outcomes.pop(0))):
        await writer.until(lambda: office.state(event_id) == State.DONE)

    assert office.outcomes(event_id) == ["retry", "retry", "done"]
    assert office.delivery(event_id)["attempts"] == 3
    first, second, third = (attempt["at"] for attempt in office.attempts(event_id))
    assert second - first >= 10_000
    assert third - second >= 20_000


async def test_after_the_last_attempt_it_is_dead(office: Office, writer: WatchedWriter) -> None:
    event_id = office.append(office.add_lane())
    async with working(office, writer, Performing(lambda _: Retry("Answered 500."))):
        await writer.until(lambda: office.state(event_id) == State.DEAD)

    assert office.outcomes(event_id) == ["retry", "retry", "dead"]
    assert office.delivery(event_id)["reason"] == "Answered 500. (attempt 3 was the last)"


@pytest.mark.parametrize(
    ("outcome", "state", "word"),
    [(Dead("gone", status=410), State.DEAD, "dead"), (Skip("nothing to tell"), State.SKIPPED, "skipped")],
)
async def test_a_try_may_be_the_end(
    office: Office, writer: WatchedWriter, outcome: Dead | Skip, state: State, word: str
) -> None:
    event_id = office.append(office.add_lane())
    async with working(office, writer, Performing(lambda _: outcome)):
        await writer.until(lambda: office.state(event_id) == state)

    assert office.outcomes(event_id) == [word]
    assert office.delivery(event_id)["reason"] == outcome.reason


async def test_a_subject_is_never_twice_in_flight(office: Office, writer: WatchedWriter) -> None:
    """With room for everything at once, and retries among it."""
    lanes = [office.add_lane(window=20) for _ in range(2)]
    events = [office.append(*lanes, subject=f"order/{number % 3}") for number in range(18)]
    performing = Performing()
    twice: list[Delivery] = []

    async def perform(delivery: Delivery, facts: object) -> Outcome:
        same = [
            one for one in performing.in_flight if (one.lane_id, one.subject) == (delivery.lane_id, delivery.subject)
        ]
        twice.extend(same)
        outcome = await performing(delivery, {})
        return Retry("again", after=0.0) if delivery.attempts == 0 and delivery.event_id in events[::2] else outcome

    async with working(office, writer, perform):
        await writer.until(lambda: office.pending() == 0)

    assert twice == []
    assert performing.most_in_flight > 1
    assert {office.state(event_id, lane_id) for event_id in events for lane_id in lanes} == {State.DONE}


async def test_the_oldest_of_a_subject_goes_first(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane(window=20)
    events = [office.append(lane_id) for _ in range(10)]
    performing = Performing()
    async with working(office, writer, performing):
        await writer.until(lambda: office.pending() == 0)

    assert [delivery.event_id for delivery in performing.started] == events


async def test_one_in_backoff_does_not_hold_up_later_ones(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane()
    first, second = office.append(lane_id), office.append(lane_id)
    performing = Performing(lambda delivery: Retry("later", after=3_600) if delivery.event_id == first else Done())
    async with working(office, writer, performing):
        await writer.until(lambda: office.state(second) == State.DONE)

    assert office.state(first) == State.PENDING
    assert office.lane(lane_id)["wake_at"] == office.delivery(first)["due_at"]


async def test_a_new_lane_starts_with_one_and_widens_with_success(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane()
    for number in range(8):
        office.append(lane_id, subject=f"order/{number}")
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing):
        await performing.until_started(1)
        for started, done in enumerate(range(4), 1):
            performing.let_go(f"order/{done}")
            await performing.until_started(1 + 2 * started if started < 4 else 8)
            assert len(performing.in_flight) == min(started + 1, 8 - started)
        performing.hold("nothing")
        for number in range(4, 8):
            performing.let_go(f"order/{number}")
        await writer.until(lambda: office.lane(lane_id)["lease_token"] is None)

    assert office.lane(lane_id)["window_size"] == 9


async def test_trouble_of_the_lane_narrows_it_and_is_counted(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane(window=16)
    event_id = office.append(lane_id)
    async with working(office, writer, Performing(lambda _: Retry("No answer.", fault=Fault.LANE))):
        await writer.until(lambda: office.state(event_id) == State.DEAD)
        await writer.until(lambda: office.lane(lane_id)["lease_token"] is None)

    assert (office.lane(lane_id)["window_size"], office.lane(lane_id)["failures"]) == (2, 3)


async def test_slots_bound_what_is_in_flight(office: Office, writer: WatchedWriter) -> None:
    lanes = [office.add_lane(window=10, shop_id=EVERY_SHOP) for _ in range(3)]
    for number in range(10):
        office.append(*lanes, subject=f"order/{number}")
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing, slots=4):
        await performing.until_started(4)
        performing.hold("nothing")
        for subject in set(performing.flying()):
            performing.let_go(subject)
        await writer.until(lambda: office.pending() == 0)

    assert performing.most_in_flight == 4
    assert len(performing.started) == 30


async def test_lanes_take_turns_when_slots_are_few(office: Office, writer: WatchedWriter) -> None:
    """A lane that always has more to do must not keep the others from the slots."""
    lanes = [office.add_lane(window=10) for _ in range(4)]
    for number in range(10):
        office.append(*lanes, subject=f"order/{number}")
    performing = Performing()
    async with working(office, writer, performing, slots=1):
        await writer.until(lambda: office.pending() == 0)

    order = [delivery.lane_id for delivery in performing.started]
    assert [set(order[start : start + 4]) for start in range(0, 40, 4)] == [set(lanes)] * 10


async def test_what_hangs_stops_neither_its_neighbours_nor_other_subjects(
    office: Office, writer: WatchedWriter
) -> None:
    sick, well = office.add_lane(window=2), office.add_lane()
    hangs, beside = office.append(sick, subject="order/1"), office.append(sick, subject="order/2")
    performing = Performing()
    performing.hold("order/1")
    async with working(office, writer, performing) as (worker, _):
        await writer.until(lambda: office.state(beside) == State.DONE)
        for _ in range(5):
            event_id = office.append(well, subject="order/3")
            worker.wake()
            await writer.until(lambda event_id=event_id: office.state(event_id) == State.DONE)  # type: ignore[misc]
        late = office.append(sick, subject="order/4")
        worker.wake()
        await writer.until(lambda: office.state(late) == State.DONE)
        assert performing.flying() == ["order/1"]
        performing.let_go("order/1")
        await writer.until(lambda: office.state(hangs) == State.DONE)


async def test_work_of_another_box_is_left_alone(office: Office, writer: WatchedWriter) -> None:
    ours, theirs = office.add_lane(), office.add_lane()
    office.rows("update lane set box = 2 where id = :id", id=theirs)
    event_id = office.append(ours, theirs)
    async with working(office, writer, Performing()):
        await writer.until(lambda: office.state(event_id, ours) == State.DONE)

    assert office.state(event_id, theirs) == State.PENDING
    assert office.lane(theirs)["lease_token"] is None


async def test_each_load_brings_the_destination_as_it_is(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane()
    performing = Performing()
    async with working(office, writer, performing) as (worker, _):
        first = office.append(lane_id)
        worker.wake()
        await writer.until(lambda: office.state(first) == State.DONE)
        office.rows("update destination set note = 'second'")
        second = office.append(lane_id)
        worker.wake()
        await writer.until(lambda: office.state(second) == State.DONE)

    assert [facts["note"] for facts in performing.facts] == ["first", "second"]


async def test_what_was_loaded_long_ago_is_loaded_again_before_it_starts(
    office: Office, writer: WatchedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow destination's queue is minutes long; one that was deleted elsewhere meanwhile must hear no more of it."""
    for room in ("held", "looking"):
        monkeypatch.setattr(f"ombud.mailbox.{room}.FRONT_SECONDS", 0.01)
    monkeypatch.setattr("ombud.mailbox.lease.EXTEND_SECONDS", 0.01)
    lane_id = office.add_lane()
    events = [office.append(lane_id, subject=f"order/{number}") for number in range(5)]
    performing = Performing()
    performing.hold("order/0")
    async with working(office, writer, performing):
        await performing.until_started(1)
        office.rows("update destination set closed = 'destination deleted'")
        # It was looked at since.
        leased_until = office.lane(lane_id)["wake_at"]
        await writer.until(lambda: office.lane(lane_id)["wake_at"] > leased_until)
        performing.let_go("order/0")
        await writer.until(lambda: office.pending() == 0)

    assert performing.subjects == ["order/0"]
    assert [office.state(event_id) for event_id in events] == [State.DONE] + [State.SKIPPED] * 4


async def test_what_is_ready_for_a_destination_that_is_closed_here_does_not_start(
    office: Office, writer: WatchedWriter
) -> None:
    lane_id = office.add_lane()
    events = [office.append(lane_id, subject=f"order/{number}") for number in range(5)]
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing):
        await performing.until_started(1)
        office.close_destination(lane_id, "destination deleted")
        performing.let_go("order/0")
        await writer.until(lambda: office.pending() == 0)

    assert performing.subjects == ["order/0"]
    assert [office.state(event_id) for event_id in events] == [State.DONE] + [State.SKIPPED] * 4


async def test_what_waits_for_a_closed_destination_is_skipped(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane()
    performing = Performing()
    async with working(office, writer, performing) as (worker, _):
        office.close_destination(lane_id, "destination disabled")
        event_id = office.append(lane_id)
        worker.wake()
        await writer.until(lambda: office.state(event_id) == State.SKIPPED)

    assert performing.started == []
    assert office.delivery(event_id)["reason"] == "destination disabled"
    assert office.attempts(event_id) == []


async def test_what_is_in_flight_when_its_destination_closes_keeps_its_result(
    office: Office, writer: WatchedWriter
) -> None:
    lane_id = office.add_lane(window=2)
    flying, waiting = office.append(lane_id, subject="order/1"), office.append(lane_id, subject="order/2")
    performing = Performing()
    performing.hold("order/1")
    async with working(office, writer, performing) as (worker, _):
        await writer.until(lambda: office.state(waiting) == State.DONE)
        office.close_destination(lane_id, "destination deleted")
        late = office.append(lane_id, subject="order/3")
        worker.wake()
        await writer.until(lambda: office.state(late) == State.SKIPPED)
        performing.let_go("order/1")
        await writer.until(lambda: office.outcomes(flying) == ["done"])

    assert office.state(flying) == State.DONE
    assert office.delivery(flying)["attempts"] == 1


async def test_two_mailboxes_share_a_database(office: Office, writer: WatchedWriter) -> None:
    """Stopping one worker leaves the other's lanes alone."""
    lane_id = office.add_lane()
    event_id = office.append(lane_id)
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing):
        await performing.until_started(1)
        token = office.lane(lane_id)["lease_token"]
        other = Worker(office.mailbox, writer, performing)
        other.stop()
        await other.run()
        assert office.lane(lane_id)["lease_token"] == token
        performing.let_go("order/1")
        await writer.until(lambda: office.state(event_id) == State.DONE)
