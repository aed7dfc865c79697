"""In which order lanes are served, and that whoever else is on the loop is heard in between."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from ombud.db.operation import Statement
from ombud.mailbox.held import HeldLane
from ombud.mailbox.ids import IdSource
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Box, Delivery, Health, Lane, Loaded, Outcome
from ombud.mailbox.starter import LANES_AT_ONCE, Starter
from tests.mailbox.owner import LEASE, NOW, OPEN, delivery

SLOTS = 400


async def perform(_: Delivery, __: object) -> Outcome:
    never: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    return await never


@pytest.fixture
async def starter() -> AsyncIterator[Starter]:
    mailbox = Mailbox(Box.OUTBOX, Statement("facts", ""), IdSource(1, lambda: NOW), lambda: NOW)
    made = Starter(mailbox, perform, SLOTS, lambda _: None)
    yield made
    made.cancel()


def lanes(starter: Starter, amount: int, shop_id: int | None = None, ready: int = 1) -> Sequence[HeldLane]:
    """Have lanes stand in line."""
    made = []
    for number in range(amount):
        lane = HeldLane(Lane(number, shop_id or number, 1, 9, NOW + LEASE, Health(4)), 0.0, 2.0)
        lane.fill(Loaded([delivery(event_id) for event_id in range(ready)], OPEN), 0.0)
        starter.enter(lane)
        made.append(lane)
    return made


def served(held: Sequence[HeldLane]) -> int:
    return sum(len(lane.in_flight) for lane in held)


async def test_the_loop_is_heard_between_lanes(starter: Starter) -> None:
    held = lanes(starter, 3 * LANES_AT_ONCE)
    seen = []
    starter.start()
    for _ in range(3):
        seen.append(served(held))
        starter.start()
        await asyncio.sleep(0)

    assert seen == [LANES_AT_ONCE, 2 * LANES_AT_ONCE, 3 * LANES_AT_ONCE]


async def test_each_has_its_turn_before_one_has_another(starter: Starter) -> None:
    held = lanes(starter, LANES_AT_ONCE + 1, ready=2)
    starter.start()
    await asyncio.sleep(0)
    assert min(len(lane.in_flight) for lane in held) == 1
    await asyncio.sleep(0)
    assert served(held) == 2 * len(held)


async def test_those_that_find_no_slot_do_not_stand_before_others(starter: Starter) -> None:
    """A shop has a quarter of the slots; when all had their turn, nothing goes on by itself."""
    greedy = lanes(starter, SLOTS, shop_id=7)
    other = lanes(starter, 1, shop_id=8)
    starter.start()
    for _ in range(2 * SLOTS // LANES_AT_ONCE):
        await asyncio.sleep(0)

    assert (served(greedy), served(other)) == (SLOTS // 4, 1)
    assert not starter._goes_on


async def test_lanes_that_left_are_not_waited_for(starter: Starter) -> None:
    held = lanes(starter, 2 * LANES_AT_ONCE)
    starter.start()
    for lane in held:
        starter.leave(lane)
    await asyncio.sleep(0)

    assert served(held) == LANES_AT_ONCE
    assert not starter._goes_on
