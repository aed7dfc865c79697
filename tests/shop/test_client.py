"""The typed client against the shop, over real sockets: what one serves the other understands."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest
import uvicorn

from ombud.client import ApiError, AsyncShopClient, Budget, OrderStatus, WriteRejected
from ombud.shop import Limit, create_app
from tests.shop.world import KEY, START, World

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # spares each test the reading of all root certificates


@asynccontextmanager
async def served(world: World, budget: Budget | None = None, **switches: Any) -> AsyncIterator[AsyncShopClient]:
    """A client of the shop, with a real socket between them."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(world.shop, **switches), lifespan="off", log_level="critical"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    port = listening.getsockname()[1]
    transport = httpx2.AsyncHTTPTransport(verify=NO_TLS)
    url = f"http://127.0.0.1:{port}/v1"
    async with AsyncShopClient(KEY, url, budget=budget, transport=transport) as client:
        yield client
    server.should_exit = True
    await serving


@pytest.fixture(params=[False, True], ids=["documented", "arrays"])
async def shop(world: World, request: pytest.FixtureRequest) -> AsyncIterator[AsyncShopClient]:
    async with served(world, products_as_array=request.param) as client:
        yield client


async def test_orders(shop: AsyncShopClient) -> None:
    order_id = await shop.create_order(
        customer={"email": "bo@example.test", "billing_details": {"firstname": "Bo"}},
        products=[{"product_id": 101, "qty": 2}, {"sku": "TRAY-1", "qty": 1}],
    )
    await shop.update_order(order_id, status="paid", skip_webhook=True)

    order = await shop.order(order_id)
    assert order is not None
    assert (order.status, order.total_amount) == (OrderStatus.PAID, Decimal("998.00"))
    assert [line.qty for line in order.lines] == [2, 1]
    assert order.date_paid is not None
    assert [one.id async for one in shop.orders(status="paid")] == [order_id]
    assert [one.id async for one in shop.orders(limit=1)] == [order_id, "90001"]
    assert await shop.order(1) is None
    with pytest.raises(WriteRejected):
        await shop.update_order(1, status="paid")


async def test_products(shop: AsyncShopClient) -> None:
    product_id = await shop.create_product(title="Bowl", sku="BOWL-1", price=Decimal("99.50"), stock=5)
    await shop.update_product(product_id, stock=4)

    product = await shop.product(product_id)
    assert product is not None
    assert (product.title, product.qty, product.price) == ("Bowl", 4, Decimal("99.50"))
    assert [one.id async for one in shop.products()] == [product_id, "103", "102", "101"]
    assert [one.id async for one in shop.products(search="bowl")] == [product_id]
    assert [one.id async for one in shop.products(sku="BOWL-1")] == [product_id]
    assert await shop.product_count() == 4
    assert await shop.delete_product(product_id) is True
    assert await shop.delete_product(product_id) is False


async def test_lists_are_whole_and_pages_single(shop: AsyncShopClient) -> None:
    new = [await shop.create_product(title=f"Plate {number}") for number in range(9)]

    assert [one.id async for one in shop.products(limit=5)] == [*reversed(new), "103", "102", "101"]
    assert [one.id for one in await shop.product_page(9, limit=5)] == ["103", "102", "101"]
    assert await shop.product_page(99) == ()
    found = await shop.find_products([*new, "101", "999"])
    assert {one: product is not None for one, product in found.items()} == {
        **dict.fromkeys([*new, "101"], True),
        "999": False,
    }


async def test_changed_orders_are_those_and_by_id(shop: AsyncShopClient, world: World) -> None:
    ids = await shop.create_orders([{"products": [{"product_id": 101, "qty": 1}]}] * 3)
    world.clock.now += 3_600_000_000
    await shop.update_orders([{"order_id": one, "status": "paid"} for one in reversed(ids[1:])])
    start = datetime.fromtimestamp(START / 1e6, UTC)

    async def changed(minutes: int, **more: Any) -> list[str]:
        return [one.id async for one in shop.changed_orders(start + timedelta(minutes=minutes), **more)]

    assert await changed(60) == list(ids[1:])
    assert await changed(74) == list(ids[1:])
    assert await changed(76) == []
    assert await changed(61, overlap_seconds=0) == []
    assert await changed(0) == ["90001", *ids]
    assert [one.id for one in await shop.order_page(limit=2)] == [ids[2], ids[1]]


async def test_a_status_is_set_once_for_a_key(shop: AsyncShopClient, world: World) -> None:
    known = len(world.events())

    assert await shop.set_status("90001", "paid", key="k1") is True
    await shop.update_order("90001", status="unpaid")
    assert await shop.set_status("90001", OrderStatus.PAID, key="k1") is False
    assert await shop.set_status("90001", "paid", key="k2", skip_webhook=True) is True

    assert world.new_events(known) == [("order.new", "order/90001")]
    with pytest.raises(WriteRejected):
        await shop.set_status(1, "paid", key="k1")


async def test_a_stock_is_set_once_for_a_key(shop: AsyncShopClient, world: World) -> None:
    known = len(world.events())
    assert await shop.set_stock("101", 30, key="k1") is True
    assert await shop.set_stock("101", 29, key="k2") is True
    assert await shop.set_stock("101", 30, key="k1") is False

    product = await shop.product("101")
    assert product is not None
    assert product.qty == 29
    assert world.new_events(known) == [("product.update", "product/101")] * 2
    with pytest.raises(WriteRejected):
        await shop.set_stock("999", 1, key="k1")


async def test_a_variant_has_its_own_stock(shop: AsyncShopClient) -> None:
    await shop.update_product("101", variants={"add": [{"sku": "RED", "qty": 4}, {"sku": "BLUE", "qty": 4}]})

    assert await shop.set_stock("101", 3, variant_id="502", key="k1") is True

    product = await shop.product("101")
    assert product is not None
    assert [(one.sku, one.qty) for one in product.variants] == [("RED", 4), ("BLUE", 3)]


async def test_categories(shop: AsyncShopClient) -> None:
    assert await shop.categories() == ()
    kitchen = await shop.create_category("Kitchen")
    mugs = await shop.create_category("Mugs", kitchen)
    await shop.update_product("101", headcategory_id=mugs)

    assert [(one.id, one.path, one.parent_id) for one in await shop.categories()] == [
        (kitchen, ("Kitchen",), None),
        (mugs, ("Kitchen", "Mugs"), kitchen),
    ]
    one = await shop.category(mugs)
    assert one is not None
    assert one.name == "Mugs"
    assert await shop.category("99") is None
    product = await shop.product("101")
    assert product is not None
    assert product.categories == (("Kitchen", "Mugs"),)
    with pytest.raises(ApiError, match="no category 99"):
        await shop.create_category("Cups", 99)


async def test_ways_to_pay_and_to_send(shop: AsyncShopClient) -> None:
    assert [one.id for one in await shop.payment_methods()] == ["1", "2"]
    parcel = (await shop.shipping_methods())[0]
    assert (parcel.name, parcel.price, parcel.countries[0]) == ("Parcel", Decimal("49.00"), "SE")


async def test_metadata(shop: AsyncShopClient) -> None:
    order_id = await shop.create_order(products=[{"product_id": 101, "qty": 1}], metadata={"cart": "7"})
    await shop.set_metadata("order", order_id, "ref", "A-1")
    await shop.set_metadata("order", order_id, "ref", "A-2")

    assert (await shop.metadata("order", order_id)).values == {"cart": "7", "ref": "A-2"}
    await shop.set_metadata("order", order_id, "ref", "")
    await shop.update_metadata("order", order_id, "cart", "")
    assert (await shop.metadata("order", order_id)).values == {}
    assert (await shop.metadata("customer", "5")).values == {}
    with pytest.raises(ApiError, match="no metadata"):
        await shop.update_metadata("order", order_id, "ref", "A-3")


async def test_a_client_with_a_budget_comes_through_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve requests through an API that takes five at once and then forty a second: slower, and nothing fails."""
    monkeypatch.setattr("ombud.client.budget.FIRST_PAUSE_SECONDS", 0.05)
    hasty = Budget(1_000.0, burst=1)
    async with served(world, hasty, limit=Limit(40.0)) as shop:
        counts = await asyncio.gather(*(shop.product_count() for _ in range(12)))

    assert counts == [3] * 12
    assert hasty.state().per_second < 1_000.0
