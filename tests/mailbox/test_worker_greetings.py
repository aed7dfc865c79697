"""Between an append that hands a lane over and its first start the facts are read: whatever happens meanwhile."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest

from ombud.db.operation import Make
from ombud.errors import StorageUnavailable
from ombud.mailbox.model import NEVER, State
from tests.mailbox.office import CountingDatabase, Office, Performing, WatchedWriter, until_it_takes_over, working

T = TypeVar("T")


class Door:
    """Holds up reads of an event loop: those that look for due lanes pass, those for facts wait until it opens."""

    def __init__(self, database: CountingDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        self._fetch = database.fetch
        self._open = asyncio.Event()
        self.knocked = asyncio.Event()
        self.trouble: Callable[[], None] = lambda: None
        monkeypatch.setattr(database, "fetch", self.fetch)

    async def fetch(self, make: Make[T]) -> T:
        if "next_wake" not in make.__code__.co_names:
            self.knocked.set()
            await self._open.wait()
            self.trouble()
        return await self._fetch(make)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
async def door(database: CountingDatabase, monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(database, monkeypatch)


async def test_nothing_starts_before_the_facts_are_read(office: Office, writer: WatchedWriter, door: Door) -> None:
    lane_id = office.add_lane()
    performing = Performing()
    async with working(office, writer, performing):
        await until_it_takes_over(office, writer)
        event_id = office.append(lane_id)
        await door.knocked.wait()
        office.rows("update destination set note = 'second'")
        assert not office.is_free(lane_id)
        assert performing.started == []
        door.open()
        await writer.until(lambda: office.state(event_id) == State.DONE)

    assert [facts["note"] for facts in performing.facts] == ["second"]


async def test_what_else_is_appended_meanwhile_is_tried_once(office: Office, writer: WatchedWriter, door: Door) -> None:
    lane_id = office.add_lane(window=8)
    performing = Performing()
    async with working(office, writer, performing) as (worker, _):
        await until_it_takes_over(office, writer)
        events = [office.append(lane_id, subject="order/0")]
        await door.knocked.wait()
        events += [office.append(lane_id, subject=f"order/{number}") for number in range(1, 6)]
        worker.wake()
        worker._holder.lanes[lane_id].rung(changed=False)
        worker._holder.attend(worker._holder.lanes[lane_id])
        await writer.write(_nothing)
        await writer.write(_nothing)
        door.open()
        await writer.until(lambda: office.pending() == 0)

    assert sorted(delivery.event_id for delivery in performing.started) == events
    assert [office.outcomes(event_id) for event_id in events] == [["done"]] * 6


def _nothing():  # type: ignore[no-untyped-def]
    yield from ()


async def test_a_stop_starts_nothing_and_gives_the_lane_back(office: Office, writer: WatchedWriter, door: Door) -> None:
    lane_id = office.add_lane()
    performing = Performing()
    async with working(office, writer, performing) as (worker, task):
        await until_it_takes_over(office, writer)
        event_id = office.append(lane_id)
        await door.knocked.wait()
        worker.stop()
        for _ in range(10):
            await asyncio.sleep(0)
        door.open()
        await task

    assert performing.started == []
    assert office.state(event_id) == State.PENDING
    lane = office.lane(lane_id)
    assert (lane["lease_token"], lane["crashes"]) == (None, 0)
    assert lane["wake_at"] <= office.clock()


@pytest.mark.parametrize("error", [StorageUnavailable(), RuntimeError("no such thing")], ids=["storage", "bug"])
async def test_facts_that_cannot_be_read_come_with_a_load(
    office: Office, writer: WatchedWriter, door: Door, error: Exception
) -> None:
    lane_id = office.add_lane()

    def fail() -> None:
        raise error

    performing = Performing()
    async with working(office, writer, performing):
        await until_it_takes_over(office, writer)
        door.trouble = fail
        event_id = office.append(lane_id)
        await door.knocked.wait()
        door.open()
        await writer.until(lambda: office.state(event_id) == State.DONE)

    assert performing.subjects == ["order/1"]


async def test_a_lane_that_was_lost_meanwhile_is_not_started(
    office: Office, writer: WatchedWriter, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.mailbox.holder.EXTEND_SECONDS", 0.01)
    lane_id = office.add_lane()
    performing = Performing()
    async with working(office, writer, performing) as (worker, _):
        await until_it_takes_over(office, writer)
        event_id = office.append(lane_id)
        await door.knocked.wait()
        office.rows("update lane set lease_token = 5, wake_at = wake_at + 60000000")
        await writer.until(lambda: lane_id not in worker._holder.lanes or worker._holder.lanes[lane_id]._lost)
        door.open()
        await writer.write(_nothing)
        for _ in range(20):
            await asyncio.sleep(0)

    assert performing.started == []
    assert office.state(event_id) == State.PENDING
    assert office.lane(lane_id)["lease_token"] == 5


async def test_a_lane_that_was_paused_meanwhile_is_not_started(
    office: Office, writer: WatchedWriter, door: Door
) -> None:
    lane_id = office.add_lane()
    performing = Performing()
    async with working(office, writer, performing):
        await until_it_takes_over(office, writer)
        event_id = office.append(lane_id)
        await door.knocked.wait()
        office.pause(lane_id)
        await writer.write(_nothing)
        door.open()
        await writer.until(lambda: office.is_free(lane_id))
        assert performing.started == []
        assert office.lane(lane_id)["wake_at"] == NEVER
        office.resume(lane_id)
        await writer.until(lambda: office.state(event_id) == State.DONE)


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
    assert not office.is_free(lane_id)
    await writer.until(lambda: office.is_free(lane_id))

    lane = office.lane(lane_id)
    assert (lane["crashes"], office.state(event_id)) == (0, State.PENDING)
    assert lane["wake_at"] <= office.clock()
