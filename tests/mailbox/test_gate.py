"""A gate beside the slots: who waits there goes in turn, and whatever enters leaves."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from ombud.mailbox.model import Delivery, Done, Outcome
from tests.mailbox.office import Office, WatchedWriter, working


class OneAtATime:
    """Leads to one place, which has room for one delivery; lanes go as they came."""

    def __init__(self) -> None:
        self.inside = 0
        self.line: dict[int, Callable[[], None]] = {}

    def enter(self, _facts: Mapping[str, Any]) -> object | None:
        if self.inside:
            return None
        self.inside += 1
        return self

    def leave(self, _entered: object) -> None:
        self.inside -= 1
        if self.line:
            self.line.pop(next(iter(self.line)))()

    def wait(self, lane_id: int, _facts: Mapping[str, Any], then: Callable[[], None]) -> None:
        self.line[lane_id] = then

    def forget(self, lane_id: int) -> None:
        self.line.pop(lane_id, None)


@pytest.fixture
def gate(office: Office) -> Iterator[OneAtATime]:
    """The gate of the mailbox; in the end nothing is inside."""
    made = office.mailbox.gate = OneAtATime()
    yield made
    assert made.inside == 0


async def test_lanes_that_wait_go_in_turn(office: Office, writer: WatchedWriter, gate: OneAtATime) -> None:
    """Though what has just ended, and has more, comes back to the line sooner than the next is called."""
    told: list[int] = []

    async def perform(delivery: Delivery, _: object) -> Outcome:
        told.append(delivery.lane_id)
        return Done()

    lanes = [office.add_lane(window=4) for _ in range(3)]
    for number in range(10):
        for lane_id in lanes:
            office.append(lane_id, subject=f"order/{number}")
    async with working(office, writer, perform):
        await writer.until(lambda: office.pending() == 0)

    assert sorted(told[:3]) == sorted(lanes)
    assert told == told[:3] * 10
    assert gate.line == {}


async def test_whatever_becomes_of_a_try_it_leaves(
    office: Office, writer: WatchedWriter, gate: OneAtATime, short_stop: None
) -> None:
    ways, hanging = iter(["raises", "is cancelled", "hangs"]), asyncio.Event()

    async def perform(_delivery: Delivery, _: object) -> Outcome:
        match next(ways):
            case "raises":
                raise ValueError("a mistake of ours")
            case "is cancelled":
                raise asyncio.CancelledError
        hanging.set()
        await asyncio.Event().wait()
        return Done()

    for lane_id in [office.add_lane() for _ in range(4)]:
        office.append(lane_id)
    async with working(office, writer, perform):
        await hanging.wait()
        assert gate.inside == 1

    assert office.pending() == 4
