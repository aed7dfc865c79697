"""Runs of handlers, from the webhook to their end: attempts, keys, neighbours, and what became of it all meanwhile."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ombud.client import Order, Product
from ombud.receiver.control import Dead, Retry, Skip
from ombud.receiver.model import Change, Context, Event
from tests.receiver.store import Store, answer_json
from tests.receiver.world import Desk, settings_for

NOT_FOUND = answer_json({"code": 404, "error": "There is no such product."}, 404)


# Runs that were tried, of one epoch.
TRIED = "select 1 from attempt a join event e on e.id = a.event_id where e.box = 3 and e.data like :epoch"


def _ends_with(changes: list[tuple[str | None, str | None]], price: str) -> bool:
    return bool(changes) and changes[-1][1] == price


def prices(change: Change) -> tuple[str | None, str | None]:
    before, after = change.before, change.after
    return (
        str(before.price) if isinstance(before, Product) else None,
        str(after.price) if isinstance(after, Product) else None,
    )


async def test_every_attempt_is_recorded_and_has_the_same_key(desk: Desk, store: Store) -> None:
    seen: list[tuple[int, str]] = []

    @desk.inbox.on("order.new")
    async def ship(context: Context) -> None:
        seen.append((context.attempt, context.key))
        if context.attempt == 1:
            raise Retry("the printer is off", after=0.01)
        if context.attempt == 2:
            raise ValueError("no paper")

    order_id = store.pay()
    async with desk.at_work():
        await desk.tell("order.new", order_id)
    assert [attempt for attempt, _ in seen] == [1, 2, 3]
    assert len({key for _, key in seen}) == 1
    [run] = desk.runs()
    assert (run["state"], run["attempts"]) == ("done", 3)
    assert [(row["outcome"], row["reason"]) for row in desk.attempts(run["id"])] == [
        ("retry", "the printer is off"),
        ("retry", "ValueError: no paper"),
        ("done", None),
    ]


@pytest.mark.parametrize(
    ("error", "state", "reason"), [(Dead("no stock"), "dead", "no stock"), (Skip("a test"), "skipped", "a test")]
)
async def test_a_handler_may_end_a_run(desk: Desk, store: Store, error: Exception, state: str, reason: str) -> None:
    @desk.inbox.on("order.new")
    async def ship() -> None:
        raise error

    @desk.inbox.on("order.new")
    async def returns_it() -> Exception:
        return error

    @desk.inbox.on("order.new")
    def returns_it_plainly() -> Exception:
        return error

    order_id = store.pay()
    async with desk.at_work():
        await desk.tell("order.new", order_id)
    assert [(run["state"], run["attempts"], run["reason"]) for run in desk.runs()] == [(state, 1, reason)] * 3


async def test_a_handler_that_never_succeeds_is_given_up_and_no_other_pays(tmp_path: Path, store: Store) -> None:
    desk = Desk(settings_for(tmp_path, store, perform="elsewhere", retry_seconds=(0.01, 0.01)))
    billed: list[str] = []

    @desk.inbox.on("order.new")
    def ship() -> None:
        raise SystemExit(1)

    @desk.inbox.on("order.new")
    def bill(order: Order) -> None:
        billed.append(order.id)

    orders = [store.pay() for _ in range(3)]
    async with desk.at_work():
        for order_id in orders:
            await desk.hear("order.new", order_id)
        await desk.settled()
    assert sorted(billed) == sorted(orders)
    assert [(run["state"], run["attempts"]) for run in desk.runs("ship")] == [("dead", 3)] * 3
    assert desk.runs("ship")[0]["reason"] == "SystemExit: 1 (attempt 3 was the last)"
    assert [run["state"] for run in desk.runs("bill")] == ["done"] * 3
    desk.inbox.close()


async def test_one_read_serves_every_handler(desk: Desk, store: Store) -> None:
    called: list[str] = []

    def note(context: Context) -> None:
        called.append(context.handler)

    for name in "abcde":
        desk.inbox.on("order.new", name=name)(note)
    order_id = store.pay()
    async with desk.at_work():
        await desk.tell("order.new", order_id)
    assert sorted(called) == list("abcde")
    assert store.dials.of("order", order_id) == 1


class Sync:
    """A handler of products that a test can hold up: fails until it is told to succeed."""

    def __init__(self, desk: Desk, *event_types: str) -> None:
        self.broken = True
        self.calls: list[tuple[str, tuple[str | None, str | None]]] = []
        self.tries = 0
        desk.inbox.on(*event_types, name="sync")(self.run)

    async def run(self, event: Event, change: Change) -> None:
        self.tries += 1
        if self.broken:
            raise Retry("not now", after=0.01)
        self.calls.append((event.event_type, prices(change)))


async def test_a_handler_that_lags_gets_what_it_last_knew_and_what_is_so_now(desk: Desk, store: Store) -> None:
    product_id = store.client.create_product(title="Bowl", price="10.00")
    slow = Sync(desk, "product.update")
    quick: list[tuple[str | None, str | None]] = []

    @desk.inbox.on("product.update")
    async def note(change: Change) -> None:
        quick.append(prices(change))

    async with desk.acquainted():
        for price in ("11.00", "12.00", "13.00"):
            store.price(product_id, price)
            await desk.hear("product.update", product_id)
            await desk.until(partial(_ends_with, quick, price))
        slow.broken = False
        await desk.settled()
    assert quick == [("10.00", "11.00"), ("11.00", "12.00"), ("12.00", "13.00")]
    assert slow.calls == [("product.update", ("10.00", "13.00"))]
    ends = [(run["state"], run["reason"]) for run in desk.runs("sync")]
    superseded = ("skipped", "superseded: this is not so any more, or has happened again since")
    assert ends == [superseded, superseded, ("done", None)]


async def test_a_retry_never_writes_an_old_state_over_a_newer_one(desk: Desk, store: Store) -> None:
    """The first try at 11.00 waits for long; 12.00 is applied meanwhile; nothing brings 11.00 back."""
    product_id = store.client.create_product(title="Bowl", price="10.00")
    applied: list[str] = []

    @desk.inbox.on("product.update")
    async def sync(product: Product, context: Context) -> None:
        if str(product.price) == "11.00" and context.attempt == 1:
            raise Retry("not now", after=0.3)
        applied.append(str(product.price))

    async with desk.acquainted():
        for epoch, price in enumerate(("11.00", "12.00"), start=1):
            store.price(product_id, price)
            await desk.hear("product.update", product_id)
            await desk.until(partial(desk.rows, TRIED, epoch=f'%"epoch": {epoch},%'))
        await desk.settled()
    assert applied == ["12.00"]


async def test_nothing_is_added_or_changed_after_it_was_deleted(desk: Desk, store: Store) -> None:
    product_id = store.client.create_product(title="Bowl", price="10.00")
    sync = Sync(desk, "product.update", "product.delete")
    async with desk.acquainted():
        store.price(product_id, "11.00")
        await desk.hear("product.update", product_id)
        await desk.until(lambda: sync.tries)
        store.client.delete_product(product_id)
        await desk.hear("product.delete", product_id)
        await desk.until(lambda: len(desk.runs("sync")) == 2)
        sync.broken = False
        await desk.settled()
    assert sync.calls == [("product.delete", ("10.00", None))]
    assert [run["state"] for run in desk.runs("sync")] == ["skipped", "done"]


async def test_a_deletion_that_was_not_so_after_all_is_not_carried_out(desk: Desk, store: Store) -> None:
    product_id = store.client.create_product(title="Bowl", price="10.00")
    sync = Sync(desk, "product.delete")
    async with desk.acquainted():
        store.dials.next_answers.extend([NOT_FOUND] * 2)
        await desk.hear("product.delete", product_id)
        await desk.until(lambda: sync.tries)
        await desk.hear("product.update", product_id)
        await desk.until(lambda: len(desk.rows("select 1 from reading")) == 2)
        sync.broken = False
        await desk.settled()
    assert sync.calls == []


async def test_an_order_that_was_cancelled_while_its_handler_failed_is_not_shipped(desk: Desk, store: Store) -> None:
    shipped: list[str] = []
    broken = True

    @desk.inbox.on("order.new")
    async def ship(order: Order) -> None:
        if broken:
            raise Retry("not now", after=0.01)
        shipped.append(order.id)

    order_id = store.pay()
    async with desk.at_work():
        await desk.hear("order.new", order_id)
        await desk.until(lambda: desk.rows("select 1 from attempt where reason = 'not now'"))
        store.turn(order_id, "cancelled")
        await desk.hear("order.cancelled", order_id)
        await desk.until(lambda: len(desk.rows("select 1 from reading")) == 2)
        broken = False
        await desk.settled()
    assert shipped == []
    assert [run["state"] for run in desk.runs()] == ["skipped"]


class App:
    """What is deployed: the same database each time, with these handlers."""

    def __init__(self, folder: Path, store: Store, **handlers: Any) -> None:
        self.desk = Desk(settings_for(folder, store, perform="elsewhere"))
        for name, function in handlers.items():
            self.desk.inbox.on("order.new", name=name)(function)


def fail() -> None:
    raise Retry("not now", after=0.05)


@pytest.mark.parametrize("crashed", [False, True])
async def test_work_of_a_handler_that_was_removed_waits_until_it_is_back(
    tmp_path: Path, store: Store, crashed: bool
) -> None:
    orders = [store.pay() for _ in range(2)]
    first = App(tmp_path, store, ship=fail, bill=lambda: None).desk
    async with first.at_work():
        await first.hear("order.new", orders[0])
        await first.until(lambda: first.rows("select 1 from attempt where reason = 'not now'"))
    if crashed:
        # As it is left behind by a kill.
        first.write("update lane set lease_token = 4711, wake_at = :later where box = 3", later=first.clock() + 10**12)
    [waiting] = first.runs("ship")
    first.inbox.close()

    second = App(tmp_path, store, bill=lambda: None).desk
    async with second.at_work():
        await second.hear("order.new", orders[1])
        await second.until(lambda: [run["state"] for run in second.runs("bill")] == ["done"] * 2)
    assert [(run["state"], run["attempts"]) for run in second.runs("ship")] == [("pending", waiting["attempts"])]
    second.inbox.close()

    shipped: list[str] = []
    third = App(tmp_path, store, ship=lambda: shipped.append("shipped")).desk
    async with third.at_work():
        await third.settled()
    assert shipped == ["shipped"]
    assert [run["state"] for run in third.runs("ship")] == ["done"]
    third.inbox.close()


async def test_a_handler_whose_loop_is_elsewhere_does_not_read(desk: Desk, store: Store) -> None:
    """Two processes on one database: whoever calls is the one who reads, so that both know the same handlers."""
    other = Desk(desk.inbox.settings)
    desk.inbox.on("order.new", name="ship")(lambda: None)
    other.inbox.on("order.new", name="bill", new=True)(lambda: None)
    orders = [store.pay() for _ in range(2)]
    async with desk.at_work(), other.at_work():
        await desk.tell("order.new", orders[0])
        assert [run["name"] for run in desk.runs()] == ["ship"]
    async with other.at_work():
        await other.tell("order.new", orders[1])
        assert [(run["name"], run["state"]) for run in other.runs()] == [("ship", "done"), ("bill", "done")]
    other.inbox.close()


async def test_stopping_leaves_what_is_under_way_to_the_next_start(
    desk: Desk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.mailbox.worker.STOP_SECONDS", 0.05)
    began = asyncio.Event()
    shipped: list[int] = []

    @desk.inbox.on("order.new")
    async def ship(context: Context) -> None:
        if not began.is_set():
            began.set()
            await asyncio.Event().wait()
        shipped.append(context.attempt)

    order_id = store.pay()
    async with desk.at_work():
        await desk.hear("order.new", order_id)
        await began.wait()
    async with desk.at_work():
        await desk.settled()
    assert shipped == [1]
    [run] = desk.runs()
    assert [row["outcome"] for row in desk.attempts(run["id"])] == ["interrupted", "done"]
