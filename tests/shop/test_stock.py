"""A sale takes from the stock and a return gives back; neither tells anybody unless told to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.shop.world import KEY, SECOND, World, close_world, open_world


@pytest.fixture
async def telling(tmp_path: Path) -> AsyncIterator[World]:
    """A shop whose sales publish product.update."""
    world = open_world(tmp_path, stock_changes_emit_update=True)
    await world.shop.set_key(KEY)
    await world.shop.seed()
    yield world
    await close_world(world)


async def stock(world: World, product_id: str = "101") -> str | None:
    qty: str | None = (await world.product(product_id))["qty"]
    return qty


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["paid"], "38"),
        (["done"], "38"),
        (["paid", "done"], "38"),
        (["paid", "cancelled"], "40"),
        (["paid", "done", "unpaid"], "40"),
        (["cancelled"], "40"),
        (["paid", "unpaid", "paid"], "38"),
        (["cancelled", "paid"], "38"),
    ],
)
async def test_a_sale_takes_and_a_return_gives_back(world: World, statuses: list[str], expected: str) -> None:
    known = len(world.events())
    for status in statuses:
        await world.change("90001", status=status)

    assert await stock(world) == expected
    assert all(event.startswith("order.") for event, _ in world.new_events(known))


async def test_a_sale_leaves_the_date_of_the_product(world: World) -> None:
    world.clock.now += 60 * SECOND
    await world.change("90001", status="paid")

    assert (await world.product("101"))["date_modified"] == "2026-11-02 09:14:05"


async def test_with_the_switch_a_sale_is_an_update(telling: World) -> None:
    known = len(telling.events())
    telling.clock.now += 60 * SECOND

    await telling.change("90001", status="paid")

    assert telling.new_events(known) == [("product.update", "product/101"), ("order.new", "order/90001")]
    assert (await telling.product("101"))["date_modified"] == "2026-11-02 09:15:05"


async def test_lines_changed_after_the_sale_move_the_difference(world: World) -> None:
    await world.change("90001", status="paid")

    await world.change("90001", products=[{"product_id": 101, "qty": 5}, {"product_id": 102, "qty": 1}])
    assert (await stock(world, "101"), await stock(world, "102")) == ("35", "99")

    await world.change("90001", status="cancelled", products=[{"product_id": 103}])
    assert [await stock(world, one) for one in ("101", "102", "103")] == ["40", "100", "8"]


async def test_stock_that_is_not_counted_stays_so(world: World) -> None:
    product_id = await world.add_product(stock=None)
    await world.change(await world.place(products=[{"product_id": product_id, "qty": 9}]), status="paid")

    assert await stock(world, product_id) is None


async def test_more_may_be_sold_than_there_is(world: World) -> None:
    await world.change(await world.place(products=[{"product_id": 103, "qty": 10}]), status="paid")

    assert await stock(world, "103") == "-2"


async def test_a_deleted_product_is_nobody_s_stock(world: World) -> None:
    await world.api.delete("/v1/products", params={"product_id": "101"})

    assert (await world.change("90001", status="paid"))["success"] is True


async def test_a_variant_has_its_own_stock(world: World) -> None:
    sizes = [
        {"sku": f"SHIRT-{size}", "qty": 3, "variant_option1_name": "Size", "variant_option1_value": size}
        for size in ("S", "L")
    ]
    product_id = await world.add_product(title="Shirt", price=199, variants={"add": sizes})
    order_id = await world.place(products=[{"sku": "SHIRT-L", "qty": 2}])

    await world.change(order_id, status="paid")

    product = await world.product(product_id)
    assert [variant["qty"] for variant in product["variants"]] == ["3", "1"]
    assert (product["qty"], product["hasVariants"]) == ("4", "1")
    line = (await world.order(order_id))["products"][0]
    assert (line["variant_id"], line["variant"], line["price"], line["sku"]) == (502, "Size: L", "199.00", "SHIRT-L")
