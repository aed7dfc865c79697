"""What a first start finds, and a second one leaves alone."""

from tests.shop.world import World


async def test_three_products_and_one_unpaid_order(empty: World) -> None:
    assert await empty.shop.seed() is True

    assert await empty.get("/v1/products/count") == {"count": "3"}
    assert [order["status"] for order in await empty.get("/v1/orders")] == ["-1"]
    assert [event for event, _ in empty.events()] == ["product.add"] * 3


async def test_only_when_the_shop_has_nothing(empty: World) -> None:
    await empty.add_product()

    assert await empty.shop.seed() is False
    assert await empty.get("/v1/products/count") == {"count": "1"}


async def test_shops_share_a_database_and_nothing_else(empty: World) -> None:
    from ombud.shop import Shop

    other = Shop(empty.writer, empty.outbox, shop_id=2, clock=empty.clock)
    await other.seed()

    assert await empty.get("/v1/products/count") == {"count": "0"}
    assert (await empty.api.get("/v1/orders", params={"order_id": "90001"})).status_code == 404
    rows = empty.database.read(empty.shop.products.count)
    assert rows == 0
    assert await other.key_hash() is None
