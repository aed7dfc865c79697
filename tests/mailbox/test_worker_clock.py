"""A machine whose clock is set while deliveries are under way: what waits, and what is leased, does not care."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ombud.clock import SteadyClock, now_microseconds
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.mailbox import Policy
from ombud.mailbox.model import Delivery, Done, Outcome, Retry, State
from tests.mailbox.office import Clock, Office, Performing, WatchedWriter, working

# Seconds: until the next try, without the jitter; and what a busy machine may take beside it.
RETRY_SECONDS = 0.4
PATIENCE_SECONDS = 5.0
HOUR = 3_600.0


@pytest.fixture
def machine() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path, machine: Clock) -> Iterator[SqliteDatabase]:
    opened = SqliteDatabase(tmp_path / "ombud.db", SteadyClock(wall=machine))
    yield opened
    opened.close()


def seconds_to_2038() -> float:
    return 2_147_483_648 - now_microseconds() / 1e6


@pytest.mark.parametrize(
    "jump",
    [-HOUR, HOUR, -24 * HOUR, 24 * HOUR, -now_microseconds() / 1e6, seconds_to_2038()],
    ids=["an hour back", "an hour on", "a day back", "a day on", "to 1970", "to 2038"],
)
async def test_a_clock_that_is_set_freezes_nothing_and_makes_nothing_due_early(
    database: SqliteDatabase, machine: Clock, jump: float
) -> None:
    office, writer = Office(database, Policy(retry_seconds=(RETRY_SECONDS,))), WatchedWriter(database)
    hangs, fails = office.add_lane(), office.add_lane()
    hanging = office.append(hangs, subject="order/hangs")
    tries: list[float] = []

    def note(delivery: Delivery) -> Outcome:
        if delivery.subject == "order/hangs":
            return Done()
        tries.append(time.monotonic())
        if len(tries) > 1:
            return Done()
        machine.jump(jump)
        return Retry("again")

    performing = Performing(note)
    performing.hold("order/hangs")
    async with working(office, writer, performing):
        await performing.until_started(1)
        retried = office.append(fails, subject="order/fails")
        await writer.until(lambda: office.state(retried) == State.DONE)
        late = office.append(fails, hangs, subject="order/late")
        await writer.until(lambda: office.state(late, fails) == State.DONE)
        performing.let_go("order/hangs")
        await writer.until(lambda: office.pending() == 0)
    writer.close()

    gap = tries[1] - tries[0]
    assert 0.8 * RETRY_SECONDS <= gap <= 1.2 * RETRY_SECONDS / 0.9 + PATIENCE_SECONDS
    assert performing.subjects.count("order/hangs") == 1
    assert [row["late"] for row in office.attempts(hanging)] == [0]
    assert office.rows("select 1 from lane where crashes > 0") == []
