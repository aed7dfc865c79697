"""What handlers' options mean in the tables, on every database: waits, what a run answers for, and renames."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ombud.db.operation import Operation, Row, Statement
from ombud.mailbox.ids import format_id
from ombud.mailbox.model import Draft
from ombud.receiver.caller import _arrivals
from ombud.receiver.changes import News, append_change
from ombud.receiver.options import HandlerFacts
from ombud.receiver.receiver import Receiver
from ombud.receiver.registry import register_handlers
from ombud.receiver.shops import Shop, list_shops
from ombud.receiver.telling import sql
from ombud.settings import Settings
from tests.support.databases import Home
from tests.support.processes import PATIENCE_SECONDS

SECOND = 1_000_000
SUBJECT = "product/7"


class StoppedClock:
    def __init__(self) -> None:
        self.now = 1_800_000_000 * SECOND

    def __call__(self) -> int:
        return self.now


class Room:
    """A receiver whose readings a test makes by hand."""

    def __init__(self, home: Home) -> None:
        self.clock = StoppedClock()
        self.receiver = Receiver(home.open(self.clock), Settings(token="a-token-of-tests"))
        self.database = self.receiver.database
        self.changes = self.receiver.changes
        [self.shop] = self.database.read(list_shops)

    def rows(self, text: str, **values: Any) -> list[Row]:
        def once() -> Operation[list[Row]]:
            rows: list[Row] = yield Statement(text, text), values
            return rows

        return self.database.write(once)

    def register(self, *handlers: HandlerFacts) -> dict[str, int]:
        self.database.write(lambda: register_handlers(self.changes, handlers))
        return {row["name"]: row["id"] for row in self.rows("select id, name from handler")}

    def arrive(self, event_type: str = "product.update", subject: str = SUBJECT) -> int:
        draft = Draft(self.shop.id, event_type, subject, [self.shop.reader_lane_id])
        [event_id] = self.database.write(lambda: self.receiver.arrivals.append([draft]))
        return event_id

    def change(self, handler_id: int, handler: HandlerFacts, arrival: int) -> None:
        """An arrival has been read, and the handler must hear of it."""

        def read(shop: Shop) -> Operation[None]:
            reading_id = self.changes.ids.next()
            reading = {"shop_id": shop.id, "id": reading_id, "event_id": arrival, "subject": SUBJECT}
            seen = {"started_at": 0, "milliseconds": 0, "status": 200, "version": "v", "listed": 0}
            yield sql["insert_reading"], reading | seen
            mirror = {"shop_id": shop.id, "subject": SUBJECT, "version": "v", "incarnation": 1}
            yield sql["put_mirror"], mirror | {"reading_id": reading_id, "status": None}
            news = News(shop.id, "product.update", SUBJECT, arrival, {"arrival": arrival})
            yield from append_change(self.changes, handler_id, handler, news)

        self.database.write(lambda: read(self.shop))

    def until(self, check: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not check():
            assert time.monotonic() < deadline, self.last()

    def last(self) -> Row:
        return self.rows(
            "select e.data, e.fan_out, d.due_at, l.wake_at from event e join delivery d"
            " on d.day = e.day and d.event_id = e.id join lane l on l.id = d.lane_id where e.box = 3"
            " order by e.id desc limit 1"
        )[0]


@pytest.fixture
def room(home: Home) -> Iterator[Room]:
    made = Room(home)
    yield made
    made.receiver.close()


def test_a_change_waits_for_quiet_and_no_longer_than_it_may(room: Room) -> None:
    handler = HandlerFacts("sync", ["product.update"], quiet_seconds=10.0, at_most_seconds=15.0)
    handler_id = room.register(handler)["sync"]
    start = room.clock.now
    for passed, due in ((0, 10), (8, 15), (14, 15), (20, 20)):
        room.clock.now = start + passed * SECOND
        room.change(handler_id, handler, room.arrive())
        last = room.last()
        assert (last["due_at"] - start) / SECOND == due
        assert last["fan_out"] == 1
        # Whoever performs wakes for the earliest of them; on PostgreSQL that is written a moment later.
        room.until(lambda: room.last()["wake_at"] == start + 10 * SECOND)


def test_a_run_answers_for_the_webhooks_since_the_change_it_replaces(room: Room) -> None:
    handler = HandlerFacts("sync", ["product.update"], quiet_seconds=10.0, at_most_seconds=50.0)
    handler_id = room.register(handler)["sync"]
    arrivals = []
    for _ in range(3):
        arrivals += [room.arrive(), room.arrive()]
        room.change(handler_id, handler, arrivals[-1])
    data = json.loads(room.last()["data"])
    key = {"shop_id": room.shop.id, "subject": SUBJECT}
    found = room.database.read(lambda: _arrivals(key, data))
    assert found == [format_id("evt", arrival) for arrival in arrivals]
    room.rows("update delivery set state = 1 where state = 0 returning 1")
    arrivals = [room.arrive()]
    room.change(handler_id, handler, arrivals[0])
    data = json.loads(room.last()["data"])
    assert room.database.read(lambda: _arrivals(key, data)) == [format_id("evt", arrivals[0])]


def test_a_change_without_a_wait_is_due_at_once(room: Room) -> None:
    handler = HandlerFacts("sync", ["product.update"])
    handler_id = room.register(handler)["sync"]
    room.change(handler_id, handler, room.arrive())
    assert room.last()["due_at"] == room.clock.now


def test_products_wait_for_their_first_look_when_they_have_been_quiet(room: Room) -> None:
    lane_id = room.shop.reader_lane_id
    first = room.arrive()
    for event_type, subject in (
        ("product.delete", "product/1"),
        ("order.new", "order/2"),
        ("product.add", "product/3"),
    ):
        tried = room.arrive(event_type, subject)
    room.rows("update delivery set attempts = 1 where event_id = :tried returning 1", tried=tried)
    second, until = room.arrive(), room.clock.now
    room.clock.now += SECOND
    room.arrive(subject="product/4")

    def unread(most: int) -> Operation[list[Row]]:
        rows: list[Row] = yield sql["unread_products"], {"lane_id": lane_id, "until": until, "most": most}
        return rows

    found = room.database.read(lambda: unread(100))
    assert {row["subject"] for row in found} == {SUBJECT}
    assert sorted(row["event_id"] for row in found) == [first, second]
    assert room.database.read(lambda: unread(1)) == [{"subject": SUBJECT, "event_id": first}]


def test_a_rename_keeps_the_handler(room: Room) -> None:
    before = room.register(HandlerFacts("ship", ["order.new"]))
    renamed = HandlerFacts("send", ["order.new"], renamed_from=("ship",))
    assert room.register(renamed) == {"send": before["ship"]}
    assert room.register(renamed) == {"send": before["ship"]}
