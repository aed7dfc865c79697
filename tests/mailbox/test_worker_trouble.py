"""A worker in trouble: it goes on, it loses no result, and what it cannot finish it leaves to the next."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ombud.db.files import beside
from ombud.db.locks import FileLock
from ombud.db.operation import Operation, Statement
from ombud.mailbox.model import Dead, Delivery, Done, Outcome, Retry, State
from ombud.mailbox.turn import give_back
from ombud.mailbox.worker import Worker
from tests.mailbox.office import PATIENCE_SECONDS, Clock, Office, Performing, WatchedWriter, working


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for the database are short."""
    monkeypatch.setattr("ombud.db.sqlite.WRITE_WAIT_SECONDS", 0.02)
    monkeypatch.setattr("ombud.mailbox.worker.STORAGE_PAUSE_SECONDS", 0.01)


class Refusal:
    """Keeps every process from writing, and knows how often the worker was told so."""

    def __init__(self, office: Office, caplog: pytest.LogCaptureFixture) -> None:
        self._lock = FileLock(beside(Path(office.database.name), "write"))
        self._caplog = caplog
        assert self._lock.try_acquire()

    def noticed(self) -> bool:
        return any("deliveries wait" in record.message for record in self._caplog.records)

    def end(self) -> None:
        self._lock.close()


@pytest.fixture
def refuse_writes(office: Office, impatient: None, caplog: pytest.LogCaptureFixture) -> Callable[[], Refusal]:
    caplog.set_level(logging.WARNING, "ombud.mailbox")
    return lambda: Refusal(office, caplog)


async def test_results_survive_a_database_that_takes_no_writes(
    office: Office, writer: WatchedWriter, refuse_writes: Callable[[], Refusal]
) -> None:
    lane_id = office.add_lane(window=2)
    events = [office.append(lane_id, subject=f"order/{number}") for number in range(2)]
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing):
        await performing.until_started(2)
        refusal = refuse_writes()
        performing.let_go("order/0")
        performing.let_go("order/1")
        await writer.until(refusal.noticed)
        refusal.end()
        await writer.until(lambda: office.pending() == 0)

    assert [office.outcomes(event_id) for event_id in events] == [["done"], ["done"]]
    assert len(performing.started) == 2


async def test_it_starts_when_the_database_does(
    office: Office, writer: WatchedWriter, refuse_writes: Callable[[], Refusal]
) -> None:
    event_id = office.append(office.add_lane())
    refusal = refuse_writes()
    async with working(office, writer, Performing()):
        await writer.until(refusal.noticed)
        refusal.end()
        await writer.until(lambda: office.state(event_id) == State.DONE)


async def test_it_ends_even_when_the_database_does_not_hear_of_it(
    office: Office, writer: WatchedWriter, refuse_writes: Callable[[], Refusal]
) -> None:
    """What was not recorded is repeated by the next worker, at once."""
    lane_id = office.add_lane()
    event_id = office.append(lane_id)
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing) as (worker, task):
        await performing.until_started(1)
        refusal = refuse_writes()
        worker.stop()
        performing.let_go("order/1")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await task
        refusal.end()

    assert office.state(event_id) == State.PENDING
    assert office.lane(lane_id)["lease_token"] is not None
    async with working(office, writer, Performing()):
        await writer.until(lambda: office.state(event_id) == State.DONE)


async def test_a_bug_in_performing_is_a_try_that_failed(office: Office, writer: WatchedWriter) -> None:
    event_id = office.append(office.add_lane())

    async def perform(_: Delivery, __: object) -> Outcome:
        raise ValueError("no such thing")

    async with working(office, writer, perform):
        await writer.until(lambda: office.state(event_id) == State.DEAD)

    assert [attempt["reason"] for attempt in office.attempts(event_id)] == [
        "internal error: ValueError: no such thing",
        "internal error: ValueError: no such thing",
        "internal error: ValueError: no such thing (attempt 3 was the last)",
    ]


async def test_a_try_that_cancels_itself_counts(office: Office, writer: WatchedWriter) -> None:
    """Or it would be repeated at once, for ever."""
    event_id = office.append(office.add_lane())

    async def perform(_: Delivery, __: object) -> Outcome:
        raise asyncio.CancelledError

    async with working(office, writer, perform):
        await writer.until(lambda: office.state(event_id) == State.DEAD or len(office.attempts(event_id)) > 5)

    assert office.outcomes(event_id) == ["retry", "retry", "dead"]


@pytest.mark.parametrize(
    "outcome",
    [
        Retry("caf\udce9"),
        Retry("x" * 1_000_000),
        Retry("nul \0 nul"),
        Dead("\ud800"),
        Retry("never", after=float("nan")),
        Retry("never", after=float("-inf")),
        Retry("long", after=float("inf")),
        Retry("status", status=1 << 80),
        None,
    ],
    ids=["surrogate", "long", "nul", "dead", "nan", "minus infinity", "infinity", "status", "nothing"],
)
async def test_no_outcome_stops_the_worker(office: Office, writer: WatchedWriter, outcome: Any) -> None:
    strange, plain = office.add_lane(), office.add_lane()
    first = office.append(strange, subject="order/strange")
    performing = Performing(lambda delivery: outcome if delivery.subject == "order/strange" else Done())
    async with working(office, writer, performing) as (worker, _):
        await writer.until(lambda: len(office.attempts(first)) > 0)
        event_id = office.append(plain, subject="order/plain")
        worker.wake()
        await writer.until(lambda: office.state(event_id) == State.DONE)

    assert all(len(attempt["reason"]) <= 1_100 for attempt in office.attempts(first))


def _also_that_fails() -> Operation[None]:
    yield Statement("fails", "insert into nowhere values (1)"), {}


def _also_that_counts() -> Operation[None]:
    yield Statement("counts", "insert into told values (1)"), {}


async def test_more_writing_that_fails_is_a_try_that_failed_and_no_one_elses(
    office: Office, writer: WatchedWriter
) -> None:
    office.rows("create table told(n)")
    poisoned, plain = office.add_lane(window=2), office.add_lane()
    bad, good = office.append(poisoned, subject="order/bad"), office.append(plain, subject="order/good")
    performing = Performing(
        lambda delivery: Done(also=_also_that_fails if delivery.subject == "order/bad" else _also_that_counts)
    )
    performing.hold("order/bad", "order/good")
    async with working(office, writer, performing):
        await performing.until_started(2)
        performing.let_go("order/bad")
        performing.let_go("order/good")
        await performing.until_started(3)
        performing.hold("nothing")
        performing.let_go("order/bad")
        await writer.until(lambda: office.state(bad) == State.DEAD)
        await writer.until(lambda: office.state(good) == State.DONE)

    assert office.outcomes(bad) == ["retry", "retry", "dead"]
    assert "nowhere" in office.delivery(bad)["reason"]
    assert office.outcomes(good) == ["done"]
    assert office.rows("select count(*) as n from told") == [{"n": 1}]


async def test_what_follows_a_settle_comes_after_its_commit_and_cannot_harm(
    office: Office, writer: WatchedWriter
) -> None:
    """Also when the turn had to be written result by result, because another's writing failed."""
    lane_id = office.add_lane(window=3)
    seen: list[int] = []

    def look() -> None:
        seen.append(office.state(events["order/look"]))
        raise RuntimeError("never mind")

    outcomes: dict[str, Outcome] = {
        "order/look": Done(then=look),
        "order/bad": Done(also=_also_that_fails),
        "order/plain": Done(),
    }
    events = {subject: office.append(lane_id, subject=subject) for subject in outcomes}
    performing = Performing(lambda delivery: outcomes[delivery.subject])
    async with working(office, writer, performing):
        await writer.until(lambda: office.pending() == 0)

    assert seen == [State.DONE]
    assert office.outcomes(events["order/look"]) == office.outcomes(events["order/plain"]) == ["done"]


async def test_what_cannot_be_written_at_the_end_keeps_no_other_result(office: Office, writer: WatchedWriter) -> None:
    bad, good = office.add_lane(), office.add_lane()
    first, second = office.append(bad, subject="order/bad"), office.append(good, subject="order/good")
    performing = Performing(lambda delivery: Done(also=_also_that_fails) if delivery.subject == "order/bad" else Done())
    performing.hold()
    async with working(office, writer, performing) as (worker, task):
        await performing.until_started(2)
        worker.stop()
        performing.let_go("order/bad")
        performing.let_go("order/good")
        await task

    assert (office.state(first), office.state(second)) == (State.PENDING, State.DONE)
    assert office.lane(good)["lease_token"] is None


async def test_a_lost_lease_decides_nothing_and_is_on_record(office: Office, writer: WatchedWriter) -> None:
    office.rows("create table told(n)")
    lane_id = office.add_lane()
    event_id = office.append(lane_id)
    performing = Performing(lambda delivery: Done(also=_also_that_counts if delivery.subject == "order/1" else None))
    performing.hold()
    async with working(office, writer, performing) as (worker, _):
        await performing.until_started(1)
        # A thief took it, and says when it will be done.
        thief = {"token": 999, "wake_at": office.clock() + 60_000_000, "id": lane_id}
        office.rows("update lane set lease_token = :token, wake_at = :wake_at where id = :id", **thief)
        performing.let_go("order/1")
        await writer.until(lambda: office.outcomes(event_id) == ["done"])
        # It goes on with what it still owns.
        other = office.append(office.add_lane(), subject="order/2")
        worker.wake()
        await performing.until_started(2)
        performing.let_go("order/2")
        await writer.until(lambda: office.state(other) == State.DONE)

    (attempt,) = office.attempts(event_id)
    assert attempt["late"] == 1
    assert (office.state(event_id), office.delivery(event_id)["attempts"]) == (State.PENDING, 0)
    lane = office.lane(lane_id)
    assert (lane["lease_token"], lane["wake_at"]) == (thief["token"], thief["wake_at"])
    assert office.rows("select count(*) as n from told") == [{"n": 0}]


@pytest.mark.parametrize("seconds", [3_600, -3_600])
async def test_a_clock_that_jumps_starts_nothing_twice(
    office: Office, writer: WatchedWriter, clock: Clock, seconds: float
) -> None:
    """A machine that slept, or was set right: its leases seem to have ended, yet they are its own."""
    lane_id = office.add_lane(window=2)
    event_id = office.append(lane_id)
    performing = Performing()
    performing.hold("order/1")
    async with working(office, writer, performing) as (worker, _):
        await performing.until_started(1)
        clock.jump(seconds)
        after = office.append(lane_id, office.add_lane(), subject="order/2")
        worker.wake()
        await writer.until(lambda: office.state(after, lane_id) == State.DONE)
        performing.let_go("order/1")
        await writer.until(lambda: office.state(event_id) == State.DONE)

    assert performing.subjects.count("order/1") == 1
    assert [attempt["late"] for attempt in office.attempts(event_id)] == [0]
    assert office.lane(lane_id)["lease_token"] is None


async def test_stopping_lets_what_is_in_flight_finish(office: Office, writer: WatchedWriter) -> None:
    lane_id = office.add_lane()
    first, second = office.append(lane_id, subject="order/1"), office.append(lane_id, subject="order/2")
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing) as (worker, task):
        await performing.until_started(1)
        worker.stop()
        performing.let_go("order/1")
        await task

    assert (office.state(first), office.state(second)) == (State.DONE, State.PENDING)
    assert performing.subjects == ["order/1"]
    lane = office.lane(lane_id)
    assert lane["lease_token"] is None
    assert lane["wake_at"] <= office.clock()


async def test_what_a_stop_cuts_burns_no_attempt(office: Office, writer: WatchedWriter, short_stop: None) -> None:
    lane_id = office.add_lane(window=4)
    event_id = office.append(lane_id)
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing) as (worker, task):
        await performing.until_started(1)
        worker.stop()
        await task

    assert performing.in_flight == []
    assert office.outcomes(event_id) == ["interrupted"]
    assert (office.state(event_id), office.delivery(event_id)["attempts"]) == (State.PENDING, 0)
    lane = office.lane(lane_id)
    assert (lane["lease_token"], lane["window_size"], lane["crashes"]) == (None, 4, 0)
    async with working(office, writer, Performing()):
        await writer.until(lambda: office.state(event_id) == State.DONE)


@pytest.mark.parametrize("broken", [False, True], ids=["", "one cannot be written"])
async def test_a_stop_gives_all_lanes_back_at_once(
    office: Office, writer: WatchedWriter, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    lanes = [office.add_lane() for _ in range(5)]
    ids = [office.append(lane_id, subject=f"order/{lane_id}") for lane_id in lanes]
    given: list[int] = []

    def giving_back(mailbox: Any, touches: Any) -> Operation[None]:
        given.append(len(touches))
        if broken and any(touch.lane.id == lanes[2] for touch in touches):
            raise ValueError("no such row")
        yield from give_back(mailbox, touches)

    monkeypatch.setattr("ombud.mailbox.worker.give_back", giving_back)
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing) as (worker, task):
        await performing.until_started(5)
        worker.stop()
        for lane_id in lanes:
            performing.let_go(f"order/{lane_id}")
        await task

    assert set(given) == ({5, 1} if broken else {5}), "an operation may be made more than once"
    kept = {lanes[2]} if broken else set()
    leased = {lane_id for lane_id in lanes if office.lane(lane_id)["lease_token"] is not None}
    done = {
        lane_id for event_id, lane_id in zip(ids, lanes, strict=True) if office.state(event_id, lane_id) == State.DONE
    }
    assert (leased, done) == (kept, set(lanes) - kept)


async def test_a_try_that_cannot_be_cut_does_not_hold_up_the_stop(
    office: Office, writer: WatchedWriter, short_stop: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.mailbox.worker.CUT_SECONDS", 0.01, raising=False)
    lane_id = office.add_lane()
    event_id = office.append(lane_id)
    started, end = asyncio.Event(), asyncio.Event()

    async def perform(_: Delivery, __: object) -> Outcome:
        started.set()
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue
        return Done()

    worker = Worker(office.mailbox, writer, perform)
    task = asyncio.create_task(worker.run())
    await started.wait()
    worker.stop()
    done, _ = await asyncio.wait([task], timeout=5)
    lane = office.lane(lane_id)
    end.set()
    await task

    assert done == {task}
    assert office.state(event_id) == State.PENDING
    assert lane["lease_token"] is not None, "it still runs: the next worker must find the evidence"


@pytest.mark.parametrize("end", ["cancelled", "broken"])
async def test_a_worker_that_ends_badly_leaves_nothing_running(office: Office, writer: WatchedWriter, end: str) -> None:
    """Its performer's lock is free then, and another process starts the same deliveries."""
    office.append(office.add_lane())
    performing = Performing()
    performing.hold()
    worker = Worker(office.mailbox, writer, performing)
    task = asyncio.create_task(worker.run())
    await performing.until_started(1)
    if end == "cancelled":
        task.cancel()
    else:
        office.rows("alter table lane rename to road")
        worker.wake()
    ended = await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert isinstance(ended[0], asyncio.CancelledError if end == "cancelled" else Exception)
    assert performing.in_flight == []


async def test_what_a_crash_left_is_taken_over_at_once(office: Office, writer: WatchedWriter) -> None:
    """The lease of a dead process has half a minute to run; a new performer does not wait for it."""
    lane_id = office.add_lane()
    event_id = office.append(lane_id)
    lane = office.lease_one()
    assert lane.id == lane_id
    performing = Performing()
    performing.hold()
    async with working(office, writer, performing):
        await performing.until_started(1)
        assert office.lane(lane_id)["crashes"] == 1
        performing.let_go("order/1")
        await writer.until(lambda: office.state(event_id) == State.DONE)
        await writer.until(lambda: office.lane(lane_id)["lease_token"] is None)

    assert office.lane(lane_id)["crashes"] == 0


async def test_an_idle_lane_whose_lease_seems_to_have_ended_is_not_used_on_the_old_one(
    office: Office, writer: WatchedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is leased anew and given back, since nothing waits in it; what is appended then is tried once."""
    monkeypatch.setattr("ombud.mailbox.stay.LINGER_LOADS", 1)
    monkeypatch.setattr("ombud.mailbox.holder.LINGER_SECONDS", 3_600.0)
    lane_id = office.add_lane()
    performing = Performing()
    async with working(office, writer, performing) as (worker, _):
        first = office.append(lane_id)
        await writer.until(lambda: office.state(first) == State.DONE)
        token = office.lane(lane_id)["lease_token"]
        assert token is not None, "it stays with a busy lane"
        office.rows("update lane set wake_at = 0")
        worker.wake()
        await writer.until(lambda: office.lane(lane_id)["lease_token"] != token)
        second = office.append(lane_id, subject="order/2")
        await writer.until(lambda: office.state(second) == State.DONE)

    assert performing.subjects == ["order/1", "order/2"]
    assert [attempt["late"] for attempt in office.attempts(second)] == [0]
