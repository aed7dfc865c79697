"""Texts beside orders and products: no read of those shows them, and no event tells of them."""

from typing import Any

import pytest

from ombud.shop.metadata import MOST_TEXTS
from tests.shop.world import World

ORDER, PRODUCT = "/v1/metadata/order/90001", "/v1/metadata/product/101"


async def write(world: World, method: str, path: str, key: Any, value: Any) -> int:
    answer = await world.api.request(method, path, json={"key": key, "value": value})
    return answer.status_code


@pytest.mark.parametrize("path", [ORDER, PRODUCT, PRODUCT + "/"])
async def test_texts_are_added_changed_and_deleted(world: World, path: str) -> None:
    known = len(world.events())
    assert await world.get(path) == {}

    assert await write(world, "POST", path, "ref", "A-1") == 200
    assert await write(world, "POST", path, "n", 7) == 200
    assert await world.get(path) == {"n": "7", "ref": "A-1"}

    assert await write(world, "PUT", path, "ref", "A-2") == 200
    assert await write(world, "PUT", path, "n", "") == 200
    assert await world.get(path) == {"ref": "A-2"}
    assert world.new_events(known) == []
    assert "A-2" not in str(await world.product("101")) + str(await world.order("90001"))


async def test_what_is_known_is_not_added_and_what_is_unknown_not_changed(world: World) -> None:
    await write(world, "POST", PRODUCT, "ref", "A-1")

    assert await write(world, "POST", PRODUCT, "ref", "A-2") == 400
    assert await write(world, "PUT", PRODUCT, "other", "A-2") == 404
    assert await world.get(PRODUCT) == {"ref": "A-1"}


@pytest.mark.parametrize("path", ["order/1", "order/x", "product/999", "customer/1", "cart/1", "order/-1", "%00/1"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_beside_nothing_is_404(world: World, path: str, method: str) -> None:
    answer = await world.api.request(method, f"/v1/metadata/{path}", json={"key": "a", "value": "b"})

    assert (answer.status_code, answer.json()["code"]) == (404, 404)


@pytest.mark.parametrize("item", [{}, {"key": ""}, {"key": "x" * 256}, {"key": []}, {"key": "a", "value": {}}])
async def test_a_bad_text_is_400(world: World, item: Any) -> None:
    assert (await world.api.post(ORDER, json=item)).status_code == 400


async def test_there_are_so_many_and_no_more(world: World) -> None:
    many = [{"key": f"k{number}", "value": "v"} for number in range(MOST_TEXTS)]
    assert (await world.api.post(ORDER, json=many)).status_code == 200

    assert await write(world, "POST", ORDER, "one more", "v") == 400
    assert await write(world, "PUT", ORDER, "k0", "w") == 200


async def test_a_write_of_several_is_all_or_none(world: World) -> None:
    answer = await world.api.put(ORDER, json=[{"key": "a", "value": "b"}, {"key": "unknown", "value": "b"}])

    assert answer.status_code == 404
    assert await world.get(ORDER) == {}


async def test_they_may_be_written_with_a_new_order_and_with_a_product(world: World) -> None:
    order_id = await world.place(metadata={"cart": "7"})
    product_id = await world.add_product(metadata={"erp": "12"})
    known = len(world.events())

    assert await world.get(f"/v1/metadata/order/{order_id}") == {"cart": "7"}
    assert await world.get(f"/v1/metadata/product/{product_id}") == {"erp": "12"}

    await world.edit_product({"product_id": product_id, "metadata": {"erp": "", "more": "1"}})
    assert await world.get(f"/v1/metadata/product/{product_id}") == {"more": "1"}
    assert world.new_events(known) == []


async def test_a_refused_edit_writes_no_metadata(world: World) -> None:
    await world.edit_product({"product_id": 101, "headcategory_id": 99, "metadata": {"a": "b"}})

    assert await world.get(PRODUCT) == {}


async def test_they_go_with_their_product(world: World) -> None:
    await write(world, "POST", PRODUCT, "ref", "A-1")

    await world.api.delete("/v1/products", params={"product_id": "101"})

    assert (await world.api.get(PRODUCT)).status_code == 404


@pytest.mark.parametrize("metadata", ["x", {"": "a"}, {"a": {}}, {f"k{n}": "v" for n in range(MOST_TEXTS + 1)}])
async def test_bad_metadata_of_a_product_is_400(world: World, metadata: Any) -> None:
    answer = await world.api.post("/v1/products", json={"title": "A", "metadata": metadata})

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("metadata")
