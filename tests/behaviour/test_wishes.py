"""What a destination asks for: a pace, the newest alone, a schedule of its own."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from ombud.mailbox.mailbox import Policy
from ombud.mailbox.model import Delivery, Done, Fault, Outcome, Retry, State
from ombud.mailbox.wishes import SLACK
from tests.mailbox.office import Office, Performing, WatchedWriter, working

PACE = 40_000
# Microseconds between the moment when a try is admitted and that which is on record, on a busy machine.
NOTED_LATE = 10_000
SLOW_SECONDS = 1_000.0


@pytest.fixture
def policy(policy: Policy) -> Policy:
    return replace(policy, schedules={"slow": (SLOW_SECONDS,)})


@pytest.fixture
def office(working_office: Office) -> Office:
    return working_office


def starts(office: Office) -> list[int]:
    return sorted(row["at"] for row in office.rows("select at from attempt"))


def keeps_pace(at: list[int], pace: int) -> bool:
    """Whether no start came before its time, counted from the first, which a busy machine may have noted late."""
    return all(when >= at[0] + place * pace - SLACK - NOTED_LATE for place, when in enumerate(at))


@pytest.mark.parametrize("paced", [True, False])
async def test_a_pace_is_kept(office: Office, writer: WatchedWriter, *, paced: bool) -> None:
    lane_id, beside = office.add_lane(window=16), office.add_lane(window=16)
    if paced:
        office.wish(lane_id, pace=PACE)
    for place in range(10):
        office.append(lane_id, subject=f"order/{place}")
    performing = Performing()
    async with working(office, writer, performing):
        await performing.until_started(1)
        quick = office.append(beside)
        await writer.until(lambda: office.state(quick) == State.DONE)
        assert (office.pending() > 0) == paced
        await writer.until(lambda: office.pending() == 0)

    at = [row["at"] for row in office.rows("select at from attempt where lane_id = :id order by at", id=lane_id)]
    assert len(at) == 10
    # The control: without one they start together.
    assert keeps_pace(at, PACE) == paced


async def test_a_pace_outlives_a_lane_that_has_nothing_more_to_do(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane(window=16)
    office.wish(lane_id, pace=10 * PACE)
    async with working(office, writer, Performing()) as (worker, _):
        for place in range(2):
            event_id = office.append(lane_id, subject=f"order/{place}")
            worker.wake()
            await writer.until(lambda event_id=event_id: office.state(event_id) == State.DONE)  # type: ignore[misc]
        await writer.until(lambda: office.is_free(lane_id))

    assert keeps_pace(starts(office), 10 * PACE)


async def test_the_newest_covers_what_waits_about_the_same_of_each_type(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane(window=4)
    office.wish(lane_id, covers="product/")
    performing = Performing()
    performing.hold("product/hot", "order/hot")

    def append(type_: str, subject: str) -> int:
        draft = office.draft(lane_id, subject=subject)._replace(type=type_)
        return office.run(lambda: office.mailbox.append([draft]))[0]

    async with working(office, writer, performing) as (worker, _):
        first = append("product.update", "product/hot"), append("order.new", "order/hot")
        await performing.until_started(2)
        updates = [append("product.update", "product/hot") for _ in range(20)]
        deletion = append("product.delete", "product/hot")
        orders = [append("order.new", "order/hot") for _ in range(3)]
        beside = append("product.update", "product/2")
        worker.wake()
        await writer.until(lambda: office.state(beside) == State.DONE)
        performing.hold("nothing")
        for subject in ("product/hot", "order/hot"):
            performing.let_go(subject)
        await writer.until(lambda: office.pending() == 0)

    assert [office.state(event_id) for event_id in (*first, updates[-1], deletion, *orders)] == [State.DONE] * 7
    # A load reads some of them, and merges what it reads.
    assert performing.subjects.count("product/hot") <= 6
    assert office.delivery(updates[0])["reason"].startswith("covered by evt_")


@pytest.mark.parametrize(("schedule", "least", "most"), [("slow", SLOW_SECONDS, 1_201.0), ("unknown", 0.0, 1.0)])
async def test_a_schedule_of_its_own(
    office: Office, writer: WatchedWriter, schedule: str, least: float, most: float
) -> None:
    lane_id = office.add_lane()
    office.wish(lane_id, schedule=schedule)
    event_id = office.append(lane_id)
    async with working(office, writer, Performing(lambda _: Retry("Answered 404."))):
        await writer.until(lambda: office.delivery(event_id)["attempts"] >= 1)
        delivery = office.delivery(event_id)

    # There may have been another since.
    attempt = office.attempts(event_id)[delivery["attempts"] - 1]
    waits = (delivery["due_at"] - attempt["at"]) / 1_000_000
    assert least <= waits < most


def answers(*outcomes: Outcome) -> Callable[[Delivery], Outcome]:
    left = list(outcomes)
    return lambda _: left.pop(0) if left else Done()


async def test_what_fails_as_a_probe_outlives_its_schedule(office: Office, writer: WatchedWriter) -> None:
    """While a lane is closed it is not the delivery that has failed."""
    sick = Retry("No answer.", after=0.01, fault=Fault.LANE)
    lane_id = office.add_lane()
    event_id = office.append(lane_id)
    async with working(office, writer, Performing(answers(*[sick] * 8))):
        await writer.until(lambda: office.pending() == 0)

    assert office.state(event_id) == State.DONE
    assert office.delivery(event_id)["attempts"] == 9
    assert all(later >= sooner for sooner, later in pairwise(starts(office)))
