"""What people are shown, on both databases: events, arrivals, and both sides at once, of databases in every state."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from ombud.admin.arrivals import get_arrival, list_arrivals
from ombud.admin.events import Document, get_event, list_events
from ombud.admin.inbox_search import Sought
from ombud.admin.overview import is_performed, receiver_overview, sender_overview, stories, waiting_seconds
from ombud.db.database import Database
from ombud.errors import NotFound
from ombud.mailbox.ids import ID_LIMIT, parse_id
from ombud.mailbox.model import Box
from ombud.sender.sender import Sender
from ombud.settings import Settings
from tests.admin.audited import NAMES, make_receiver, make_sender
from tests.admin.post import once
from tests.mailbox.office import StoppedClock
from tests.support.databases import KINDS, Home, lend_home
from tests.support.postgres import PostgresServers

EVERYTHING = ID_LIMIT - 1


@pytest.fixture(scope="module", params=KINDS)
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_servers: PostgresServers
) -> Iterator[Database]:
    """One database with a sender and a receiver."""
    with lend_home(request.param, tmp_path_factory.mktemp("both"), postgres_servers) as home:
        make: Callable[[Home], None]
        for make in (make_sender, make_receiver):
            make(home)
        opened = home.open()
        yield opened
        opened.close()


def test_events_come_newest_first_with_their_deliveries_counted(database: Database) -> None:
    events = database.read(lambda: list_events(EVERYTHING, 100))
    assert [event["event_type"] for event in events] == ["product.add"] * 4 + ["order.new"] * 12
    assert [event["id"] for event in events] == sorted((event["id"] for event in events), reverse=True)
    assert {sum(event["deliveries"].values()) for event in events} == {len(NAMES), len(NAMES) - 1}
    assert all(sum(event["deliveries"].values()) == event["fan_out"] for event in events)


def test_pages_join_without_a_gap(database: Database) -> None:
    events = database.read(lambda: list_events(EVERYTHING, 100))
    before, pages = EVERYTHING, []
    while page := database.read(partial(list_events, before, 3)):
        pages += page
        before = parse_id("evt", page[-1]["id"])
    assert pages == events


def test_an_event_has_its_deliveries_and_their_attempts(database: Database) -> None:
    for listed in database.read(lambda: list_events(EVERYTHING, 100)):
        event = database.read(partial(get_event, parse_id("evt", listed["id"])))
        states = [delivery["state"] for delivery in event["deliveries"]]
        assert {state: states.count(state) for state in listed["deliveries"]} == listed["deliveries"]
        assert all(delivery["url"] for delivery in event["deliveries"])
        assert all(delivery["attempts"] for delivery in event["deliveries"] if delivery["state"] in {"done", "dead"})
    with pytest.raises(NotFound):
        database.read(lambda: get_event(77))


def arrivals_of(database: Database, rows: int, subject: str | None = None) -> list[Document]:
    return database.read(lambda: list_arrivals(EVERYTHING, rows, Sought(subject=subject)))[0]


def test_an_arrival_is_no_event_of_the_sender(database: Database) -> None:
    [arrival, *_] = arrivals_of(database, 1)
    with pytest.raises(NotFound):
        database.read(lambda: get_event(parse_id("evt", arrival["id"])))


def test_arrivals_tell_what_reading_them_found_and_who_was_told(database: Database) -> None:
    arrivals = arrivals_of(database, 100)
    assert [(one["event_type"], one["subject"], one["state"], len(one["runs"])) for one in arrivals] == [
        ("malformed", None, "stored", 0),
        ("product.update", "product/9", "pending", 0),
        ("product.delete", "product/8", "done", 0),
        ("product.update", "product/7", "done", 2),
        ("product.add", "product/7", "done", 2),
        ("order.done", "order/1", "done", 2),
        ("order.new", "order/1", "skipped", 2),
        ("order.new", "order/1", "skipped", 2),
    ]
    assert [one["read"] and one["read"]["status"] for one in arrivals] == [None, None, 404, 200, 200, 200, 200, 200]
    for one in arrivals:
        assert database.read(partial(get_arrival, parse_id("evt", one["id"]))) == one
    of_subject = arrivals_of(database, 100, "product/7")
    assert of_subject == [one for one in arrivals if one["subject"] == "product/7"]


def test_runs_are_those_of_the_very_reading(database: Database) -> None:
    [update, add] = arrivals_of(database, 100, "product/7")
    assert {(run["handler"], run["event_type"], run["state"]) for run in add["runs"]} == {
        ("ship", "product.add", "done"),
        ("left", "product.add", "done"),
    }
    assert {run["event_type"] for run in update["runs"]} == {"product.update"}


def test_a_change_that_says_nothing_readable_is_told_of_no_reading(database: Database) -> None:
    class TakenBackError(Exception):
        pass

    def damage() -> Any:
        for data in ("no json", "[]", None):
            yield from once("update event set data = :data where box = 3 returning 1", data=data)
            arrivals, _ = yield from list_arrivals(EVERYTHING, 100, Sought(subject="product/7"))
            assert [one["runs"] for one in arrivals] == [[], []]
        raise TakenBackError

    with pytest.raises(TakenBackError):
        database.write(damage)


def test_the_senders_page(database: Database) -> None:
    sender = Sender(database, Settings())
    try:
        page = database.read(lambda: sender_overview(sender.endpoints))
    finally:
        sender.writer.close()
    last = {one["url"]: one["last_delivery"] for one in page["endpoints"]}
    assert len(last) == len(NAMES) - 1
    assert {delivery["event_type"] for delivery in last.values()} == {"product.add"}
    assert [event["event_type"] for event in page["events"]] == ["product.add"] * 4 + ["order.new"] * 12
    assert all(len(event["deliveries"]) == event["fan_out"] for event in page["events"])


def test_the_receivers_page(database: Database) -> None:
    page = database.read(receiver_overview)
    assert [(one["subject"], one["state"], one["tries"], len(one["runs"])) for one in page["arrivals"]][:4] == [
        (None, "stored", 0, 0),
        ("product/9", "pending", 0, 0),
        ("product/8", "done", 1, 0),
        ("product/7", "done", 1, 2),
    ]


def test_an_event_meets_its_arrival(database: Database) -> None:
    event = {"id": "evt_0000000000000", "event_type": "product.add", "subject": "product/7"}
    [story] = database.read(lambda: stories([event]))
    assert story["arrival"]["event_type"] == "product.add"
    later = {**event, "id": story["arrival"]["id"][:-1] + "z", "event_type": "product.add", "subject": "product/8"}
    assert database.read(lambda: stories([later]))[0]["arrival"] is None


def test_work_that_is_due_has_waited(database: Database) -> None:
    now = database.clock()
    assert 0 < database.read(lambda: waiting_seconds(Box.INBOX, now + 1_000_000)) < 600
    assert database.read(lambda: waiting_seconds(Box.OUTBOX, 0)) == 0


def test_whether_somebody_performs(home: Home) -> None:
    make_receiver(home)
    clock = StoppedClock()
    database = home.open(clock)
    clock.jump(60)
    try:
        assert not is_performed(database, Box.INBOX)
        if database.exclusive:
            seat = database.seat("inbox")
            assert seat.try_take()
            assert is_performed(database, Box.INBOX)
            seat.close()
        else:
            # Nothing is due there: nobody need do anything.
            assert is_performed(database, Box.OUTBOX)
            until = clock() + 1
            assert database.write(lambda: once(f"update lane set lease_token = 1, wake_at = {until} returning 1"))
            assert is_performed(database, Box.INBOX)
    finally:
        database.close()
