"""On SQLite the only performer owns an idle lane in its memory alone: when that is written, and what a crash leaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ombud.mailbox.lease import sweep
from ombud.mailbox.model import NEVER, Delivery, Done, Outcome, Retry, State
from ombud.mailbox.worker import Worker
from tests.mailbox.office import CountingDatabase, Office, Performing, WatchedWriter, until_it_takes_over, working


@pytest.fixture
def lane_id(office: Office) -> int:
    return office.add_lane()


async def append(office: Office, lane_id: int) -> int:
    """Append where the worker's event loop goes on meanwhile."""
    return await asyncio.to_thread(office.append, lane_id)


@asynccontextmanager
async def killed(office: Office, writer: WatchedWriter, performing: Performing) -> AsyncIterator[None]:
    """Run a worker that ends as a process does that is killed: it gives nothing back."""
    worker = Worker(office.mailbox, writer, performing)
    task = asyncio.create_task(worker.run())
    await until_it_takes_over(office, writer)
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nothing_is_written_for_a_lane_that_is_soon_idle_again(
    office: Office, writer: WatchedWriter, lane_id: int
) -> None:
    performing = Performing()
    performing.hold()
    before = office.lane(lane_id)
    async with working(office, writer, performing):
        await until_it_takes_over(office, writer)
        event_id = await append(office, lane_id)
        await performing.until_started(1)
        assert office.lane(lane_id) == before
        performing.let_go("order/1")
        await writer.until(lambda: office.state(event_id) == State.DONE)
        assert office.lane(lane_id) == before


async def test_a_lane_that_is_kept_is_leased(
    office: Office, writer: WatchedWriter, lane_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.mailbox.lease.EXTEND_SECONDS", 0.01)
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing):
        await until_it_takes_over(office, writer)
        event_id = await append(office, lane_id)
        await writer.until(lambda: not office.is_free(lane_id))
        performing.let_go("order/1")
        await writer.until(lambda: office.is_free(lane_id))

    assert (office.outcomes(event_id), office.lane(lane_id)["wake_at"]) == (["done"], NEVER)


async def test_what_waits_for_a_retry_wakes_its_lane(office: Office, writer: WatchedWriter, lane_id: int) -> None:
    def fail(delivery: Delivery) -> Outcome:
        return Retry("not yet", after=60) if not delivery.attempts else Done()

    async with working(office, writer, Performing(fail)):
        await until_it_takes_over(office, writer)
        event_id = await append(office, lane_id)
        await writer.until(lambda: office.outcomes(event_id) == ["retry"] and office.is_free(lane_id))
        await writer.until(lambda: office.lane(lane_id)["wake_at"] == office.delivery(event_id)["due_at"])


async def test_a_stop_gives_back_what_was_in_flight(
    office: Office, writer: WatchedWriter, lane_id: int, short_stop: None
) -> None:
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing):
        await until_it_takes_over(office, writer)
        event_id = await append(office, lane_id)
        await performing.until_started(1)

    lane = office.lane(lane_id)
    assert office.outcomes(event_id) == ["interrupted"]
    assert (lane["crashes"], lane["wake_at"]) == (0, office.delivery(event_id)["due_at"])


async def test_the_next_performer_finds_what_a_dead_one_had_in_its_memory_and_is_careful(
    office: Office, writer: WatchedWriter, lane_id: int
) -> None:
    performing = Performing()
    performing.hold()
    async with killed(office, writer, performing):
        event_id = await append(office, lane_id)
        await performing.until_started(1)
    assert office.lane(lane_id)["wake_at"] == NEVER
    office.run(sweep)
    assert office.lane(lane_id)["crashes"] == 1
    assert office.lane(lane_id)["wake_at"] <= office.clock()

    second = Performing()
    second.hold()
    async with working(office, writer, second):
        await second.until_started(1)
        assert office.lane(lane_id)["started_event_id"] == event_id
        second.let_go("order/1")
        await writer.until(lambda: office.is_free(lane_id))

    assert (office.outcomes(event_id), office.lane(lane_id)["crashes"]) == (["done"], 0)


async def test_a_lane_that_nobody_had_is_no_crash(
    office: Office, database: CountingDatabase, writer: WatchedWriter, lane_id: int
) -> None:
    event_id = office.append(lane_id)
    async with killed(office, writer, Performing()):
        await writer.until(lambda: office.state(event_id) == State.DONE)
    office.append(lane_id)
    office.run(sweep)

    assert office.lane(lane_id)["crashes"] == 0
