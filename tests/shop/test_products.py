"""GET, POST, PUT and DELETE /v1/products: the four shapes, the events, and no event without a change."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ombud.db.operation import Operation
from ombud.shop import create_app
from tests.shop.world import KEY, SECOND, World, client

SHORT = {"id", "sku", "hasVariants", "title", "visible", "qty", "price", "date_modified"}


async def test_a_list_is_in_an_object_newest_first_and_short(world: World) -> None:
    answer = await world.get("/v1/products")

    assert [product["id"] for product in answer["product"]] == ["103", "102", "101"]
    assert answer["product"][2] == {
        "id": "101",
        "sku": "MUG-1",
        "hasVariants": "0",
        "title": "Mug",
        "visible": "1",
        "qty": "40",
        "price": "249.50",
        "date_modified": "2026-11-02 09:14:05",
    }


async def test_a_search_is_a_bare_array(world: World) -> None:
    assert [product["id"] for product in await world.get("/v1/products", search="tOwEl")] == ["102"]


@pytest.mark.parametrize("query", [{"product_id": "101"}, {"sku": "MUG-1"}])
async def test_one_product_is_an_object_in_full(world: World, query: dict[str, str]) -> None:
    product = (await world.get("/v1/products/", **query))["product"]

    assert product["id"] == "101"
    assert product.keys() > SHORT
    assert {"description", "images", "variants", "categories", "tax_rate", "weight"} < product.keys()


async def test_details_and_pages(world: World) -> None:
    answer = await world.get("/v1/products", include_details="true", limit=1, offset=1)

    assert [product["id"] for product in answer["product"]] == ["102"]
    assert "description" in answer["product"][0]


async def test_the_default_page_holds_fifty(world: World) -> None:
    await world.api.post("/v1/products", json=[{"title": f"Plate {number}"} for number in range(60)])

    assert len((await world.get("/v1/products"))["product"]) == 50
    assert len((await world.get("/v1/products", limit=1000))["product"]) == 63


@pytest.fixture
async def arrays(world: World) -> AsyncIterator[Any]:
    async with client(create_app(world.shop, products_as_array=True), key=KEY) as api:
        yield api


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({}, ["103", "102", "101"]),
        ({"product_id": "101"}, ["101"]),
        ({"sku": "TRAY-1"}, ["103"]),
        ({"search": "mug"}, ["101"]),
    ],
)
async def test_the_switch_makes_arrays_of_all_shapes(arrays: Any, query: dict[str, str], ids: list[str]) -> None:
    assert [product["id"] for product in (await arrays.get("/v1/products", params=query)).json()] == ids


@pytest.mark.parametrize(
    "query",
    [{"product_id": "999"}, {"product_id": "x"}, {"sku": "NOPE"}, {"search": "%"}, {"search": "_"}, {"offset": 9}],
)
async def test_none_found_is_404(world: World, query: dict[str, Any]) -> None:
    answer = await world.api.get("/v1/products", params=query)

    assert (answer.status_code, answer.json()["code"]) == (404, 404)


async def test_the_count_is_a_text(world: World, empty: World) -> None:
    assert await world.get("/v1/products/count") == {"count": "3"}
    assert await world.get("/v1/products/count/") == {"count": "3"}


async def test_a_new_product_in_full(world: World) -> None:
    known = len(world.events())

    product_id = await world.add_product(
        title=" Bowl ",
        sku="BOWL-1",
        description="<p>Round &amp; blue</p>",
        price=99.5,
        before_price="120",
        weight="400",
        stock=5,
        visible=0,
        headcategory_name="Kitchen",
        images={"3": {"url": "https://img.example.test/bowl.jpg", "alttext": "A bowl"}},
        metadata={"a": 1},
    )

    product = await world.product(product_id)
    assert world.new_events(known) == [("product.add", f"product/{product_id}")]
    expected = {
        "title": "Bowl",
        "price": "99.50",
        "before_price": "120.00",
        "weight": "400",
        "qty": "5",
        "visible": "0",
        "categories": [[{"category": "Kitchen"}]],
        "images": {"1": {"image": "https://img.example.test/bowl.jpg", "alttext": "A bowl"}},
    }
    assert {name: product[name] for name in expected} == expected


async def test_several_products_at_once_and_all_or_none(world: World) -> None:
    answer = await world.api.post("/v1/products", json=[{"title": "A"}, {"title": "B"}])
    assert answer.json() == {"success": True, "product_id": "104", "product_ids": ["104", "105"], "errors": []}

    answer = await world.api.post("/v1/products", json=[{"title": "C"}, {"title": ""}])
    assert answer.json() == {"code": 400, "error": "[1].title: A product needs a title."}
    assert await world.get("/v1/products/count") == {"count": "5"}


async def test_a_duplicate_may_be_skipped(world: World) -> None:
    known = len(world.events())

    assert await world.add_product(sku="MUG-1", skipIfDuplicate=True) == "101"
    assert world.new_events(known) == []


async def test_only_a_real_change_is_an_update(world: World) -> None:
    known = len(world.events())
    world.clock.now += 60 * SECOND

    same = {"product_id": "101", "title": "Mug", "price": "249.5", "stock": "40", "visible": True}
    assert await world.edit_product(same, {"product_id": 101}) == {"success": 2, "errors": [], "variants": []}
    assert world.new_events(known) == []
    assert (await world.product("101"))["date_modified"] == "2026-11-02 09:14:05"

    assert (await world.edit_product({"sku": "MUG-1", "stock": 39}))["success"] == 1
    assert world.new_events(known) == [("product.update", "product/101")]
    assert (await world.product("101"))["date_modified"] == "2026-11-02 09:15:05"
    assert (await world.product("101"))["qty"] == "39"


async def test_each_edit_of_a_request_stands_alone(world: World) -> None:
    await world.add_product(sku="TWIN")
    await world.add_product(sku="TWIN")
    known = len(world.events())

    answer = await world.edit_product(
        {"product_id": 999, "price": 1},
        {"sku": "TWIN", "price": 1},
        {"sku": "NOPE", "price": 1},
        {"variant_id": 999, "price": 1},
        {"product_id": 101, "price": 1},
    )

    assert answer == {
        "success": 1,
        "errors": [
            "[0].product_id: There is no product 999.",
            "[1].sku: More than one product has the sku 'TWIN'.",
            "[2].sku: No product has the sku 'NOPE'.",
            "[3].variant_id: There is no variant 999 of this product.",
        ],
        "variants": [],
    }
    assert world.new_events(known) == [("product.update", "product/101")]


async def test_variants_are_added_changed_and_named(world: World) -> None:
    answer = await world.edit_product(
        {"product_id": 101, "variants": {"add": [{"sku": "MUG-RED", "qty": 4, "price": 200}, {"sku": "MUG-BLUE"}]}}
    )
    assert answer["variants"] == [{"variant_id": "501"}, {"variant_id": "502"}]

    answer = await world.edit_product(
        {
            "product_id": 101,
            "variants": {"sync": [{"id": 501, "qty": 3}, {"sku": "MUG-BLUE", "qty": 1}, {"sku": "MUG-3"}]},
        }
    )
    assert answer["variants"] == [{"variant_id": "503"}]
    await world.edit_product({"variant_id": 503, "qty": 2}, {"sku": "MUG-RED", "price": "210"})

    product = await world.product("101")
    assert [(variant["sku"], variant["qty"], variant["price"]) for variant in product["variants"]] == [
        ("MUG-RED", "3", "210.00"),
        ("MUG-BLUE", "1", "249.50"),
        ("MUG-3", "2", "249.50"),
    ]
    assert product["qty"] == "6"
    assert (await world.get("/v1/products", sku="MUG-3"))["product"]["id"] == "101"
    result = await world.edit_product({"product_id": 102, "variants": [{"id": 501, "qty": 1}]})
    assert result["errors"] == ["[0].variants.sync[0].variant_id: There is no variant 501 of this product."]
    answer = await world.api.post("/v1/orders", json=[{"products": [{"product_id": 101}]}])
    assert answer.json()["results"]["create_1"]["success"] is False


@pytest.mark.parametrize("way", ["query", "object", "array"])
async def test_delete_is_for_ever(world: World, way: str) -> None:
    known = len(world.events())
    body = {"product_id": 101} if way == "object" else [{"product_id": "101"}]
    if way == "query":
        answer = await world.api.delete("/v1/products", params={"product_id": "101"})
    else:
        answer = await world.api.request("DELETE", "/v1/products", json=body)

    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert world.new_events(known) == [("product.delete", "product/101")]
    assert (await world.api.get("/v1/products", params={"product_id": "101"})).status_code == 404
    assert (await world.api.delete("/v1/products", params={"product_id": "101"})).status_code == 404
    assert len(world.new_events(known)) == 1


async def test_delete_is_all_or_none(world: World) -> None:
    known = len(world.events())

    answer = await world.api.request("DELETE", "/v1/products", json=[{"product_id": 101}, {"product_id": 999}])

    assert answer.status_code == 404
    assert await world.get("/v1/products/count") == {"count": "3"}
    assert world.new_events(known) == []


async def test_an_id_is_never_given_out_again(world: World) -> None:
    product_id = await world.add_product()
    await world.api.delete("/v1/products", params={"product_id": product_id})

    assert int(await world.add_product()) == int(product_id) + 1


async def test_a_product_s_event_and_its_change_are_one_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> Operation[None]:
        yield from ()
        raise RuntimeError("no room for events")

    monkeypatch.setattr(world.outbox, "publish", refuse)
    for request in (
        world.api.post("/v1/products", json={"title": "A"}),
        world.api.put("/v1/products", json=[{"product_id": 101, "price": 1}]),
        world.api.delete("/v1/products", params={"product_id": "101"}),
    ):
        with pytest.raises(RuntimeError, match="no room for events"):
            await request

    assert await world.get("/v1/products/count") == {"count": "3"}
    assert (await world.product("101"))["price"] == "249.50"
