"""Live parts give way to deliveries: the busier the process, the longer the rest after each."""

import asyncio

import pytest

from ombud.web import pace, streams
from ombud.web.pace import LEAST_SHARE, SHARE_OF_IDLE, Pace, spending
from ombud.web.streams import Streams
from tests.web.test_streams import Source, events_of, take


class Machine:
    """Clocks that are moved."""

    def __init__(self) -> None:
        self.now = self.processor = 0.0

    def run(self, seconds: float, busy: float) -> None:
        """Let time pass in which so much of a core is used."""
        self.now, self.processor = self.now + seconds, self.processor + seconds * busy


@pytest.mark.parametrize(
    ("busy", "share"), [(0.0, SHARE_OF_IDLE), (0.5, SHARE_OF_IDLE / 2), (1.0, LEAST_SHARE), (1.7, LEAST_SHARE)]
)
async def test_the_rest_fits_what_is_idle(busy: float, share: float) -> None:
    machine = Machine()
    made = Pace(lambda: machine.now, lambda: machine.processor)
    machine.run(1, busy)
    rest = made.rest(0.01)
    assert 0.01 / (0.01 + rest) == pytest.approx(share)


async def test_one_part_is_made_at_a_time_and_what_it_spends_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, order = Machine(), list[str]()
    made = Pace(lambda: machine.now, lambda: machine.processor)
    rests: list[float] = []

    def rest(spent: float) -> float:
        rests.append(spent)
        return 0.0

    monkeypatch.setattr(made, "rest", rest)

    def read() -> None:
        with spending(lambda: machine.now):
            machine.run(2, 1)

    async def make(name: str) -> None:
        async with made.turn():
            order.append(f"{name} begins")
            await asyncio.to_thread(read)
            machine.run(5, 1)
            read()
            order.append(f"{name} ends")

    await asyncio.gather(make("one"), make("two"))
    assert order == ["one begins", "one ends", "two begins", "two ends"]
    assert rests == [4, 4]
    read()
    assert pace._spent.get() is None


async def test_a_stream_that_has_not_had_its_turn_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STREAM_SECONDS", 0.05)
    source, served = Source(), Streams()
    async with served._pace.turn():
        events = events_of(served.open("one", source.make))
        await take(events, 1)
        coming = asyncio.create_task(take(events, 1))
        await asyncio.sleep(0.2)
        assert not coming.done()
    assert await coming == [b"data: number 1\ndata: of many\n\n"]
    async with asyncio.timeout(30):
        async for _ in events:
            pass
    assert served._parts == {}
