"""What we have written ourselves is not told to the handlers it came from, and nothing else is swallowed with it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ombud.client import ApiError, Order, Product
from ombud.client.call import Call
from ombud.client.writes import create_product, update_order
from ombud.errors import ConfigurationError, StorageUnavailable
from ombud.receiver.documents import read_document
from ombud.receiver.model import Change, Event
from ombud.receiver.own_writes import Changed, OwnWrite, differences, expect, explains, own_writes_of, silent_for
from ombud.receiver.receiver import Receiver
from ombud.receiver.shops import list_shops
from ombud.settings import Settings
from tests.receiver.store import Store
from tests.receiver.world import Desk, once
from tests.support.databases import Home

BEFORE = {"id": "7", "price": "10.00", "qty": "3", "visible": "1", "date_modified": "2026-11-02 09:14:05"}


def put(body: bytes) -> Call[None]:
    return Call("PUT", "/products", lambda _: None, body=body)


def with_variants(*qty: str) -> dict[str, Any]:
    variants = [{"id": str(number), "qty": pieces} for number, pieces in enumerate(qty)]
    return {"id": "7", "qty": str(sum(int(pieces) for pieces in qty)), "variants": variants}


@pytest.mark.parametrize(
    ("body", "after", "own"),
    [
        ([{"product_id": "7", "price": 12.5}], BEFORE | {"price": "12.50"}, True),
        ([{"product_id": "7", "price": 12.5}], BEFORE | {"price": "12.50", "date_modified": "later"}, True),
        ({"product_id": "7", "price": 12.5}, BEFORE | {"price": "12.50"}, True),
        ([{"product_id": "7", "stock": 4}], BEFORE | {"qty": "4"}, True),
        ([{"product_id": "7", "visible": 0}], BEFORE | {"visible": "0"}, True),
        ([{"product_id": "7", "price": 12.5, "title": "same"}], BEFORE | {"price": "12.50"}, True),
        ([{"product_id": "7", "price": 12.5}], BEFORE | {"price": "13.00"}, False),
        ([{"product_id": "7", "price": 12.5}], BEFORE | {"price": "12.50", "qty": "2"}, False),
        ([{"product_id": "7", "price": 12.5}], BEFORE, False),
        ([{"product_id": "7", "price": 12.5}], BEFORE | {"price": "12.50", "sku": "new"}, False),
    ],
)
def test_what_explains_a_change(body: Any, after: dict[str, Any], own: bool) -> None:

    [write] = own_writes_of(put(json.dumps(body).encode()))
    assert write.subject == "product/7"
    assert explains(write.fields, differences(BEFORE, after)) is own


def test_the_stock_of_variants_moves_that_of_the_product() -> None:
    [write] = own_writes_of(put(b'[{"product_id": "7", "variant_id": "1", "stock": 9}]'))
    before = with_variants("1", "2")
    assert explains(write.fields, differences(before, with_variants("1", "9")))
    assert not explains(write.fields, differences(before, with_variants("0", "9")))


def test_what_is_named_by_its_sku_alone_is_not_expected() -> None:
    assert own_writes_of(put(b'[{"sku": "MUG-1", "price": 1}]')) == []
    assert own_writes_of(create_product(title="A lamp")) == []
    assert own_writes_of(update_order("9", {"notes": "fragile"})) == []


@pytest.fixture
def told(desk: Desk) -> dict[str, list[str]]:
    """The prices that each of two handlers hears of."""
    told: dict[str, list[str]] = {"to_erp": [], "to_search": []}

    def hear(name: str) -> Callable[..., Any]:
        async def note(product: Product, change: Change, event: Event) -> None:
            told[name].append(str(product.price))

        return note

    for name in told:
        desk.inbox.on("product.update", name=name)(hear(name))
    return told


async def test_a_handler_hears_nothing_of_what_came_from_its_own_system(
    desk: Desk, store: Store, told: dict[str, list[str]]
) -> None:
    product_id = store.client.create_product(title="Bowl", price="10.00")
    async with desk.acquainted():
        desk.clock.ahead_seconds += 60
        client = desk.inbox.client(silent=["to_erp"])
        await client.update_product(product_id, price=12)
        await desk.tell("product.update", product_id)
        # Somebody else sets the same price again later: that is news.
        for price in ("13.00", "12.00"):
            store.price(product_id, price)
            await desk.tell("product.update", product_id)
        await client.aclose()
    assert told == {"to_erp": ["13.00", "12.00"], "to_search": ["12.00", "13.00", "12.00"]}


async def test_a_change_of_somebody_else_beside_our_own_is_told(
    desk: Desk, store: Store, told: dict[str, list[str]]
) -> None:
    product_id = store.client.create_product(title="Bowl", price="10.00")
    async with desk.acquainted():
        desk.clock.ahead_seconds += 60
        async with desk.inbox.client(silent=["to_erp"]) as client:
            await client.set_stock(product_id, 4)
            store.client.update_product(product_id, title="Cup")
            await desk.tell("product.update", product_id)
    assert told == {"to_erp": ["10.00"], "to_search": ["10.00"]}


async def test_our_own_write_does_not_end_a_run_that_waits(desk: Desk, store: Store) -> None:
    """A change that is told and not finished with stays to be done, whatever we write meanwhile."""
    ran: list[str] = []

    @desk.inbox.on("product.update", quiet_seconds=600)
    async def to_erp(product: Product) -> None:
        ran.append(f"{product.title} {product.price}")

    product_id = store.client.create_product(title="Bowl", price="10.00")
    async with desk.acquainted():
        desk.clock.ahead_seconds += 60
        store.client.update_product(product_id, title="Cup")
        await desk.hear("product.update", product_id)
        await desk.until(lambda: desk.rows("select 1 from reading"))
        async with desk.inbox.client(silent=["to_erp"]) as client:
            await client.update_product(product_id, price=12)
        await desk.hear("product.update", product_id)
        await desk.until(lambda: len(desk.rows("select 1 from reading")) == 2)
        desk.clock.ahead_seconds += 601
        lanes = [row["id"] for row in desk.rows("select id from lane where box = 3")]
        await desk.writer.write(lambda: desk.receiver.changes.ring(*lanes))
        await desk.settled()
    assert ran == ["Cup 12.00"]


@pytest.fixture
def heard(desk: Desk) -> list[tuple[str, str]]:
    """What two handlers of everything about orders and deletions hear: each its name and the event type."""
    heard: list[tuple[str, str]] = []

    def hear(name: str) -> Callable[..., Any]:
        async def note(event: Event) -> None:
            heard.append((name, event.event_type))

        return note

    for name in ("to_erp", "mail"):
        desk.inbox.on("order.*", "product.delete", name=name)(hear(name))
    return heard


async def test_the_state_of_an_order_that_we_have_set_is_not_told_to_who_did(
    desk: Desk, store: Store, heard: list[tuple[str, str]]
) -> None:
    order_id = store.pay()
    async with desk.at_work():
        await desk.tell("order.new", order_id)
        async with desk.inbox.client(silent=["to_erp"]) as client:
            await client.set_status(order_id, "done")
        await desk.tell("order.done", order_id)
        await desk.tell("order.done", order_id)
        store.turn(order_id, "cancelled")
        await desk.tell("order.cancelled", order_id)
        # Somebody else takes it up again and ends it: that is news.
        store.turn(order_id, "done")
        await desk.tell("order.done", order_id)
    again = ["order.cancelled", "order.new", "order.done"]
    assert [one for name, one in heard if name == "to_erp"] == ["order.new", *again]
    assert [one for name, one in heard if name == "mail"] == ["order.new", "order.done", *again]


async def test_what_somebody_else_has_done_of_an_order_before_us_is_told(
    desk: Desk, store: Store, heard: list[tuple[str, str]]
) -> None:
    order_id = store.pay()
    async with desk.at_work():
        async with desk.inbox.client(silent=["to_erp"]) as client:
            await client.update_order(order_id, status="done")
        await desk.tell("order.done", order_id)
    assert sorted(heard) == [("mail", "order.done"), ("mail", "order.new"), ("to_erp", "order.new")]


async def test_a_plain_handler_writes_as_silently(desk: Desk, store: Store, heard: list[tuple[str, str]]) -> None:
    @desk.inbox.on("order.new")
    def deliver(order: Order) -> None:
        with desk.inbox.blocking_client(silent=["to_erp"]) as client:
            client.update_order(order.id, status="done")

    order_id = store.pay()
    async with desk.at_work():
        await desk.tell("order.new", order_id)
        await desk.tell("order.done", order_id)
    assert [one for name, one in heard if name == "to_erp"] == ["order.new"]
    assert [one for name, one in heard if name == "mail"] == ["order.new", "order.done"]


async def test_a_deletion_of_ours_is_not_told_to_who_did_it(
    desk: Desk, store: Store, heard: list[tuple[str, str]]
) -> None:
    ours, theirs = (store.client.create_product(title="Bowl", price="10.00") for _ in range(2))
    async with desk.acquainted():
        async with desk.inbox.client(silent=["to_erp"]) as client:
            await client.delete_product(ours)
        store.client.delete_product(theirs)
        for product_id in (ours, theirs, ours):
            await desk.tell("product.delete", product_id)
    assert heard.count(("to_erp", "product.delete")) == 1
    assert heard.count(("mail", "product.delete")) == 2


async def test_a_product_that_we_have_created_is_not_told_to_who_did(desk: Desk, store: Store) -> None:
    told: list[tuple[str, str, str, str]] = []

    def hear(name: str) -> Callable[..., Any]:
        async def note(product: Product, event: Event, change: Change) -> None:
            before = change.before.price if isinstance(change.before, Product) else None
            told.append((name, event.event_type, str(product.price), str(before)))

        return note

    for name in ("to_erp", "mail"):
        desk.inbox.on("product.add", "product.update", name=name)(hear(name))
    async with desk.acquainted():
        desk.clock.ahead_seconds += 60
        async with desk.inbox.client(silent=["to_erp"]) as client:
            ours, edited = [await client.create_product(title="Bowl", price=10, stock=3) for _ in range(2)]
            store.price(edited, "11.00")
            for product_id in (ours, edited):
                await desk.tell("product.add", product_id)
            store.price(ours, "12.00")
            await desk.tell("product.update", ours)
    erp = [("product.add", "11.00", "None"), ("product.update", "12.00", "10.00")]
    mail = [("product.add", "10.00", "None"), *erp]
    assert sorted(told) == sorted([*[("to_erp", *one) for one in erp], *[("mail", *one) for one in mail]])


async def test_a_creation_that_failed_is_expected_by_nobody(desk: Desk) -> None:
    with desk.inbox.blocking_client() as client:
        product_id = client.create_product(title="Bowl", price=10)
        with pytest.raises(ApiError):
            client.create_product(price=10)
    assert [row["subject"] for row in desk.rows("select subject from own_write")] == [f"product/{product_id}"]


@pytest.mark.parametrize("blocking", [False, True], ids=["", "blocking"])
async def test_the_id_of_what_was_created_is_not_lost_with_the_expectation(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, blocking: bool
) -> None:
    """Whoever had an error instead would create it twice."""

    def refuse(*_: Any) -> Any:
        raise StorageUnavailable

    receiver = desk.inbox.open().receiver
    monkeypatch.setattr(receiver.database, "write", refuse)
    monkeypatch.setattr(receiver.writer, "write", refuse)
    if blocking:
        with desk.inbox.blocking_client() as plain:
            made = plain.create_product(title="Bowl", price=10)
    else:
        async with desk.inbox.client() as client:
            made = await client.create_product(title="Bowl", price=10)
    assert made
    assert "what was created is told" in caplog.text


def test_a_handler_or_a_shop_that_is_not_there_is_named(desk: Desk) -> None:
    with pytest.raises(ConfigurationError, match="no handler 'nobody'"):
        desk.inbox.client(silent=["nobody"])
    with pytest.raises(ConfigurationError, match=r"no shop 'north'\. Name one of: shop"):
        desk.inbox.client(shop="north")


def test_own_writes_on_every_database(home: Home) -> None:
    receiver = Receiver(home.open(), Settings(token="a-token-of-tests"))
    write, arrivals = receiver.database.write, receiver.arrivals
    [shop] = receiver.database.read(list_shops)
    old, new = read_document(BEFORE), read_document(BEFORE | {"price": "11.00"})
    insert = "insert into document(shop_id, version, body, created_at) values (:shop_id, :version, :body, 0)"
    write(lambda: once(insert, {"shop_id": shop.id, "version": old.version, "body": old.body}))
    write(lambda: expect(arrivals, shop.id, [OwnWrite("product/7", {"price": 11})], ["to_erp"]))
    write(lambda: expect(arrivals, shop.id, [OwnWrite("order/9", {"status": "done"})], ["to_erp"]))
    early = Changed(shop.id, "product/7", old.version, new.body, 0)
    assert write(lambda: silent_for(early)) == frozenset()
    changed = Changed(shop.id, "product/7", old.version, new.body, arrivals.clock())
    assert ("to_erp", "product.update") in write(lambda: silent_for(changed))
    assert write(lambda: silent_for(changed)) == frozenset()
    done = Changed(shop.id, "order/9", None, new.body, arrivals.clock(), "done")
    assert write(lambda: silent_for(done)) == {("to_erp", "order.done")}
