"""Who gets how much: shares of the slots, replays behind what is live, and the newest that covers the older."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from ombud.mailbox.mailbox import Policy
from ombud.mailbox.model import Delivery, Done, Outcome, Rank, State
from ombud.mailbox.slots import EVERY_SHOP
from tests.mailbox.office import Office, Performing, WatchedWriter, working

SLOTS = 20


@pytest.fixture
def office(working_office: Office) -> Office:
    return working_office


async def settle_all(performing: Performing, writer: WatchedWriter, office: Office) -> None:
    performing.hold("nothing")
    for subject in set(performing.flying()):
        performing.let_go(subject)
    await writer.until(lambda: office.pending() == 0)


def append(office: Office, lane_id: int, number: int, shop_id: int = 1, name: str = "order") -> list[int]:
    drafts = [office.draft(lane_id, subject=f"{name}/{lane_id}/{place}", shop_id=shop_id) for place in range(number)]
    return office.run(lambda: office.mailbox.append(drafts))


async def rests(writer: WatchedWriter) -> None:
    """Let two more turns pass: what can start has started then."""
    writes = writer.writes
    await writer.write(_nothing)
    await writer.until(lambda: writer.writes >= writes + 1)
    for _ in range(20):
        await asyncio.sleep(0)


def _nothing():  # type: ignore[no-untyped-def]
    yield from ()


async def test_a_shop_holds_a_quarter_of_the_slots(office: Office, writer: WatchedWriter) -> None:
    big = [office.add_lane(window=16, shop_id=1) for _ in range(4)]
    small = office.add_lane(window=16, shop_id=2)
    for lane_id in big:
        append(office, lane_id, 10)
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing, slots=SLOTS) as (worker, _):
        await performing.until_started(SLOTS // 4)
        append(office, small, 10, shop_id=2)
        worker.wake()
        await performing.until_started(SLOTS // 2)
        await rests(writer)
        assert Counter(delivery.shop_id for delivery in performing.in_flight) == {1: SLOTS // 4, 2: SLOTS // 4}
        await settle_all(performing, writer, office)


async def test_lanes_that_serve_every_shop_have_no_such_bound(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane(window=16, shop_id=EVERY_SHOP)
    append(office, lane_id, 30)
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing, slots=SLOTS):
        await performing.until_started(16)
        await settle_all(performing, writer, office)


async def test_a_fifth_of_the_slots_is_kept_for_first_tries(office: Office, writer: WatchedWriter) -> None:
    """Though retries are due before, and stand before them in the same lane."""
    lane_id = office.add_lane(window=64, shop_id=EVERY_SHOP)
    append(office, lane_id, 40)
    office.rows("update delivery set attempts = 1")
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing, slots=SLOTS) as (worker, _):
        await performing.until_started(SLOTS * 4 // 5)
        append(office, lane_id, 10, name="first")
        worker.wake()
        await performing.until_started(SLOTS)
        await rests(writer)
        assert Counter(delivery.attempts for delivery in performing.in_flight) == {1: 16, 0: 4}
        await settle_all(performing, writer, office)


async def test_replays_hold_a_quarter_of_the_slots_and_of_a_window(office: Office, writer: WatchedWriter) -> None:
    lanes = [office.add_lane(window=16, shop_id=EVERY_SHOP) for _ in range(3)]
    for lane_id in lanes:
        events = append(office, lane_id, 30)
        office.rows("update delivery set state = 1 where lane_id = :id", id=lane_id)
        office.replay(*events, lane_id=lane_id)
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing, slots=SLOTS) as (worker, _):
        await performing.until_started(SLOTS // 4)
        await rests(writer)
        assert len(performing.in_flight) == SLOTS // 4
        assert max(Counter(delivery.lane_id for delivery in performing.in_flight).values()) <= 16 // 4
        live = append(office, lanes[0], 8, name="live")
        worker.wake()
        await performing.until_started(SLOTS // 4 + 8)
        assert {one.event_id for one in performing.in_flight if one.rank == Rank.LIVE} == set(live)
        await settle_all(performing, writer, office)

    assert len(performing.started) == 98
    assert {row["state"] for row in office.rows("select state from delivery")} == {State.DONE}


async def test_many_replays_of_a_busy_lane_do_not_wait_for_each_others_turn(
    office: Office, writer: WatchedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few are loaded at a time; when they have ended, the next."""
    monkeypatch.setattr("ombud.mailbox.lease.EXTEND_SECONDS", 3_600.0)
    lane_id = office.add_lane(window=8)
    events = append(office, lane_id, 40)
    office.rows("update delivery set state = 1")
    hanging = office.append(lane_id, subject="order/hangs")
    office.replay(*events, lane_id=lane_id)
    performing = Performing()
    performing.hold("order/hangs")
    async with working(office, writer, performing):
        await writer.until(lambda: office.pending() == 1)
        assert office.state(hanging) == State.PENDING
        performing.let_go("order/hangs")
        await writer.until(lambda: office.pending() == 0)


class TestMerging:
    """In a mailbox where the newest of a subject covers the older."""

    @pytest.fixture
    def policy(self, policy: Policy) -> Policy:
        return replace(policy, merging=True)

    async def test_what_comes_while_its_subject_is_in_flight_is_merged_when_that_ends(
        self, office: Office, writer: WatchedWriter
    ) -> None:
        lane_id = office.add_lane(window=4)
        performing = Performing()
        performing.hold("hot")
        async with working(office, writer, performing) as (worker, _):
            first = office.append(lane_id, subject="hot")
            await performing.until_started(1)
            covered = [office.append(lane_id, subject="hot") for _ in range(30)]
            newest = office.append(lane_id, subject="hot")
            others = [office.append(lane_id, subject=f"order/{number}") for number in range(10)]
            worker.wake()
            await writer.until(lambda: office.pending() == 32)
            assert [office.state(event_id) for event_id in others] == [State.DONE] * 10, "nothing waits behind it"
            performing.let_go("hot")
            await performing.until(lambda: performing.subjects.count("hot") >= 2)
            performing.hold("nothing")
            performing.let_go("hot")
            await writer.until(lambda: office.pending() == 0)

        assert (office.state(first), office.state(newest)) == (State.DONE, State.DONE)
        states = Counter(office.state(event_id) for event_id in covered)
        assert states[State.SKIPPED] + states[State.DONE] == 30
        assert performing.subjects.count("hot") <= 4

    async def test_a_subject_that_is_always_in_flight_costs_no_turns(
        self, office: Office, writer: WatchedWriter
    ) -> None:
        """What waits for it is passed once, not again and again."""
        lane_id = office.add_lane(window=4)
        performing = Performing()
        performing.hold("hot")
        async with working(office, writer, performing):
            office.append(lane_id, subject="hot")
            await performing.until_started(1)
            for _ in range(40):
                office.append(lane_id, subject="hot")
            await rests(writer)
            writes = writer.writes
            for _ in range(2_000):
                await asyncio.sleep(0)
            assert writer.writes - writes <= 10
            performing.hold("nothing")
            performing.let_go("hot")
            await writer.until(lambda: office.pending() == 0)


async def test_without_merging_each_is_performed(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane(window=4)
    told: list[int] = []

    async def perform(delivery: Delivery, _: object) -> Outcome:
        told.append(delivery.event_id)
        return Done()

    events = [office.append(lane_id, subject="hot") for _ in range(20)]
    async with working(office, writer, perform):
        await writer.until(lambda: office.pending() == 0)

    assert told == events
