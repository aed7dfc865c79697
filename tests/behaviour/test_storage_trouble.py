"""Turns that fail: nothing is lost, nothing is stuck, and no try is on record twice, stored or not."""

import asyncio
import random
from collections import Counter
from dataclasses import replace
from typing import TypeVar

import pytest

from ombud.db.operation import Make
from ombud.errors import StorageUnavailable
from ombud.mailbox.mailbox import Policy
from ombud.mailbox.model import Delivery, Done, Outcome, Retry, State
from tests.behaviour.broken import broken
from tests.mailbox.office import Office, Performing, WatchedWriter, working

T = TypeVar("T")
# Seconds: what a commit has leased of which the worker never heards is free after this.
SHORT_LEASE_SECONDS = 0.5


class FlakyWriter(WatchedWriter):
    """Fails some writes, before they are stored or after: then nobody knows."""

    def __init__(self, writer: WatchedWriter, seed: int, before: float, after: float) -> None:
        self.database, self._writer = writer.database, writer
        self.writes, self.moved = 0, asyncio.Event()
        self._chance, self._before, self._after = random.Random(seed), before, after
        self.failed = 0

    async def write(self, make: Make[T]) -> T:
        chance = self._chance.random()
        try:
            self._fail_if(chance < self._before)
            value = await self._writer.write(make)
            self._fail_if(chance > 1 - self._after)
        finally:
            self.writes += 1
            self.moved.set()
        return value

    def _fail_if(self, unlucky: bool) -> None:
        if unlucky:
            self.failed += 1
            raise StorageUnavailable

    def close(self) -> None:
        """The other one is closed by its own."""


@pytest.fixture
def policy(policy: Policy) -> Policy:
    return replace(policy, lease_seconds=SHORT_LEASE_SECONDS, retry_seconds=(0.01,) * 20)


@pytest.fixture
def office(working_office: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr("ombud.mailbox.worker.STORAGE_PAUSE_SECONDS", 0.005)
    return working_office


async def storm(office: Office, writer: FlakyWriter, seed: int) -> Counter[tuple[int, int]]:
    """Have a hundred events tried while writes fail; returns how often each was."""
    lanes = [office.add_lane(window=8) for _ in range(5)]
    chance = random.Random(seed)
    tried = Counter[tuple[int, int]]()

    async def perform(delivery: Delivery, _: object) -> Outcome:
        tried[delivery.event_id, delivery.lane_id] += 1
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        return Retry("again") if chance.random() < 0.2 else Done()

    async with working(office, writer, perform):
        for number in range(100):
            chosen = chance.sample(lanes, chance.randrange(1, 3))
            await asyncio.to_thread(office.append, *chosen, subject=f"order/{number % 9}")
        await writer.until(lambda: office.pending() == 0)
    assert writer.failed > 0
    return tried


def tries_on_record(office: Office) -> dict[tuple[int, int], int]:
    """Return how often each was; a lane that a commit had leased unheard looks like one that a crash has left."""
    text = "select event_id, lane_id, count(*) as n from attempt where outcome <> 'crashed' group by event_id, lane_id"
    return {(row["event_id"], row["lane_id"]): row["n"] for row in office.rows(text)}


@pytest.mark.parametrize("seed", range(2))
async def test_a_turn_that_is_not_stored_is_repeated(office: Office, writer: WatchedWriter, seed: int) -> None:
    flaky = FlakyWriter(writer, seed, before=0.3, after=0.0)
    tried = await storm(office, flaky, seed)

    assert tries_on_record(office) == tried
    assert office.rows("select 1 from attempt where late > 0") == []
    states = Counter(row["state"] for row in office.rows("select state from delivery"))
    assert states.keys() == {State.DONE}


@pytest.mark.parametrize("seed", range(2))
async def test_a_turn_of_which_nobody_knows_is_on_record_once(office: Office, writer: WatchedWriter, seed: int) -> None:
    flaky = FlakyWriter(writer, seed, before=0.1, after=0.2)
    tried = await storm(office, flaky, seed)

    on_record = tries_on_record(office)
    # What was in flight in lanes that ran out of their lease may not have come on record; nothing is there twice.
    assert on_record.keys() == tried.keys()
    assert all(count <= tried[key] for key, count in on_record.items())
    assert {row["state"] for row in office.rows("select state from delivery")} == {State.DONE}


async def test_that_control_would_notice_a_try_twice(office: Office, writer: WatchedWriter) -> None:
    """A build that repeats what is on record."""
    with broken("insert_attempts_again", "where not exists", "where true or not exists"):
        flaky = FlakyWriter(writer, 1, before=0.1, after=0.3)
        tried = await storm(office, flaky, 1)

    assert any(count > tried[key] for key, count in tries_on_record(office).items())


async def test_a_refused_look_loses_no_result(
    office: Office, writer: WatchedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next look for lanes fails while a result waits for its turn."""
    lane_id = office.add_lane()
    event_id = office.append(lane_id)
    fetch, refuse = office.database.fetch, [False]

    async def refused(make: Make[T]) -> T:
        if refuse[0]:
            refuse[0] = False
            raise StorageUnavailable
        return await fetch(make)

    monkeypatch.setattr(office.database, "fetch", refused)
    monkeypatch.setattr("ombud.mailbox.lease.EXTEND_SECONDS", 3_600.0)

    def note(_: Delivery) -> Outcome:
        refuse[0] = True
        worker._look()
        return Done()

    async with working(office, writer, Performing(note)) as (worker, _):
        await writer.until(lambda: office.state(event_id) == State.DONE)

    assert not refuse[0]
