"""The janitor at work: rounds of small steps, which trouble does not end."""

import asyncio
import logging

import pytest

from ombud.mailbox import retention
from ombud.mailbox.janitor import Janitor
from ombud.mailbox.model import Ages, State
from tests.behaviour.broken import broken
from tests.behaviour.housekeeping import days, days_pass, end, stored, today
from tests.mailbox.office import PATIENCE_SECONDS, Office, StoppedClock

AGES = Ages(done_days=2, failed_days=5)


@pytest.fixture
def lane_id(office: Office) -> int:
    return office.add_lane()


async def janitor_round(office: Office, ages: Ages = AGES) -> None:
    writer = office.database.open_writer()
    janitor = Janitor(writer, office.clock, ages)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await janitor.round()
    await asyncio.to_thread(writer.close)


async def test_the_janitor_does_it_all_in_a_round(
    office: Office, lane_id: int, clock: StoppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In steps: here of three events."""
    monkeypatch.setattr(retention, "STEP_EVENTS", 3)
    monkeypatch.setattr("ombud.mailbox.janitor.STEP_PAUSE_SECONDS", 0.0)
    events = [office.append(lane_id, subject=f"order/{number}") for number in range(20)]
    for event_id in events[:10]:
        end(office, event_id, State.DONE)
    days_pass(clock, 4)
    await janitor_round(office)

    assert days(office) == [today(office)]
    assert stored(office, "event") == {event_id: {today(office)} for event_id in events[10:]}
    assert office.rows("select seen from clock") == [{"seen": clock()}]


async def test_keys_that_a_dead_janitor_has_left_go_at_the_start(
    office: Office, lane_id: int, clock: StoppedClock
) -> None:
    event_id = office.append(lane_id)
    office.rows("insert into event_key(shop_id, key, event_id) values (1, 'left', :id)", id=event_id)
    end(office, event_id, State.DONE)
    first = today(office)
    days_pass(clock, 4)
    office.run(lambda: retention.open_days(clock()))
    while office.run(lambda: retention.delete_step(first, AGES, clock())):
        pass
    assert office.run(lambda: retention.drop(first, AGES, clock()))
    assert office.rows("select key from event_key") == [{"key": "left"}]

    await janitor_round(office)

    assert office.rows("select key from event_key") == []


class Complaints(logging.Handler):
    """Hears when the janitor complains."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "old days stay" in record.getMessage():
            self.heard.set()


async def test_the_janitor_goes_on_after_trouble(
    office: Office, lane_id: int, clock: StoppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = office.append(lane_id)
    end(office, event_id, State.DONE)
    days_pass(clock, 4)
    writer = office.database.open_writer()
    janitor, complaints = Janitor(writer, office.clock, AGES), Complaints()
    log = logging.getLogger("ombud.mailbox")
    log.addHandler(complaints)
    monkeypatch.setattr("ombud.mailbox.janitor.ROUND_SECONDS", 0.01)
    async with asyncio.timeout(PATIENCE_SECONDS):
        with broken("list_days", "select day", "select night"):
            running = asyncio.create_task(janitor.run())
            await complaints.heard.wait()
        while await asyncio.to_thread(stored, office, "event"):
            clock.jump(2 * retention.CHORE_SECONDS)
        janitor.stop()
        await running
    log.removeHandler(complaints)
    await asyncio.to_thread(writer.close)
