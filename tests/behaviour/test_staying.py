"""How long a worker stays with a lane: it lingers, reads on, gives way to others, and heeds what people do."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from ombud.mailbox.mailbox import Policy
from ombud.mailbox.model import NEVER, Delivery, Done, Outcome, State
from tests.mailbox.office import Office, Performing, WatchedWriter, working
from tests.support.databases import Home

LANES = "ombud.mailbox.holder.LANES"


@pytest.fixture
def office(working_office: Office) -> Office:
    return working_office


@pytest.fixture
def elsewhere(home: Home, office: Office, policy: Policy) -> Iterator[Office]:
    """The same mailbox in another process."""
    database = home.open()
    yield Office(database, policy)
    database.close()


@pytest.fixture
def lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane that has had work stays leased for long, and is looked into often."""
    monkeypatch.setattr("ombud.mailbox.stay.LINGER_LOADS", 1)
    monkeypatch.setattr("ombud.mailbox.holder.LINGER_SECONDS", 3_600.0)
    monkeypatch.setattr("ombud.mailbox.holder.KEPT_POLL_SECONDS", 0.02)
    monkeypatch.setattr("ombud.mailbox.lease.EXTEND_SECONDS", 0.1)


async def test_a_busy_lane_stays_leased_for_a_while_and_then_sleeps(
    office: Office, writer: WatchedWriter, lingering: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane_id = office.add_lane()
    event_id = office.append(lane_id)
    async with working(office, writer, Performing()):
        await writer.until(lambda: office.state(event_id) == State.DONE)
        token, leased_until = (office.lane(lane_id)[name] for name in ("lease_token", "wake_at"))
        await writer.until(lambda: office.lane(lane_id)["wake_at"] > leased_until)
        assert office.lane(lane_id)["lease_token"] == token is not None
        monkeypatch.setattr("ombud.mailbox.holder.LINGER_SECONDS", 0.0)
        await writer.until(lambda: office.is_free(lane_id))

    assert (office.lane(lane_id)["wake_at"], office.lane(lane_id)["crashes"]) == (NEVER, 0)


async def test_no_lane_rests_where_another_process_appends(
    office: Office, elsewhere: Office, writer: WatchedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What that appends next would wait there until somebody looks."""
    monkeypatch.setattr("ombud.mailbox.holder.REST_SECONDS", 3_600.0)
    lane_id = office.add_lane()
    async with working(office, writer, Performing()):
        event_id = elsewhere.append(lane_id)
        await writer.until(lambda: office.state(event_id) == State.DONE and office.is_free(lane_id))


async def test_a_row_committed_behind_the_cursor_is_found(
    office: Office, elsewhere: Office, writer: WatchedWriter, lingering: None
) -> None:
    """With no ring, and due before what was read last: two that append at once, of which one died."""
    lane_id = office.add_lane(window=8)
    performing = Performing()
    async with working(office, writer, performing):
        first = [office.append(lane_id, subject=f"order/{number}") for number in range(3)]
        await writer.until(lambda: office.pending() == 0)
        draft = elsewhere.draft(lane_id, subject="order/behind")
        (late,), _ = elsewhere.die_after(lambda: elsewhere.mailbox.append([draft]))
        elsewhere.rows("update delivery set due_at = due_at - 60000000 where event_id = :id", id=late)
        await writer.until(lambda: office.state(late) == State.DONE)

    assert [delivery.event_id for delivery in performing.started] == [*first, late]


async def test_when_more_lanes_are_due_than_can_be_owned_each_has_its_turn(
    office: Office, writer: WatchedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its quantum a lane goes to the tail, though it has more to do."""
    monkeypatch.setattr(LANES, 2)
    monkeypatch.setattr("ombud.mailbox.worker.LANES", 2)
    monkeypatch.setattr("ombud.mailbox.holder.QUANTUM_STARTS", 8)
    monkeypatch.setattr("ombud.mailbox.holder.TICK_SECONDS", 0.0)
    lanes = [office.add_lane(window=4) for _ in range(6)]
    for lane_id in lanes:
        drafts = [office.draft(lane_id, subject=f"order/{number}") for number in range(200)]
        office.run(lambda drafts=drafts: office.mailbox.append(drafts))  # type: ignore[misc]
    order: list[int] = []

    async def perform(delivery: Delivery, _: object) -> Outcome:
        order.append(delivery.lane_id)
        await asyncio.sleep(0.001)
        return Done()

    async with working(office, writer, perform):
        await writer.until(lambda: office.pending() == 0)

    assert Counter(order) == dict.fromkeys(lanes, 200)
    first_third = Counter(order[: len(order) // 3])
    assert set(first_third) == set(lanes), "every lane has begun before the first could be done"
    assert max(first_third.values()) < 200


@pytest.mark.parametrize("by", ["itself", "another process"])
async def test_a_paused_lane_starts_nothing_more_until_it_is_resumed(
    office: Office, elsewhere: Office, writer: WatchedWriter, lingering: None, by: str
) -> None:
    person = office if by == "itself" else elsewhere
    lane_id = office.add_lane()
    events = [office.append(lane_id, subject=f"order/{number}") for number in range(4)]
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing):
        await performing.until_started(1)
        person.pause(lane_id)
        for _ in range(2):  # a turn that was under way has not seen it yet
            leased_until = office.lane(lane_id)["wake_at"]
            await writer.until(lambda until=leased_until: office.lane(lane_id)["wake_at"] > until)  # type: ignore[misc]
        performing.hold("nothing")
        performing.let_go("order/0")
        await writer.until(lambda: office.is_free(lane_id))
        assert office.lane(lane_id)["wake_at"] == office.lane(lane_id)["hold_until"] == NEVER
        events.append(office.append(lane_id, subject="order/4"))
        started = list(performing.subjects)
        person.resume(lane_id)
        await writer.until(lambda: office.pending() == 0)

    assert started == ["order/0"]
    assert sorted(performing.subjects) == [f"order/{number}" for number in range(5)]
    assert [office.outcomes(event_id) for event_id in events] == [["done"]] * 5


async def test_a_lane_paused_before_it_was_owned_is_left_alone(office: Office, writer: WatchedWriter) -> None:
    paused, other = office.add_lane(), office.add_lane()
    office.pause(paused)
    performing = Performing()
    async with working(office, writer, performing):
        kept = office.append(paused, other)
        await writer.until(lambda: office.state(kept, other) == State.DONE)

    assert [delivery.lane_id for delivery in performing.started] == [other]
    assert office.state(kept, paused) == State.PENDING
    assert office.is_free(paused)
