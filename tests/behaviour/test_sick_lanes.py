"""A destination that fails as a whole: its lane closes, is probed, opens again, or is given up; said in time."""

from dataclasses import replace

import pytest

from ombud.db.operation import Operation
from ombud.mailbox.health import Care
from ombud.mailbox.load import GIVEN_UP
from ombud.mailbox.mailbox import Policy
from ombud.mailbox.model import NEVER, Delivery, Done, Fault, Health, Lane, Outcome, Retry, State
from tests.behaviour.conftest import FIRST_PROBE_SECONDS
from tests.mailbox.office import Office, Performing, WatchedWriter, working

SICK = Retry("No answer.", fault=Fault.LANE)
DAY = 86_400 * 1_000_000


@pytest.fixture
def policy(policy: Policy) -> Policy:
    """Deliveries are tried again and again, soon; a destination is given up after days."""
    return replace(policy, retry_seconds=(0.02,) * 50, care=policy.care._replace(gives_up=True))


@pytest.fixture
def office(working_office: Office) -> Office:
    return working_office


class Destination:
    """Answers, or does not; some subjects it never takes."""

    def __init__(self) -> None:
        self.up = False
        self.poison: set[str] = set()

    def __call__(self, delivery: Delivery) -> Outcome:
        return Done() if self.up and delivery.subject not in self.poison else SICK


def append(office: Office, lane_id: int, number: int) -> list[int]:
    drafts = [office.draft(lane_id, subject=f"order/{place}") for place in range(number)]
    return office.run(lambda: office.mailbox.append(drafts))


async def test_it_closes_and_is_probed_one_at_a_time_until_it_answers(office: Office, writer: WatchedWriter) -> None:
    lane_id, well = office.add_lane(window=16), office.add_lane()
    events = append(office, lane_id, 40)
    destination = Destination()
    performing = Performing(lambda delivery: Done() if delivery.lane_id == well else destination(delivery))
    async with working(office, writer, performing) as (worker, _):
        await writer.until(lambda: office.lane(lane_id)["closed_at"] is not None and office.is_free(lane_id))
        lane = office.lane(lane_id)
        assert lane["hold_until"] - lane["closed_at"] >= FIRST_PROBE_SECONDS * 1_000_000
        assert NEVER > lane["wake_at"] >= lane["hold_until"], "later only when that was over as it was given back"
        assert lane["window_size"] == 1
        tried, probes = len(performing.started), lane["probes"]
        performing.most_in_flight = 0
        await writer.until(lambda: office.lane(lane_id)["probes"] >= probes + 3)
        assert performing.most_in_flight == 1
        assert len(performing.started) <= tried + 4
        beside = office.append(well)
        worker.wake()
        await writer.until(lambda: office.state(beside) == State.DONE)
        destination.up = True
        await writer.until(lambda: office.pending() == 0)

    assert [office.state(event_id) for event_id in events] == [State.DONE] * 40
    lane = office.lane(lane_id)
    assert (lane["closed_at"], lane["hold_until"], lane["failures"], lane["failed_subjects"]) == (None, 0, 0, "")
    assert lane["closed_time"] > 0


async def test_it_wakes_when_its_probe_is_due(office: Office, writer: WatchedWriter) -> None:
    office.mailbox.policy = replace(office.mailbox.policy, care=Care(first_probe_seconds=3_600.0))
    lane_id = office.add_lane(window=16)
    append(office, lane_id, 40)
    async with working(office, writer, Performing(Destination())):
        await writer.until(lambda: office.lane(lane_id)["closed_at"] is not None and office.is_free(lane_id))

    lane = office.lane(lane_id)
    assert lane["wake_at"] == lane["hold_until"]


async def test_what_it_cannot_digest_does_not_keep_it_closed(office: Office, writer: WatchedWriter) -> None:
    """The probes rotate: the oldest that waits may be the one thing that it never takes."""
    lane_id = office.add_lane(window=4)
    append(office, lane_id, 5)
    destination = Destination()
    destination.poison = {"order/0"}
    performing = Performing(destination)
    async with working(office, writer, performing):
        await writer.until(lambda: office.lane(lane_id)["closed_at"] is not None)
        destination.up = True
        await writer.until(lambda: office.pending() == 1)
        assert office.lane(lane_id)["closed_at"] is None


async def test_a_pause_that_it_asks_for_is_kept(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane(window=4)
    append(office, lane_id, 8)
    performing = Performing(lambda _: Retry("Answered 429.", after=3_600.0, fault=Fault.LANE, status=429))
    async with working(office, writer, performing):
        await writer.until(lambda: office.lane(lane_id)["closed_at"] is not None and office.is_free(lane_id))

    lane = office.lane(lane_id)
    assert lane["wake_at"] == lane["hold_until"] >= lane["closed_at"] + 3_600_000_000
    assert len(performing.started) <= 4


async def test_somebody_resumes_it_and_it_is_probed_at_once(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane(window=4)
    events = append(office, lane_id, 3)
    outcomes: list[Outcome] = [Retry("Answered 503.", after=3_600.0, fault=Fault.LANE)]
    performing = Performing(lambda _: outcomes[-1])
    async with working(office, writer, performing):
        await writer.until(lambda: office.lane(lane_id)["closed_at"] is not None and office.is_free(lane_id))
        outcomes.append(Done())
        office.rows("update delivery set due_at = 0 where state = 0")
        office.resume(lane_id)
        await writer.until(lambda: office.pending() == 0)

    assert [office.state(event_id) for event_id in events] == [State.DONE] * 3
    assert office.lane(lane_id)["closed_at"] is None


def closed_for(office: Office, lane_id: int, days: float, warned: int = 0) -> None:
    """Make a lane one that has been closed for so long, and whose next probe is due."""
    closed_at = office.clock() - round(days * DAY)
    office.rows(
        "update lane set closed_at = :closed_at, failures = 5, warned = :warned, hold_until = 0 where id = :id",
        id=lane_id,
        closed_at=closed_at,
        warned=warned,
    )


async def test_it_is_said_on_the_days_of_warning_and_when_it_is_given_up(office: Office, writer: WatchedWriter) -> None:
    said: list[tuple[int, int, bool]] = []

    def say(lane: Lane, before: Health, now: Health) -> Operation[None]:
        if now.warned != before.warned or now.given_up_at != before.given_up_at:
            said.append((before.warned, now.warned, now.given_up_at is not None))
        yield from ()

    office.mailbox.on_health = say
    lane_id = office.add_lane()
    destination = Destination()
    events = append(office, lane_id, 3)
    async with working(office, writer, Performing(destination)) as (worker, _):
        for days, warned in ((0.5, 0), (1.5, 1), (3.5, 3), (4.5, 4)):
            await writer.until(lambda: office.is_free(lane_id))
            closed_for(office, lane_id, days, office.lane(lane_id)["warned"])
            probes = office.lane(lane_id)["probes"]
            office.rows("update lane set wake_at = 0 where id = :id", id=lane_id)
            worker.wake()
            await writer.until(lambda probes=probes: office.lane(lane_id)["probes"] > probes)  # type: ignore[misc]
            assert office.lane(lane_id)["warned"] == warned
        await writer.until(lambda: office.is_free(lane_id))
        closed_for(office, lane_id, 5.1, 4)
        office.rows("update lane set wake_at = 0 where id = :id", id=lane_id)
        worker.wake()
        await writer.until(lambda: office.pending() == 0)
        await writer.until(lambda: office.is_free(lane_id))

    # What a build says twice, because a turn was repeated, is no harm.
    assert sorted(set(said)) == [(0, 1, False), (1, 3, False), (3, 4, False), (4, 4, True)]
    assert {office.state(event_id) for event_id in events} == {State.SKIPPED}
    assert {office.delivery(event_id)["reason"] for event_id in events} == {GIVEN_UP}
    assert office.lane(lane_id)["given_up_at"] is not None


async def test_what_was_given_up_stays_so_until_somebody_resumes_it(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane(window=4)
    closed_for(office, lane_id, 6.0, 4)
    destination = Destination()
    performing = Performing(destination)
    first = office.append(lane_id)
    async with working(office, writer, performing):
        await writer.until(lambda: office.state(first) == State.SKIPPED and office.is_free(lane_id))
        assert len(performing.started) == 1
        second = office.append(lane_id, subject="order/2")
        await writer.until(lambda: office.state(second) == State.SKIPPED and office.is_free(lane_id))
        assert len(performing.started) == 1
        destination.up = True
        office.resume(lane_id)
        assert office.replay(first, second, lane_id=lane_id) == 2
        third = office.append(lane_id, subject="order/3")
        await writer.until(lambda: office.pending() == 0)

    assert [office.state(event_id) for event_id in (first, second, third)] == [State.DONE] * 3
    lane = office.lane(lane_id)
    assert (lane["given_up_at"], lane["closed_at"], lane["warned"]) == (None, None, 0)
    assert lane["closed_time"] >= 6 * DAY


async def test_it_resumes_in_the_hands_of_its_owner_too(
    office: Office, writer: WatchedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one try still hangs, the lane stays owned."""
    lane_id = office.add_lane(window=8)
    destination = Destination()
    append(office, lane_id, 8)
    performing = Performing(destination)
    performing.hold("order/7")
    async with working(office, writer, performing):
        await performing.until(lambda: "order/7" in performing.flying())
        await writer.until(lambda: office.lane(lane_id)["closed_at"] is not None)
        assert not office.is_free(lane_id)
        destination.up = True
        performing.let_go("order/7")
        await writer.until(lambda: office.pending() == 0)

    assert office.lane(lane_id)["closed_at"] is None


async def test_time_that_it_was_closed_does_not_count_against_the_deadline(
    office: Office, writer: WatchedWriter
) -> None:
    """Six days closed, and 72 hours to be tried: what failed before is tried again after."""
    object.__setattr__(office.mailbox.policy, "deadline_seconds", 72 * 3_600.0)
    slept, counted = office.add_lane(), office.add_lane()
    outcomes: list[Outcome] = [Retry("Answered 404.")]
    performing = Performing(lambda _: outcomes[-1])
    event_id = office.append(slept, counted)
    long_ago = office.clock() - 6 * DAY
    office.rows("update delivery set attempts = 1, open_since = :since", since=long_ago)
    office.rows("update lane set closed_time = :time where id = :id", time=6 * DAY - 1_000_000, id=slept)
    async with working(office, writer, performing):
        await writer.until(lambda: office.state(event_id, counted) == State.DEAD)
        await writer.until(lambda: office.delivery(event_id, slept)["attempts"] > 1)
        outcomes.append(Done())
        await writer.until(lambda: office.state(event_id, slept) == State.DONE)

    assert "would come after 72 hours" in office.delivery(event_id, counted)["reason"]


async def test_a_thousand_that_die_together_hold_few_slots(office: Office, writer: WatchedWriter) -> None:
    """A lane that was silent for long starts narrow, whatever it had before."""
    lanes = [office.add_lane(window=64) for _ in range(3)]
    office.rows("update lane set rested_at = rested_at - 3600000001")
    for number in range(20):
        office.append(*lanes, subject=f"order/{number}")
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing):
        await performing.until_started(6)
        beside = office.append(office.add_lane(), subject="order/beside")
        await performing.until(lambda: "order/beside" in performing.flying())
        assert len(performing.in_flight) == 7
        performing.hold("nothing")
        for subject in set(performing.flying()):
            performing.let_go(subject)
        await writer.until(lambda: office.pending() == 0)

    assert office.state(beside) == State.DONE


def test_the_usual_care_is_that_of_the_design() -> None:
    assert Care() == Care(window_cap=64, first_probe_seconds=5.0, last_probe_seconds=300.0, gives_up=False)
