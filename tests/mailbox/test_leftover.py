"""What is behind has what live work leaves over; without live work, everything."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

import pytest

from ombud.mailbox.leftover import BEHIND, LIVE_SECONDS, MOST_COST_SECONDS, SHARE, Leftover
from ombud.mailbox.model import Rank
from tests.mailbox.owner import NOW, delivery

LIVE = delivery(1, due_at=NOW - BEHIND)
OLD = delivery(2, due_at=NOW - BEHIND - 1)
REPLAY = delivery(3, rank=Rank.REPLAY)


@dataclass
class Core:
    """A core of which each try takes so many seconds."""

    cost: float = 0.0001
    now: float = 0.0
    used: float = 0.0
    leftover: Leftover = field(init=False)

    def __post_init__(self) -> None:
        self.leftover = Leftover(lambda: self.now, lambda: self.used)

    def start(self, one: object) -> bool:
        if not self.leftover.admits(one, NOW):  # type: ignore[arg-type]
            return False
        self.leftover.enter(one, NOW)  # type: ignore[arg-type]
        self.used += self.cost
        return True

    def live_beside(self, one: object, seconds: float) -> float:
        """Have ten live ones a second beside as many others as may start; returns which share of the core they used."""
        began, used = self.now, self.used
        for step in range(int(seconds * 1_000)):
            self.now += 0.001
            if step % 100 == 0:
                assert self.start(LIVE)
            while self.start(one):
                pass
        return (self.used - used) / (self.now - began)


@pytest.mark.parametrize("one", [OLD, REPLAY])
def test_beside_live_work_it_takes_its_share_whatever_a_try_costs(one: object) -> None:
    core = Core()
    for cost in (0.0001, 0.0004, 0.00005):
        core.cost = cost
        core.live_beside(one, 3)
        assert core.live_beside(one, 2) == pytest.approx(SHARE, rel=0.15)


def test_a_process_that_does_something_else_brings_it_to_no_stop() -> None:
    core = Core(cost=0.01)
    tries = core.live_beside(OLD, 3) * 3 / core.cost
    assert tries > 3 * SHARE / MOST_COST_SECONDS * 0.9


def test_alone_it_takes_everything() -> None:
    core = Core()
    assert all(core.start(OLD) for _ in range(1_000))
    core.live_beside(OLD, 1)
    assert not all(core.start(OLD) for _ in range(1_000))
    core.now += LIVE_SECONDS
    assert all(core.start(OLD) for _ in range(1_000))


async def test_lanes_that_wait_have_their_turns() -> None:
    core, went = Core(), list[int]()

    def go(lane_id: int) -> None:
        went.append(lane_id)
        while core.start(OLD):
            pass
        core.leftover.wait(lane_id, partial(go, lane_id))

    core.start(LIVE)
    while core.start(OLD):
        pass
    for lane_id in (1, 2, 3):
        core.leftover.wait(lane_id, partial(go, lane_id))
    core.leftover.forget(2)
    for _ in range(40):
        core.now += 0.005
        core.start(LIVE)
        await asyncio.sleep(0.002)
    assert went[:4] == [1, 3, 1, 3]
