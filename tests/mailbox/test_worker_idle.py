"""A worker with nothing to do writes nothing, and one with something to do does not wait for the clock."""

import pytest

from ombud.mailbox.model import Done, Outcome, Retry, State
from tests.mailbox.office import CountingDatabase, Office, Performing, WatchedWriter, until_it_takes_over, working

# Looks at the database, each one poll apart, in which nothing may be written.
LOOKS = 25


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ombud.mailbox.worker.POLL_SECONDS", 0.001)
    monkeypatch.setattr("ombud.mailbox.lease.EXTEND_SECONDS", 3_600.0)


async def writes_while_idle(database: CountingDatabase, writer: WatchedWriter) -> int:
    """Return how many writes happen until the worker has looked for work some times; one may just be ending."""
    reads, writes = database.reads, writer.writes
    await writer.until(lambda: database.reads >= reads + LOOKS or writer.writes >= writes + LOOKS)
    return writer.writes - writes


async def test_an_empty_mailbox(office: Office, database: CountingDatabase, writer: WatchedWriter) -> None:
    office.add_lane()
    async with working(office, writer, Performing()):
        await writer.until(lambda: writer.writes == 1)
        assert await writes_while_idle(database, writer) <= 1


async def test_after_the_work_is_done(office: Office, database: CountingDatabase, writer: WatchedWriter) -> None:
    lane_id = office.add_lane()
    event_id = office.append(lane_id)
    async with working(office, writer, Performing()):
        await writer.until(lambda: office.lane(lane_id)["lease_token"] is None and office.state(event_id) == State.DONE)
        assert await writes_while_idle(database, writer) <= 1


@pytest.mark.parametrize("window", [1, 5])
async def test_while_a_delivery_hangs(
    office: Office, database: CountingDatabase, writer: WatchedWriter, window: int
) -> None:
    """With more of its subject due, and some in backoff."""
    lane_id = office.add_lane(window=window)
    events = [office.append(lane_id) for _ in range(3)]
    later = office.append(lane_id, subject="order/2")
    office.rows("update delivery set due_at = due_at + 3600000000 where event_id = :id", id=later)
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing):
        await performing.until_started(1)
        await writer.until(lambda: database.reads > 0)
        writes = await writes_while_idle(database, writer)
        performing.hold("nothing")
        performing.let_go("order/1")
        await writer.until(lambda: all(office.state(event_id) == State.DONE for event_id in events))

    assert writes <= 1
    assert len(performing.started) == 3


async def test_while_everything_waits_for_its_next_try(
    office: Office, database: CountingDatabase, writer: WatchedWriter
) -> None:
    event_id = office.append(office.add_lane())
    async with working(office, writer, Performing(lambda _: Retry("later", after=3_600))):
        await writer.until(lambda: office.delivery(event_id)["attempts"] == 1)
        await writer.until(lambda: office.rows("select 1 from lane where lease_token is not null") == [])
        assert await writes_while_idle(database, writer) <= 1


@pytest.mark.parametrize("hanging", [False, True])
async def test_with_a_destination_that_was_deleted(
    office: Office, database: CountingDatabase, writer: WatchedWriter, hanging: bool
) -> None:
    lane_id = office.add_lane(window=5)
    performing = Performing()
    performing.hold("order/1")
    async with working(office, writer, performing) as (worker, _):
        if hanging:
            office.append(lane_id, subject="order/1")
            worker.wake()
            await performing.until_started(1)
        office.rows("delete from destination")
        event_id = office.append(lane_id, subject="order/2")
        worker.wake()
        await writer.until(lambda: office.state(event_id) == State.SKIPPED)
        await writer.until(lambda: hanging or office.lane(lane_id)["lease_token"] is None)
        assert await writes_while_idle(database, writer) <= 1
        if hanging:
            performing.let_go("order/1")

    assert office.delivery(event_id)["reason"] == "destination missing"


async def test_a_delivery_whose_event_is_gone_is_no_work(
    office: Office, database: CountingDatabase, writer: WatchedWriter
) -> None:
    """Somebody deleted rows by hand."""
    lane_id = office.add_lane()
    event_id = office.append(lane_id)
    office.rows("delete from event")
    async with working(office, writer, Performing()):
        await writer.until(lambda: writer.writes >= 2)
        assert await writes_while_idle(database, writer) <= 1

    assert (office.state(event_id), office.delivery(event_id)["reason"]) == (State.DEAD, "event missing")


async def test_thousands_that_wait_for_a_deleted_destination_end_in_steps(
    office: Office, database: CountingDatabase, writer: WatchedWriter
) -> None:
    lane_id = office.add_lane()
    for _ in range(5):
        office.run(lambda: office.mailbox.append([office.draft(lane_id)] * 500))
    office.close_destination(lane_id, "destination deleted")
    async with working(office, writer, Performing()):
        await writer.until(lambda: office.pending() == 0)
        steps = writer.writes
        await writer.until(lambda: office.lane(lane_id)["lease_token"] is None)
        assert await writes_while_idle(database, writer) <= 1

    assert steps >= 3
    assert office.rows("select distinct state, reason from delivery") == [
        {"state": State.SKIPPED, "reason": "destination deleted"}
    ]


async def test_without_a_poll_a_wake_is_enough(
    office: Office, writer: WatchedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the worker is doing when it comes: resting, committing, or waiting for a delivery that hangs."""
    monkeypatch.setattr("ombud.mailbox.worker.POLL_SECONDS", 3_600.0)
    lane_id, other = office.add_lane(window=2), office.add_lane()
    performing = Performing()
    performing.hold("order/0")
    async with working(office, writer, performing) as (worker, _):
        office.append(lane_id, subject="order/0")
        worker.wake()
        await performing.until_started(1)
        for number in range(1, 60):
            event_id = office.append(lane_id if number % 2 else other, subject=f"order/{number}")
            worker.wake()
            if number % 3 == 0:
                await writer.until(lambda event_id=event_id: office.state(event_id) == State.DONE)  # type: ignore[misc]
        await writer.until(lambda: office.pending() == 1)
        performing.let_go("order/0")
        await writer.until(lambda: office.pending() == 0)


async def test_without_a_poll_a_retry_comes_in_time(
    office: Office, writer: WatchedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.mailbox.worker.POLL_SECONDS", 3_600.0)
    event_id = office.append(office.add_lane())
    outcomes: list[Outcome] = [Retry("again"), Retry("again"), Done()]
    async with working(office, writer, Performing(lambda _: outcomes.pop(0))):
        await writer.until(lambda: office.state(event_id) == State.DONE)


async def test_what_waited_for_its_subject_starts_though_another_delivery_hangs(
    office: Office, writer: WatchedWriter
) -> None:
    lane_id = office.add_lane(window=5)
    hanging = office.append(lane_id, subject="order/hangs")
    first, second = office.append(lane_id), office.append(lane_id)
    performing = Performing()
    performing.hold("order/hangs")
    async with working(office, writer, performing):
        await writer.until(lambda: office.state(second) == State.DONE)
        performing.let_go("order/hangs")
        await writer.until(lambda: office.state(hanging) == State.DONE)

    assert office.state(first) == State.DONE


async def test_after_the_worker_has_ended_what_comes_late_is_given_back(
    office: Office, writer: WatchedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a ring is a commit of its own, an append may have asked while the worker was there."""
    lane_id = office.add_lane()
    async with working(office, writer, Performing()):
        await until_it_takes_over(office, writer)
        bell = office.mailbox.bell
    monkeypatch.setattr(bell, "_has_room", lambda: True)
    office.mailbox.bell = bell
    event_id = office.append(lane_id)
    assert office.lease() == []
    await writer.until(lambda: office.lane(lane_id)["wake_at"] <= office.clock())

    lane = office.lane(lane_id)
    assert (lane["crashes"], lane["lease_token"], office.state(event_id)) == (0, None, State.PENDING)
