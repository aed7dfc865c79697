"""A worker on every database: it starts from memory what its process appends, each once, and stops in between."""

import asyncio
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from ombud.db.operation import Operation, Statement
from ombud.mailbox.model import NEVER, Delivery, Done, Outcome, Retry, State
from tests.behaviour.broken import broken
from tests.mailbox.office import Office, Performing, WatchedWriter, until_it_takes_over, working

# Events of the stress tests, and who appends them.
EVENTS, APPENDERS = 400, 4


@pytest.fixture
def office(working_office: Office) -> Office:
    return working_office


async def append(office: Office, *lane_ids: int, subject: str = "order/1") -> int:
    """Append as a task of this process does, not in the way of its event loop."""
    return await asyncio.to_thread(office.append, *lane_ids, subject=subject)


async def test_what_this_process_appends_starts_from_memory(office: Office, writer: WatchedWriter) -> None:
    """Nothing is loaded for it: here a load would bring nothing."""
    lane_id = office.add_lane(window=2)
    performing = Performing()
    performing.hold()
    with broken("load_due", "x.lane_id = r.", "r.lane_id < r."), broken("load_due", "d.lane_id = :", "0 = :"):
        async with working(office, writer, performing):
            await until_it_takes_over(office, writer)
            event_id = await append(office, lane_id)
            await performing.until_started(1)
            assert office.lease() == []
            performing.let_go("order/1")
            await writer.until(lambda: office.state(event_id) == State.DONE and office.is_free(lane_id))

    assert office.outcomes(event_id) == ["done"]
    assert [facts["note"] for facts in performing.facts] == ["first"]
    lane = office.lane(lane_id)
    assert (lane["crashes"], lane["wake_at"]) == (0, NEVER)


async def test_it_starts_with_the_facts_as_they_are_after_the_commit(office: Office, writer: WatchedWriter) -> None:
    lane_id, deleted = office.add_lane(), office.add_lane()

    def change_and_append() -> Operation[list[int]]:
        ids = yield from office.mailbox.append([office.draft(lane_id), office.draft(deleted)])
        yield from update("update destination set note = 'second'")
        yield from update(f"update destination set closed = 'destination deleted' where lane_id = {deleted}")
        return ids

    performing = Performing()
    async with working(office, writer, performing):
        await until_it_takes_over(office, writer)
        told, skipped = await asyncio.to_thread(office.run, change_and_append)
        await writer.until(lambda: office.pending() == 0)

    assert [facts["note"] for facts in performing.facts] == ["second"]
    assert (office.state(told), office.state(skipped)) == (State.DONE, State.SKIPPED)
    assert office.attempts(skipped) == []


def update(text: str) -> Operation[None]:
    yield Statement(text, text), {}


async def test_a_worker_that_stops_while_lanes_are_handed_to_it_keeps_none(
    office: Office, writer: WatchedWriter
) -> None:
    lanes = [office.add_lane() for _ in range(4)]
    chance = random.Random(4)
    events = []
    for _ in range(12):
        async with working(office, writer, Performing()):
            await until_it_takes_over(office, writer)
            appending = asyncio.create_task(append(office, *lanes))
            for _ in range(chance.randrange(30)):
                await asyncio.sleep(0)
        events.append(await appending)
        # On a database where the ring is a commit of its own, the last lanes may come when the worker is gone.
        await writer.until(lambda: all(office.is_free(lane_id) for lane_id in lanes))
    states = {(event_id, lane_id): office.state(event_id, lane_id) for event_id in events for lane_id in lanes}
    assert set(states.values()) <= {State.PENDING, State.DONE}
    for lane_id in lanes:
        pending = [key for key, state in states.items() if key[1] == lane_id and state == State.PENDING]
        assert not pending or office.lane(lane_id)["wake_at"] <= office.clock()
        assert office.lane(lane_id)["crashes"] == 0

    async with working(office, writer, Performing()):
        await writer.until(lambda: office.pending() == 0)
    assert [office.outcomes(event_id) for event_id in events] == [["done"] * len(lanes)] * len(events)


@pytest.mark.parametrize("lanes", [1, 4, 40])
async def test_however_appends_and_turns_meet_each_is_tried_once(
    office: Office, writer: WatchedWriter, lanes: int
) -> None:
    """Handed over, loaded, or both at once: a lane is idle, in hand, lingering or being given back when it comes."""
    lane_ids = [office.add_lane(window=8) for _ in range(lanes)]
    chance = random.Random(lanes)
    performing = Counter[tuple[int, int]]()

    async def perform(delivery: Delivery, _: object) -> Outcome:
        performing[delivery.event_id, delivery.lane_id] += 1
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        return Done()

    def append_some(seed: int) -> list[int]:
        mine = random.Random(seed)
        events = []
        for number in range(EVENTS // APPENDERS):
            chosen = mine.sample(lane_ids, mine.randrange(1, min(3, lanes) + 1))
            events.append(office.append(*chosen, subject=f"order/{mine.randrange(5)}/{number % 7}"))
        return events

    async with working(office, writer, perform):
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(APPENDERS) as pool:
            tasks = [loop.run_in_executor(pool, append_some, seed) for seed in range(APPENDERS)]
            events = [event_id for appended in await asyncio.gather(*tasks) for event_id in appended]
        await writer.until(lambda: office.pending() == 0)

    assert len(events) == len(set(events)) == EVENTS
    deliveries = {(row["event_id"], row["lane_id"]) for row in office.rows("select event_id, lane_id from delivery")}
    assert performing == dict.fromkeys(deliveries, 1)
    tries = office.rows("select event_id, lane_id, count(*) as n from attempt group by event_id, lane_id")
    assert {(row["event_id"], row["lane_id"]): row["n"] for row in tries} == dict.fromkeys(deliveries, 1)
    assert office.rows("select 1 from lane where lease_token is not null or crashes > 0") == []


async def test_a_retry_comes_in_time_though_nobody_rings(office: Office, writer: WatchedWriter) -> None:
    event_id = office.append(office.add_lane())
    outcomes: list[Outcome] = [Retry("again"), Retry("again"), Done()]
    async with working(office, writer, Performing(lambda _: outcomes.pop(0))):
        await writer.until(lambda: office.state(event_id) == State.DONE)

    assert office.outcomes(event_id) == ["retry", "retry", "done"]
