"""Counts of tries: added up by several processes, read by ten minutes, forgotten after a week."""

from typing import Any

from ombud.admin.tally import BOUNDS, KEPT, SPAN, Count, Tally, counts_of, store, together
from ombud.db.migrate import migrate
from ombud.mailbox.model import Delivery, Done, Interrupted, Retry
from ombud.sender.outbox import TEST_DATA
from ombud.sender.sender import Sender
from ombud.settings import Settings
from tests.support.databases import Home
from tests.support.tries import tell

NOW = 1_800_000_000_000_000
START = NOW - NOW % SPAN


def delivery(lane_id: int) -> Delivery:
    return Delivery(1, 1, 1, lane_id, "order.new", "order/1", None, NOW, NOW, 0, 0, 0, None)


async def test_tries_are_counted_and_added_up(home: Home) -> None:
    database = home.open(lambda: NOW)
    migrate(database, ["ombud.admin"])
    senders = [Sender(database, Settings()), Sender(database, Settings())]
    tallies = [Tally(sender) for sender in senders]
    for sender in senders:
        tell(sender, delivery(1), Done(200), 20)
        tell(sender, delivery(1), Retry("no", status=503), 200)
        tell(sender, delivery(2), Retry("no answer"), 11_000)
        tell(sender, delivery(1), Interrupted(), 100)
        tell(sender, delivery(1)._replace(data=TEST_DATA), Done(200), 5)
    for tally in tallies:
        await tally.flush()
        await tally.flush()

    def found(lanes: list[int], since: int = START) -> Any:
        counts = database.read(lambda: counts_of(lanes, since)).values()
        starts = sorted({start for lane in counts for start in lane})
        return {start: together(lane[start] for lane in counts if start in lane) for start in starts}

    one, both = found([1])[START], found([1, 2])[START]
    assert (one.done, one.failed, one.last_at, one.last_status) == (2, 2, NOW, 503)
    assert (one.quantile(0.5), one.quantile(0.95), both.quantile(1.0)) == (25, 250, 20_000)
    assert (both.tries, together([one, one]).tries) == (6, 8)
    assert found([3]) == found([1], START + SPAN) == {}
    assert Count().quantile(0.95) is None
    old = {(1, START - KEPT - SPAN): one}
    await senders[0].writer.write(lambda: store(old, NOW))
    assert found([1], 0).keys() == {START}
    for sender in senders:
        sender.writer.close()
    database.close()


async def test_counts_wait_when_the_database_takes_nothing(home: Home) -> None:
    database = home.open(lambda: NOW)
    migrate(database, ["ombud.admin"])
    sender = Sender(database, Settings())
    tally = Tally(sender)
    tell(sender, delivery(1), Done(200), 1)
    sender.writer.close()
    await tally.flush()
    sender.writer = database.open_writer()
    tell(sender, delivery(1), Done(204), 1)
    await tally.flush()
    count = database.read(lambda: counts_of([1], 0))[1][START]
    assert (count.done, count.last_status, count.times[0]) == (2, 204, 2)
    sender.writer.close()
    database.close()


def test_quantiles_are_those_of_the_bounds() -> None:
    count = Count()
    for bound in BOUNDS:
        count.add(Done(200), bound, NOW)
    assert [count.quantile(share / 10) for share in range(1, 11)] == list(BOUNDS)
