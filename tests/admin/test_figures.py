"""The overview's figures: counted behind the appends, once, and read from counts alone."""

import asyncio
from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from ombud.admin import counting
from ombud.admin.access import Caller
from ombud.admin.books import Books
from ombud.admin.counting import Counting
from ombud.admin.figures import PERIODS, Figures, figures_document, read_figures
from ombud.admin.tally import SPAN, Tally
from ombud.db.migrate import migrate
from ombud.errors import StorageUnavailable
from ombud.mailbox.model import Delivery, Done, Retry
from ombud.sender.endpoint import Endpoint, EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings
from tests.admin.post import Post
from tests.support.databases import Home
from tests.support.tries import tell

SECOND = 1_000_000
START = 1_800_000_000 * SECOND
OPERATOR, SEVEN = Caller("operator"), Caller("seven", shop_id=7)


class Desk:
    """A sender on a clock that is moved, with an endpoint of shop 7 and one of shop 8."""

    def __init__(self, home: Home) -> None:
        self.now = START
        self.database = home.open(lambda: self.now)
        migrate(self.database, ["ombud.admin"])
        self.sender = Sender(self.database, Settings(allow_networks=(ip_network("127.0.0.0/8"),)))
        self.seven, self.eight = self._add(7), self._add(8)
        self.counting = Counting(self.sender)

    def _add(self, shop_id: int) -> Endpoint:
        edit = EndpointEdit(f"http://127.0.0.1:9/{shop_id}")
        return self.database.write(lambda: self.sender.endpoints.add(edit, shop_id))

    async def publish(self, shop_id: int, events: int) -> None:
        """Publish events of a shop, a second apart."""
        for number in range(events):
            self.now += SECOND
            await self.sender.publish([Event("order.new", f"{self.now}-{number}", shop_id)])

    async def count(self) -> None:
        """Count all that can be counted."""
        self.now += 60 * SECOND
        while await self.counting.count():
            pass

    def figures(self, caller: Caller = OPERATOR, period: str = "1h") -> Figures:
        """Read the figures of a caller."""
        return self.database.read(lambda: read_figures(self.sender.endpoints, caller, PERIODS[period], self.now))

    def close(self) -> None:
        """End."""
        self.sender.close()


@pytest.fixture
def desk(home: Home) -> Iterator[Desk]:
    made = Desk(home)
    yield made
    made.close()


def delivery(endpoint: Endpoint) -> Delivery:
    return Delivery(1, 7, 1, endpoint.lane_id, "order.new", "order/1", None, START, START, 0, 0, 0, None)


async def test_events_are_counted_once_by_shop_whoever_counts(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "STEP_EVENTS", 3)
    await desk.publish(7, 5)
    await desk.publish(8, 2)
    await desk.sender.writer.write(lambda: desk.sender.endpoints.test(desk.seven.id))  # not an event of a shop
    other = Counting(desk.sender)
    desk.now += 60 * SECOND
    await other.count()
    await asyncio.gather(*(one.count() for one in (other, desk.counting) * 4))
    await desk.count()
    await desk.publish(8, 1)
    await desk.count()
    assert [desk.figures(caller).accepted for caller in (OPERATOR, SEVEN)] == [8, 5]
    assert sum(point.accepted for point in desk.figures().points) == 8


async def test_what_is_still_being_committed_is_counted_later(desk: Desk) -> None:
    await desk.count()
    await desk.publish(7, 1)
    await desk.counting.count()
    assert desk.figures().accepted == 0
    await desk.count()
    assert desk.figures().accepted == 1


async def test_the_figures_of_a_time(desk: Desk) -> None:
    tally = Tally(desk.sender)
    for _ in range(3):
        tell(desk.sender, delivery(desk.seven), Done(200), 20)
    tell(desk.sender, delivery(desk.eight), Retry("no", status=503), 200)
    await tally.flush()
    await desk.publish(7, 2)
    await asyncio.to_thread(Post(desk.database, desk.sender.outbox.mailbox).wait_for_rings)
    desk.now += 10 * SECOND
    await desk.counting.sample()
    await desk.count()
    whole, mine = desk.figures(), desk.figures(SEVEN)
    assert (whole.count.done, whole.count.failed, whole.waiting, whole.accepted) == (3, 1, 2, 2)
    assert (mine.count.done, mine.count.failed, mine.waiting, mine.more) == (3, 0, 2, False)
    assert whole.oldest_seconds == mine.oldest_seconds == 71.0
    assert [point.waiting for point in whole.points if point.waiting is not None] == [2]
    # Trouble first, and of another shop nothing.
    assert [doing.document["shop_id"] for doing in whole.doings] == [8, 7]
    assert [doing.document["shop_id"] for doing in mine.doings] == [7]
    document = figures_document(whole)
    assert document["milliseconds"] == {"p50": 25, "p95": 250, "p99": 250}
    assert document["endpoints"][0]["last_status"] == 503
    assert sum(point["delivered"] for point in document["points"]) == 3
    for period in PERIODS:
        assert (desk.figures(period=period).count.tries, desk.figures(SEVEN, period).count.tries) == (4, 3)
    desk.now += 2 * 6 * SPAN
    assert desk.figures().count.tries == desk.figures().accepted == 0
    assert desk.figures(period="24h").count.tries == 4


async def test_endpoints_in_trouble_come_first_however_old(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ombud.admin.figures.ROWS", 2)
    assert [doing.document["shop_id"] for doing in desk.figures().doings] == [8, 7]
    third = desk._add(9)
    assert [doing.document["shop_id"] for doing in desk.figures().doings] == [9, 8]
    tally = Tally(desk.sender)
    tell(desk.sender, delivery(desk.seven), Retry("no"), 200)
    await tally.flush()
    assert [doing.document["shop_id"] for doing in desk.figures().doings] == [7, 9]
    desk.database.write(lambda: desk.sender.endpoints.delete(desk.seven.id))
    assert [doing.document["shop_id"] for doing in desk.figures().doings] == [9, 8]
    assert third.id


async def test_books_are_kept_beside_the_deliveries(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the database takes nothing for a moment, and when nobody foresaw what goes wrong."""
    counted, failed = asyncio.Event(), asyncio.Event()
    was, trouble = Counting.count, [RuntimeError("a mistake of ours"), StorageUnavailable("not now")]

    async def count(self: Counting) -> bool:
        if trouble:
            error = trouble.pop()
            if not trouble:
                failed.set()
            raise error
        more = await was(self)
        counted.set()
        return more

    monkeypatch.setattr(Counting, "count", count)
    monkeypatch.setattr(counting, "COUNT_SECONDS", 0.01)
    running = asyncio.create_task(Books(desk.sender).run())
    async with asyncio.timeout(30):
        await failed.wait()
        await counted.wait()
        desk.sender.stop()
        await running
