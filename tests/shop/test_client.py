"""The typed client against the shop, over real sockets: what one serves the other understands."""

import asyncio
import socket
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
import uvicorn

from ombud.client import AsyncShopClient, OrderStatus, WriteRejected
from ombud.shop import create_app
from tests.shop.world import KEY, World


@pytest.fixture(params=[False, True], ids=["documented", "arrays"])
async def shop(world: World, request: pytest.FixtureRequest) -> AsyncIterator[AsyncShopClient]:
    listening = socket.create_server(("127.0.0.1", 0))
    app = create_app(world.shop, products_as_array=request.param)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    port = listening.getsockname()[1]
    async with AsyncShopClient(KEY, f"http://127.0.0.1:{port}/v1") as client:
        yield client
    server.should_exit = True
    await serving


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
