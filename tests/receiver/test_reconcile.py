"""What no webhook has told is found in the shop's lists, and told once; what is older than the inbox is not."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ombud.client import Order
from ombud.errors import StorageUnavailable
from ombud.mailbox.model import Draft
from ombud.receiver import listed
from ombud.receiver.coverage import SECOND
from ombud.receiver.findings import known_of
from ombud.receiver.listed import (
    LATE,
    ORDER_BACKFILL,
    PRODUCT_RECONCILE,
    Listed,
    find,
    note_missing,
    note_open_orders,
    note_orders,
    note_products,
)
from ombud.receiver.model import Context, Event
from ombud.receiver.receiver import Receiver
from ombud.receiver.shops import Shop, list_shops
from ombud.receiver.sweeps import Sweep, any_due, claim_due, finish, give_up
from ombud.settings import Settings
from tests.receiver.store import Answer, Store
from tests.receiver.world import Desk, once, settings_for
from tests.support.databases import Home

MINUTE = 60_000_000


@dataclass
class Calls:
    """What a handler of everything is called with: event type and source, by object."""

    made: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def of(self, object_id: str) -> list[tuple[str, str]]:
        return self.made.get(object_id, [])


@pytest.fixture
async def desk(tmp_path: Path, store: Store) -> AsyncIterator[Desk]:
    """An inbox that compares lists when it is told to."""
    made = Desk(settings_for(tmp_path, store, perform="elsewhere", reconcile_seconds=(300.0, 3_600.0)))
    yield made
    made.inbox.close()


@pytest.fixture
def calls(desk: Desk) -> Calls:
    calls = Calls()

    @desk.inbox.on("*")
    async def note(event: Event, context: Context) -> None:
        calls.made.setdefault(event.object_id, []).append((event.event_type, context.source))

    return calls


@pytest.fixture
def later(desk: Desk) -> Callable[[], None]:
    """Have the inbox be set up only two hours from now."""
    return lambda: desk.write("update inbox_shop set created_at = created_at + 7200000000")


async def compare(desk: Desk) -> None:
    await desk.receiver.reconcile()
    await desk.settled()


async def test_a_lost_webhook_of_an_order_is_made_good_once(desk: Desk, store: Store, calls: Calls) -> None:
    async with desk.acquainted():
        order_id = store.pay()
        await compare(desk)
        await compare(desk)
        await desk.tell("order.new", order_id)
        store.turn(order_id, "done")
        await compare(desk)
    assert calls.of(order_id) == [("order.new", "reconcile"), ("order.done", "reconcile")]


async def test_lost_webhooks_of_products_are_made_good(desk: Desk, store: Store, calls: Calls) -> None:
    old = store.client.create_product(title="Bowl", price="10.00")
    async with desk.acquainted():
        new = store.client.create_product(title="Cup", price="5.00")
        store.price(old, "11.00")
        await compare(desk)
        store.client.delete_product(old)
        await compare(desk)
        await compare(desk)
    assert calls.of(old) == [("product.update", "reconcile"), ("product.delete", "reconcile")]
    assert calls.of(new) == [("product.add", "reconcile")]


async def test_what_is_known_costs_the_lists_alone(desk: Desk, store: Store, calls: Calls) -> None:
    async with desk.acquainted():
        store.place()
        await desk.tell("order.new", store.pay())
        await compare(desk)
        store.dials.reads.clear()
        await compare(desk)
    assert [read for read in store.dials.reads if "_id=" in read] == []


async def test_a_list_that_says_less_than_a_product_does_not_have_it_read_for_ever(
    desk: Desk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.receiver.reconciler.version_of", lambda raw, _: f"short form of {raw['id']}")
    async with desk.acquainted():
        for _ in range(listed.MOST_LOOKS):
            store.dials.reads.clear()
            await compare(desk)
            assert [read for read in store.dials.reads if "_id=" in read] != []
        store.dials.reads.clear()
        await compare(desk)
    assert [read for read in store.dials.reads if "_id=" in read] == []


async def test_an_open_order_from_before_is_not_new_and_may_go_on(
    desk: Desk, store: Store, calls: Calls, later: Callable[[], None]
) -> None:
    order_id = store.pay()
    later()
    async with desk.acquainted():
        await compare(desk)
        store.turn(order_id, "done")
        await desk.tell("order.done", order_id)
    assert calls.of(order_id) == [("order.done", "webhook")]


async def test_an_order_that_was_done_before_is_held(
    desk: Desk, store: Store, calls: Calls, later: Callable[[], None]
) -> None:
    """A forged webhook about an order of last year ships nothing and mails nobody."""
    order_id = store.pay()
    store.turn(order_id, "done")
    later()
    async with desk.acquainted():
        await compare(desk)
        await desk.tell("order.new", order_id)
        await desk.tell("order.done", order_id)
        await compare(desk)
    assert calls.of(order_id) == []
    assert [reason for _, _, reason in desk.arrivals()] == [
        "held: this order is older than this inbox; the list of changed orders will say whether this has happened since"
    ] * 2


async def test_a_person_may_let_go_on_what_is_held(
    desk: Desk, store: Store, calls: Calls, later: Callable[[], None]
) -> None:
    order_id = store.pay()
    store.turn(order_id, "done")
    later()
    async with desk.acquainted():
        await compare(desk)
        await desk.tell("order.done", order_id)
        held = desk.rows("select event_id, lane_id from delivery where reason like 'held%'")
        again = [(row["event_id"], row["lane_id"]) for row in held]
        await desk.writer.write(lambda: desk.receiver.arrivals.replay(again))
        await desk.settled()
        assert calls.of(order_id) == [("order.done", "webhook")]
        await desk.tell("order.done", order_id)
    assert calls.of(order_id) == [("order.done", "webhook")]
    assert len(held) == 1


async def test_the_list_says_that_an_old_order_was_done_since(
    desk: Desk, store: Store, calls: Calls, later: Callable[[], None]
) -> None:
    order_id = store.pay()
    later()
    store.turn(order_id, "done")
    async with desk.acquainted():
        await desk.tell("order.done", order_id)
        assert calls.of(order_id) == []
        # What the list of changed orders shows, as the shop's clock is two hours behind this test's.
        [shop] = desk.receiver.database.read(list_shops)
        await desk.writer.write(lambda: note_orders(desk.receiver.arrivals, shop, [Listed(f"order/{order_id}", 2)]))
        await desk.settled()
    assert calls.of(order_id) == [("order.done", "reconcile")]


async def test_an_order_that_was_paid_long_before_is_not_new_whatever_a_webhook_says(
    desk: Desk, store: Store, calls: Calls, later: Callable[[], None]
) -> None:
    order_id = store.pay()
    later()
    async with desk.acquainted():
        await desk.tell("order.new", order_id)
    assert calls.of(order_id) == []


async def test_many_deletions_at_once_wait_for_a_person(
    desk: Desk, store: Store, calls: Calls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listed, "MOST_MISSING", 1)
    monkeypatch.setattr(listed, "MISSING_SHARE", 0.0)
    products = [store.client.create_product(title="Bowl", price="10.00") for _ in range(2)]
    async with desk.acquainted():
        for product_id in products:
            store.client.delete_product(product_id)
        await compare(desk)
        await compare(desk)
        assert [calls.of(product_id) for product_id in products] == [[], []]
        assert [one[1:] for one in desk.arrivals() if one[0] == PRODUCT_RECONCILE] == [("dead", listed.HELD)] * 2
        assert "their deletion is held" in caplog.text
        [first, _] = desk.rows(
            "select event_id, lane_id from delivery d where state = 2 and reason like 'held%' order by event_id"
        )
        await desk.writer.write(lambda: desk.receiver.arrivals.replay([(first["event_id"], first["lane_id"])]))
        await desk.settled()
    assert sorted(len(calls.of(product_id)) for product_id in products) == [0, 1]


async def test_a_list_that_cannot_be_read_is_read_again(
    desk: Desk, store: Store, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk.acquainted():
        order_id = store.pay()
        store.dials.always = Answer(500)
        await compare(desk)
        assert "the orders of shop shop cannot be compared yet" in caplog.text
        store.dials.always = None
        await compare(desk)
        assert calls.of(order_id) == []
        desk.clock.ahead_seconds += 61
        await compare(desk)
    assert calls.of(order_id) == [("order.new", "reconcile")]


async def test_the_clock_has_the_lists_compared(desk: Desk, store: Store) -> None:
    orders: list[str] = []

    @desk.inbox.on("order.new")
    async def ship(order: Order) -> None:
        orders.append(order.id)

    desk.receiver.reconciles = True
    order_id = store.pay()
    async with desk.at_work():
        await desk.until(lambda: order_id in orders)
        await desk.settled()


@pytest.mark.parametrize("error", [StorageUnavailable("away"), RuntimeError("a mistake")])
async def test_lists_are_compared_again_after_an_error(
    desk: Desk, store: Store, calls: Calls, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """With the list of the shops begin the first look, every comparison, and the past."""
    real, failures = desk.receiver.database.fetch, [error] * 4

    async def fetch(make: Any) -> Any:
        if make is list_shops and failures:
            raise failures.pop()
        return await real(make)

    monkeypatch.setattr(desk.receiver.database, "fetch", fetch)
    monkeypatch.setattr("ombud.receiver.work.AGAIN_SECONDS", 0.01)
    desk.receiver.reconciles = True
    order_id = store.pay()
    async with desk.at_work():
        await desk.until(lambda: calls.of(order_id))
        await desk.settled()
    assert failures == []


async def test_what_the_list_shows_is_looked_at_before_what_nobody_could_read_in_time(
    desk: Desk, store: Store, calls: Calls
) -> None:
    heard, lost = store.pay(), store.pay()
    for number in range(40):
        await desk.hear("order.new", f"9{number:05}")
    await desk.hear("order.new", heard)
    desk.clock.ahead_seconds = LATE / SECOND + 1
    receiver, orders = desk.receiver, [Listed(f"order/{one}", status=1) for one in (heard, lost)]
    [shop] = receiver.database.read(list_shops)
    for _ in range(2):
        receiver.database.write(lambda: note_orders(receiver.arrivals, shop, orders))
    async with desk.at_work():
        await desk.until(lambda: calls.of(heard) and calls.of(lost))
    looked_at = [read for read in store.dials.reads if "order_id=" in read]
    assert sorted(looked_at[:2]) == [f"/v1/orders?order_id={one}&include_details=true" for one in (heard, lost)]
    assert (calls.of(heard), calls.of(lost)) == ([("order.new", "webhook")], [("order.new", "reconcile")])


def test_lists_on_every_database(home: Home) -> None:
    """One process at a time reads a list; what differs is handed to the reader."""
    receiver = Receiver(home.open(), Settings(token="a-token-of-tests"))
    write, read, arrivals = receiver.database.write, receiver.database.read, receiver.arrivals
    [shop] = read(list_shops)
    now, pauses = arrivals.clock(), {Sweep.ORDERS: 300.0}
    assert read(lambda: any_due([shop.id], pauses, now))
    [claim] = write(lambda: claim_due([shop.id], pauses, now))
    assert write(lambda: claim_due([shop.id], pauses, now)) == []
    assert not read(lambda: any_due([shop.id], pauses, now))
    write(lambda: give_up(claim, now))
    [claim] = write(lambda: claim_due([shop.id], pauses, now + 2 * MINUTE))
    write(lambda: finish(claim, now))
    assert write(lambda: claim_due([shop.id], pauses, now + 4 * MINUTE)) == []
    [claim] = write(lambda: claim_due([shop.id], pauses, now + 6 * MINUTE))
    assert claim.swept_at == now
    assert claim.created_at <= now
    assert hints(receiver, shop) == ["order/2", "product/2", "product/3"]
    for since in ("1700000000000002", "1700000000000001"):
        write(partial(find, arrivals, shop, ORDER_BACKFILL, ["order/5"], data=since))
    assert read(lambda: known_of(shop.id, "order/5")).begins_at == 1_700_000_000_000_001
    assert read(lambda: known_of(shop.id, "order/4")).begins_at > 1_700_000_000_000_002
    ranks = read(
        lambda: once("select distinct rank, type like 'order.new' as live from delivery join event on id = event_id")
    )
    assert sorted((row["rank"], bool(row["live"])) for row in ranks) == [(0, True), (1, False)]
    write(partial(once, "update delivery set due_at = due_at - 61000000 where subject = 'order/4'"))
    write(lambda: note_orders(arrivals, shop, [Listed(f"order/{id_}", status=1) for id_ in (4, 2)]))
    line = read(lambda: once("select subject, rank from delivery order by rank, due_at, event_id"))
    assert [(row["subject"], row["rank"]) for row in line][:3] == [("order/4", 0), ("order/2", 0), ("product/2", 1)]


def hints(receiver: Receiver, shop: Shop) -> list[str]:
    """What was handed to the reader."""
    write, arrivals = receiver.database.write, receiver.arrivals
    write(lambda: note_open_orders(shop, [Listed("order/1", 1)]))
    write(lambda: arrivals.append([Draft(shop.id, "order.new", "order/4", [shop.reader_lane_id])]))
    orders = [("1", 1), ("2", 1), ("3", -1), ("4", 1)]
    write(lambda: note_orders(arrivals, shop, [Listed(f"order/{id_}", status) for id_, status in orders]))
    products = [Listed("product/1", version="a"), Listed("product/2", version="b")]
    for subject, version in (("product/1", "a"), ("product/3", "c")):
        values = {"shop_id": shop.id, "subject": subject, "version": version}
        write(
            partial(once, "insert into mirror(shop_id, subject, version) values (:shop_id, :subject, :version)", values)
        )
    # The one that is as it is known is forgotten to have been listed otherwise.
    write(lambda: once("update mirror set listed_version = 'z', listed_times = 2 where subject = 'product/1'", {}))
    write(lambda: note_products(arrivals, shop, products))
    times = "select listed_times as times from mirror where subject = 'product/1'"
    assert receiver.database.read(lambda: once(times, {})) == [{"times": 0}]
    write(lambda: note_missing(arrivals, shop, frozenset(one.subject for one in products)))
    rows = receiver.database.read(
        lambda: once("select subject from event where type like '%reconcile' order by id", {})
    )
    return [row["subject"] for row in rows]
