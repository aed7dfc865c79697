"""Hand-over: the process that appends takes an idle lane with the ring, and starts what it has appended from memory."""

from collections.abc import Sequence
from typing import Any

import pytest

from ombud.db.operation import Operation, Row
from ombud.mailbox.lease import lane_of
from ombud.mailbox.model import NEVER, Delivery, Done, Lane, State
from ombud.mailbox.ring import Appended, Hold
from tests.behaviour.conftest import LEASE_SECONDS
from tests.mailbox.office import Office, StoppedClock


class Ear:
    """A bell of a process that performs: notes what it is told, in order."""

    def __init__(self) -> None:
        self.token: int | None = 77
        self.held: dict[int, Hold] = {}
        self.lanes: list[Lane] = []
        self.still: list[int] = []
        self.facts: list[Row] = []
        self.appended: list[Appended] = []
        self.calls: list[str] = []

    def take(self) -> int | None:
        return self.token

    def hold_of(self, lane_id: int) -> Hold | None:
        return self.held.get(lane_id)

    def taken(self, lanes: list[tuple[Any, ...]], _gifts: list[Any]) -> None:
        self.calls.append("taken")
        self.lanes += [lane_of(row) for row in lanes]

    def kept(self, lanes: list[tuple[Any, ...]], _gifts: list[Any]) -> None:
        self.calls.append("kept")
        self.still += [lane_id for (lane_id,) in lanes]

    def learned(self, facts: list[Row], _gifts: list[Any]) -> None:
        self.calls.append("learned")
        self.facts += facts

    def rung(self, _lanes: list[tuple[Any, ...]], gifts: list[Sequence[Appended]]) -> None:
        self.calls.append("rung")
        self.appended += [one for gift in gifts for one in gift]


@pytest.fixture
def ear(office: Office) -> Ear:
    office.mailbox.bell = made = Ear()
    return made


def test_an_append_leases_an_idle_lane(office: Office, ear: Ear, clock: StoppedClock) -> None:
    lane_id = office.add_lane(window=3, shop_id=5)
    event_id = office.append(lane_id, shop_id=5)

    (lane,) = ear.lanes
    assert (lane.id, lane.shop_id, lane.token, lane.health.window, lane.crashes) == (lane_id, 5, 77, 3, 0)
    assert office.lease() == []
    assert lane.leased_until == clock() + LEASE_SECONDS * 1_000_000
    assert ear.calls == ["taken", "kept", "learned", "rung"]
    assert [facts["note"] for facts in ear.facts] == ["first"]
    (appended,) = ear.appended
    assert (appended.lane_id, appended.changed) == (lane_id, False)
    assert [delivery.event_id for delivery in appended.deliveries] == [event_id]


def test_what_is_in_memory_is_what_a_load_would_bring(office: Office, ear: Ear) -> None:
    lane_id = office.add_lane()
    draft = office.draft(lane_id, subject="order/90017")
    office.run(lambda: office.mailbox.append([draft]))
    (appended,), (lane,) = ear.appended, ear.lanes

    assert list(appended.deliveries) == office.load(lane).deliveries


def test_it_is_settled_and_released_like_any_other(office: Office, ear: Ear) -> None:
    event_id = office.append(office.add_lane())
    (lane,), (delivery,) = ear.lanes, ear.appended[0].deliveries

    assert office.settle(lane, delivery, Done())
    office.release(lane)
    assert office.state(event_id) == State.DONE
    assert office.lane(lane.id)["crashes"] == 0


@pytest.mark.parametrize(
    "change",
    [
        "lease_token = 5, wake_at = wake_at + 0",
        "wake_at = 0",
        "hold_until = 4611686018427387904",
        "hold_until = rested_at + 60000000",
        "closed_at = rested_at",
        "rested_at = rested_at + 1",
    ],
    ids=["leased", "due", "paused", "held", "closed", "owned since"],
)
def test_a_lane_that_needs_a_load_is_left_alone(office: Office, ear: Ear, change: str) -> None:
    lane_id = office.add_lane()
    office.rows(f"update lane set {change} where id = :id", id=lane_id)
    before = office.lane(lane_id)["lease_token"]
    event_id = office.append(lane_id)

    assert ear.lanes == []
    assert office.lane(lane_id)["lease_token"] == before
    assert [appended.lane_id for appended in ear.appended] == [lane_id]
    assert office.state(event_id) == State.PENDING


def test_a_lane_that_is_known_to_be_owned_is_not_taken(office: Office, ear: Ear) -> None:
    mine, other = office.add_lane(), office.add_lane()
    office.rows("update lane set lease_token = 5 where id = :id", id=mine)
    ear.held[mine] = Hold(5, 0)
    office.append(mine, other)

    assert [lane.id for lane in ear.lanes] == [other]
    assert ear.still == [mine]
    assert len(ear.facts) == 2
    assert sorted((one.lane_id, one.hold) for one in ear.appended) == [(mine, Hold(5, 0)), (other, None)]


@pytest.mark.parametrize(
    ("token", "hold_until", "wakes"),
    [(None, 0, True), (6, 0, False), (5, NEVER, False)],
    ids=["given back", "lost", "paused"],
)
def test_a_lane_that_is_not_owned_any_more_is_rung(
    office: Office, ear: Ear, clock: StoppedClock, token: int | None, hold_until: int, *, wakes: bool
) -> None:
    lane_id, values = office.add_lane(), {"token": token, "hold_until": hold_until}
    office.rows("update lane set lease_token = :token, hold_until = :hold_until where id = :id", id=lane_id, **values)
    ear.held[lane_id] = Hold(5, 0)
    office.append(lane_id)

    assert (ear.still, ear.lanes) == ([], [])
    assert (office.lane(lane_id)["wake_at"] == clock()) is wakes


def test_without_room_it_only_rings(office: Office, ear: Ear, clock: StoppedClock) -> None:
    ear.token = None
    lane_id = office.add_lane()
    office.append(lane_id)

    assert (ear.calls, ear.lanes) == (["rung"], [])
    assert ear.appended == [Appended(lane_id)]
    assert office.lane(lane_id)["wake_at"] == clock()


def test_a_lane_with_work_for_later_is_taken_all_the_same(office: Office, ear: Ear, clock: StoppedClock) -> None:
    ear.token = None
    lane_id = office.add_lane()
    later = office.append(lane_id)
    office.rows("update delivery set due_at = due_at + 60000000 where event_id = :id", id=later)
    office.release(office.lease_one())
    ear.token = 77
    clock.jump(1)
    office.append(lane_id, subject="order/2")

    assert [lane.id for lane in ear.lanes] == [lane_id]
    assert office.release(ear.lanes[0]) == clock()


def test_two_appends_of_one_commit_share_a_lane(office: Office, ear: Ear) -> None:
    """Each has a token of its own."""
    lane_id = office.add_lane()

    def twice() -> Operation[list[int]]:
        first = yield from office.mailbox.append([office.draft(lane_id)])
        ear.token = 78
        second = yield from office.mailbox.append([office.draft(lane_id, subject="order/2")])
        return first + second

    events = office.run(twice)
    assert {lane.id for lane in ear.lanes} == {lane_id}
    assert office.lease() == []
    found: list[Delivery] = [delivery for appended in ear.appended for delivery in appended.deliveries]
    assert [delivery.event_id for delivery in found] == events


def test_a_new_or_long_silent_lane_starts_narrow(office: Office, ear: Ear, clock: StoppedClock) -> None:
    lane_id = office.add_lane(window=64)
    clock.jump(3_600)
    office.append(lane_id)
    assert ear.lanes[0].health.window == 64
    office.rows("update lane set lease_token = null, wake_at = 4611686018427387904")
    clock.jump(0.000001)
    office.append(lane_id)
    assert ear.lanes[1].health.window == 2


def test_nothing_is_announced_of_what_was_not_stored(office: Office, ear: Ear) -> None:
    lane_id = office.add_lane()

    def fail() -> Operation[None]:
        yield from office.mailbox.append([office.draft(lane_id)])
        raise RuntimeError("never mind")

    with pytest.raises(RuntimeError):
        office.run(fail)
    assert (ear.calls, ear.lanes) == ([], [])
    assert office.is_free(lane_id)
