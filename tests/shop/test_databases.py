"""The shop on each database: its statements mean the same there, and a change and its event stay one transaction."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ombud.db.migrate import migrate
from ombud.mailbox.opening import open_ids
from ombud.sender.outbox import Outbox
from ombud.settings import Settings
from ombud.shop import Shop, create_app
from ombud.shop.order_input import OrderChange
from tests.shop.world import KEY, SECOND, Clock, World, client, close_world
from tests.support.databases import Home

# Pairs of processes that do the same at the same moment.
PAIRS = 4


@pytest.fixture
async def world(home: Home) -> AsyncIterator[World]:
    """A shop as it is after the first start: products 101 to 103, and order 90001, which nobody has paid."""
    made = open_shop(home)
    await made.shop.set_key(KEY)
    await made.shop.seed()
    yield made
    await close_world(made)


@pytest.fixture
async def beside(home: Home) -> AsyncIterator[World]:
    """Another process with the same shop."""
    made = open_shop(home)
    yield made
    await close_world(made)


def open_shop(home: Home) -> World:
    clock = Clock()
    database: Any = home.open(clock)
    migrate(database, ["ombud.mailbox", "ombud.sender", "ombud.shop"])
    outbox = Outbox(open_ids(database), clock, Settings())
    writer: Any = database.open_writer()
    shop = Shop(writer, outbox, clock=clock)
    return World(database, writer, outbox, shop, client(create_app(shop), key=KEY), clock)


async def ids(world: World, **query: Any) -> list[str]:
    return [order["order_id"] for order in await world.get("/v1/orders", **query)]


async def test_orders_are_found_by_each_filter_and_in_each_order(world: World) -> None:
    placed = []
    for quantity in (10, 9, 100):
        world.clock.now += SECOND
        placed.append(await world.place(products=[{"product_id": "101", "qty": str(quantity)}]))
    first, second, third = placed
    world.clock.now += SECOND
    await world.change(second, status="paid")

    assert await ids(world) == [third, second, first, "90001"]
    assert await ids(world, limit=2, offset=1) == [second, first]
    # By amount, not by its digits: 9 mugs are less than 10, and 10 less than 100.
    assert await ids(world, order_by="price", sort_order="asc") == ["90001", second, first, third]
    assert await ids(world, order_by="date", sort_order="desc") == [third, second, first, "90001"]
    assert await ids(world, order_by="order_id", sort_order="asc") == ["90001", first, second, third]
    assert await ids(world, status="paid") == [second]
    assert await ids(world, order_id=first) == [first]
    assert await ids(world, from_date_paid="2026-11-02") == [second]
    assert await ids(world, search="ANNA test") == ["90001"]


@pytest.mark.parametrize("search", ["100%", "a_b", "ÅÄÖ", "back\\slash", "it's"])
async def test_a_search_is_for_words_whatever_the_characters(world: World, search: str) -> None:
    wanted = await world.add_product(title=f"A {search} thing")
    await world.add_product(title="A 1000 axb aao backslash its thing")

    found = await world.get("/v1/products", search=search.lower())
    assert [product["id"] for product in found] == [wanted]


async def test_products_come_change_and_go(world: World) -> None:
    variants = [{"sku": "B-S", "qty": "3", "price": "10"}, {"sku": "B-L", "qty": "4", "price": "12"}]
    product_id = await world.add_product(title="Bowl", sku="B", variants=variants)
    assert (await world.get("/v1/products", sku="B"))["product"]["id"] == product_id
    assert (await world.get("/v1/products/count")) == {"count": "4"}
    await world.edit_product({"product_id": product_id, "title": "Deep bowl"})
    assert (await world.product(product_id))["title"] == "Deep bowl"
    answer = await world.api.delete("/v1/products", params={"product_id": product_id})
    assert answer.status_code == 200, answer.text
    assert (await world.get("/v1/products/count")) == {"count": "3"}
    next_id = await world.add_product(title="Another")
    assert int(next_id) > int(product_id)


async def test_a_change_and_its_event_are_stored_together(world: World) -> None:
    order_id = await world.place()
    before = len(world.events())
    await world.change(order_id, status="paid")
    await world.change(order_id, status="done")
    assert world.new_events(before) == [("order.new", f"order/{order_id}"), ("order.done", f"order/{order_id}")]


async def test_two_shops_do_not_meet(world: World) -> None:
    other = Shop(world.writer, world.outbox, shop_id=2, clock=world.clock)
    await other.seed()
    assert await world.get("/v1/products/count") == {"count": "3"}


async def test_an_order_that_several_processes_pay_at_once_is_paid_once(world: World, beside: World) -> None:
    pay = [OrderChange(90_001, status="paid")]
    before = len(world.events())
    await asyncio.gather(*(one.shop.change_orders(pay) for one in (world, beside) * PAIRS))

    assert world.new_events(before) == [("order.new", "order/90001")]
    assert (await world.product("101"))["qty"] == "38"


async def test_a_shop_that_several_processes_begin_at_once_is_begun_once(world: World, beside: World) -> None:
    shops = [Shop(one.writer, one.outbox, shop_id=2, clock=one.clock) for one in (world, beside)]
    seeded = await asyncio.gather(*(shop.seed() for shop in shops))
    opened = await asyncio.gather(*(shop.set_first_key(f"key {number}") for number, shop in enumerate(shops)))

    assert sorted(seeded) == sorted(opened) == [False, True]
    assert await shops[0].count_products() == 3
