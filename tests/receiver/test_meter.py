"""What is counted for a shop: how changes became known, what was lost, and for what the API was asked."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ombud.admin.access import OPERATOR
from ombud.admin.inbox_shops import get_inbox_shop
from ombud.client import Order, Product
from ombud.client.budget import Priority
from ombud.db.migrate import migrate
from ombud.errors import StorageUnavailable
from ombud.receiver.clients import Clients
from ombud.receiver.meter import HOUR, KEPT, Meter
from tests.receiver.store import Store, run_store
from tests.receiver.world import Desk


@pytest.fixture
def running_store(tmp_path: Path) -> Iterator[Store]:
    """A shop of its own: in one of all tests an order of another may be found by the list, which is a loss too."""
    folder = tmp_path / "store"
    folder.mkdir()
    with run_store(folder) as running:
        yield running


async def test_losses_and_requests_are_counted(desk: Desk, store: Store) -> None:
    @desk.inbox.on("order.new")
    async def ship(order: Order) -> None: ...

    @desk.inbox.on("product.*")
    async def sync(product: Product) -> None: ...

    @desk.inbox.on("order.*", name="other")
    async def other(order: Order) -> None: ...

    async with desk.acquainted():
        await desk.receiver.reconcile()
        told, lost = store.pay(), store.pay()
        for _ in range(3):
            await desk.tell("order.new", told)
        await desk.receiver.reconcile()
        await desk.settled()
    migrate(desk.receiver.database, ["ombud.admin"])
    [shop] = desk.rows("select id from inbox_shop")
    read = partial(get_inbox_shop, OPERATOR, shop["id"], desk.clock())
    whole = desk.receiver.database.read(read)
    assert lost != told
    # Two handlers hear of each; it is one change all the same.
    learned = whole["learned"]["hour"]
    # A sale lowers the stock of a product without a webhook: no loss.
    assert learned.pop("product reconcile") >= 1
    assert learned == {"order webhook": 1, "order reconcile": 1, "order redundant": 2}
    asked = whole["asked"]["hour"]
    assert asked["order"] >= 2
    assert asked["lists"] >= 2
    assert asked["first look"] >= 1
    assert whole["compared"].keys() == {"orders", "recent orders", "products"}
    assert all(whole["compared"].values())


async def test_counts_that_cannot_be_written_wait_and_old_ones_go(quiet: Desk) -> None:
    failing = [True]

    class Writer:
        """The desk's writer, while the disk is full."""

        async def write(self, make: object) -> None:
            if failing:
                raise StorageUnavailable
            await quiet.writer.write(make)  # type: ignore[arg-type]

    [shop] = quiet.rows("select id from inbox_shop")
    old = quiet.clock() - KEPT - HOUR
    quiet.write("insert into meter values (:shop, :since, 'asked order', 5)", shop=shop["id"], since=old)
    meter = Meter(Writer(), quiet.clock)  # type: ignore[arg-type]
    hear = meter.hears(shop["id"])
    for priority, status in [(Priority.CONFIRM_ORDER, 200), (Priority.SWEEP, 429), (Priority.CONFIRM_ORDER, 404)]:
        hear(priority, status)
    await meter.flush()
    assert len(quiet.rows("select * from meter")) == 1
    failing.clear()
    hear(Priority.CONFIRM_ORDER, 200)
    await meter.flush()
    await meter.flush()
    found = quiet.rows("select what, amount from meter order by what")
    assert [(row["what"], row["amount"]) for row in found] == [("asked limited", 1), ("asked order", 3)]


async def test_connections_are_closed_also_when_the_last_counts_cannot_be_written(
    desk: Desk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[Clients] = []
    close = Clients.close

    async def note(self: Clients) -> None:
        closed.append(self)
        await close(self)

    async def fail(_: Meter) -> None:
        raise RuntimeError("the process is gone")

    monkeypatch.setattr(Clients, "close", note)
    order_id = store.pay()

    async def work() -> None:
        async with desk.at_work():
            await desk.tell("order.new", order_id)
            monkeypatch.setattr(Meter, "flush", fail)

    with pytest.raises(RuntimeError, match="the process is gone"):
        await work()
    assert len(closed) == 1
