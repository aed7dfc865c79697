"""Waiting for quiet, watched fields, limits of how many run at once, and which webhooks a run answers for."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ombud.client import Product
from ombud.receiver.model import Change, Context, Event
from ombud.receiver.options import Options
from tests.receiver.store import Store
from tests.receiver.world import Desk, settings_for

PRODUCT = "101"


@pytest.fixture
def ids(desk: Desk) -> Any:
    """The ids of the webhooks that came, in their order."""
    from ombud.mailbox.ids import format_id

    return lambda: [format_id("evt", row["id"]) for row in desk.rows("select id from event where box = 2 order by id")]


def more_readings(desk: Desk, than: int) -> bool:
    return len(desk.rows("select 1 from reading")) > than


async def reads(desk: Desk, store: Store, *prices: str) -> None:
    """One change after the other, each of them read."""
    for price in prices:
        before = len(desk.rows("select 1 from reading"))
        store.price(PRODUCT, price)
        await desk.hear("product.update", PRODUCT)
        await desk.until(partial(more_readings, desk, before))


async def pass_by(desk: Desk, seconds: float) -> None:
    """Let time pass, and the lanes be looked at."""
    desk.clock.ahead_seconds += seconds
    lanes = [row["id"] for row in desk.rows("select id from lane where box = 3")]
    await desk.writer.write(lambda: desk.receiver.changes.ring(*lanes))


async def test_a_burst_is_one_run_when_it_is_quiet(desk: Desk, store: Store, ids: Any) -> None:
    ran: list[tuple[str, str, tuple[str, ...]]] = []

    @desk.inbox.on("product.update", quiet_seconds=600)
    async def sync(product: Product, change: Change, context: Context) -> None:
        assert isinstance(change.before, Product)
        ran.append((str(change.before.price), str(product.price), context.arrivals))

    store.price(PRODUCT, "249.50")
    async with desk.acquainted():
        await reads(desk, store, "1", "2", "3")
        assert ran == []
        assert desk.pending() == 3
        await pass_by(desk, 599)
        assert desk.pending() == 3
        await pass_by(desk, 2)
        await desk.settled()
    assert ran == [("249.50", "3.00", tuple(ids()))]
    assert [run["state"] for run in desk.runs()] == ["skipped", "skipped", "done"]


async def test_changes_that_keep_coming_put_a_run_off_for_so_long(desk: Desk, store: Store) -> None:
    ran: list[str] = []

    @desk.inbox.on("product.update", quiet_seconds=600, at_most_seconds=1_000)
    def sync(product: Product) -> None:
        ran.append(str(product.price))

    async with desk.acquainted():
        await reads(desk, store, "11")
        desk.clock.ahead_seconds += 500
        await reads(desk, store, "12")
        due = desk.rows("select due_at from delivery where state = 0 order by due_at")
        assert (due[1]["due_at"] - due[0]["due_at"]) / 1e6 == pytest.approx(400, abs=30)
        await pass_by(desk, 501)
        await desk.settled()
        assert ran == ["12.00"]
        # The next burst has a bound of its own.
        await reads(desk, store, "13")
        assert desk.pending() == 1
        await pass_by(desk, 601)
        await desk.settled()
    assert ran == ["12.00", "13.00"]


async def test_what_waits_for_quiet_outlives_a_restart(desk: Desk, store: Store) -> None:
    ran: list[str] = []

    @desk.inbox.on("product.update", quiet_seconds=600)
    def sync(product: Product) -> None:
        ran.append(str(product.price))

    async with desk.acquainted():
        await reads(desk, store, "21")
    desk.clock.ahead_seconds += 601
    async with desk.at_work():
        await desk.settled()
    assert ran == ["21.00"]


async def test_nobody_but_the_clock_wakes_a_short_wait(desk: Desk, store: Store) -> None:
    ran = asyncio.Event()

    @desk.inbox.on("product.update", quiet_seconds=0.05)
    async def sync() -> None:
        ran.set()

    async with desk.acquainted(), asyncio.timeout(20):
        await reads(desk, store, "31")
        await ran.wait()
        await desk.settled()


async def test_only_watched_fields_wake_a_handler(desk: Desk, store: Store) -> None:
    ran: list[tuple[str, str]] = []

    @desk.inbox.on("product.update", watch="price")
    def prices(product: Product) -> None:
        ran.append(("prices", str(product.title)))

    @desk.inbox.on("product.update")
    def every(product: Product) -> None:
        ran.append(("every", str(product.title)))

    async with desk.acquainted():
        # Past the moment of the first look, when nobody can say what it has seen.
        desk.clock.ahead_seconds += 60
        for fields in ({"title": "One"}, {"title": "Two", "price": "41"}, {"title": "Three"}, {"price": "42"}):
            store.client.update_product(PRODUCT, fields)
            await desk.tell("product.update", PRODUCT)
    assert [title for name, title in ran if name == "prices"] == ["Two", "Three"]
    assert [title for name, title in ran if name == "every"] == ["One", "Two", "Three", "Three"]


async def test_so_many_run_at_once_and_no_more(desk: Desk, store: Store) -> None:
    running, most = 0, 0

    @desk.inbox.on("order.new", concurrency=2)
    async def ship() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    orders = [store.pay() for _ in range(12)]
    async with desk.at_work():
        for order_id in orders:
            await desk.hear("order.new", order_id)
        await desk.settled()
    assert most == 2
    assert [run["state"] for run in desk.runs()] == ["done"] * 12


@pytest.mark.parametrize("own", [None, (), (0.01,) * 4])
async def test_a_handler_is_tried_as_often_as_it_says(
    tmp_path: Path, store: Store, own: tuple[float, ...] | None
) -> None:
    desk = Desk(settings_for(tmp_path, store, perform="elsewhere", retry_seconds=(0.01, 0.01)))
    given: Options = {} if own is None else {"retry_seconds": own}

    @desk.inbox.on("order.new", **given)
    def ship() -> None:
        raise ValueError("no paper")

    order_id = store.pay()
    async with desk.at_work():
        await desk.tell("order.new", order_id)
    tries = 3 if own is None else len(own) + 1
    [run] = desk.runs()
    assert (run["state"], run["attempts"]) == ("dead", tries)
    assert run["reason"] == f"ValueError: no paper (attempt {tries} was the last)"
    desk.inbox.close()


async def test_a_version_that_is_finished_with_is_not_run_for_again(desk: Desk, store: Store) -> None:
    """A new product that changes before its handler has run: one run sees what both were about."""
    ran: list[str] = []

    @desk.inbox.on("product.*", quiet_seconds=600)
    def sync(event: Event) -> None:
        ran.append(event.event_type)

    async with desk.acquainted():
        product_id = str(store.client.create_product(title="New", price="1"))
        await desk.hear("product.add", product_id)
        await desk.until(lambda: desk.rows("select 1 from reading"))
        store.price(product_id, "2")
        await desk.hear("product.update", product_id)
        await desk.until(lambda: len(desk.rows("select 1 from reading")) == 2)
        await pass_by(desk, 700)
        await desk.settled()
    store.client.delete_product(product_id)
    assert ran == ["product.add"]
    assert [(run["type"], run["state"]) for run in desk.runs()] == [
        ("product.add", "done"),
        ("product.update", "skipped"),
    ]
