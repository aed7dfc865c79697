"""Categories: a tree of names, and where a product stands in it."""

from typing import Any

import pytest

from tests.shop.world import World, ask


async def add(world: World, name: str, **more: Any) -> Any:
    answer = await world.api.post("/v1/categories", json={"name": name, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_none_yet_is_404(world: World) -> None:
    answer = await world.api.get("/v1/categories")

    assert (answer.status_code, answer.json()["code"]) == (404, 404)


async def test_a_new_one_has_its_ids_as_texts(world: World) -> None:
    assert await add(world, "Kitchen") == {"category_id": "11", "name": "Kitchen", "uri": "kitchen", "parent_id": "0"}
    assert await add(world, "Mugs & cups", parent_id=11) == {
        "category_id": "12",
        "name": "Mugs & cups",
        "uri": "kitchen/mugs-cups",
        "parent_id": "11",
    }


async def test_read_they_have_numbers_and_a_path(world: World) -> None:
    await add(world, "Kitchen")
    await add(world, "Mugs", parent_id="11")

    mugs = {
        "category_id": 12,
        "uri": "kitchen/mugs",
        "url": "/kitchen/mugs",
        "name": "Mugs",
        "name_path": "Kitchen > Mugs",
        "description1": "",
        "description2": "",
        "parent_id": 11,
    }
    assert [one["name_path"] for one in (await world.get("/v1/categories"))["results"]] == ["Kitchen", "Kitchen > Mugs"]
    assert await world.get("/v1/categories/", category_id="12") == {"results": mugs}


@pytest.mark.parametrize("wanted", ["99", "x", "0", ""])
async def test_an_unknown_one_is_404(world: World, wanted: str) -> None:
    await add(world, "Kitchen")

    assert (await world.api.get("/v1/categories", params={"category_id": wanted})).status_code == 404


@pytest.mark.parametrize(
    ("item", "where"),
    [({}, "name"), ({"name": " "}, "name"), ({"name": "A", "parent_id": 99}, "parent_id"), ({"name": []}, "name"),
     ({"name": "A", "parent_id": "x"}, "parent_id")],
)  # fmt: skip
async def test_a_bad_one_is_400(world: World, item: Any, where: str) -> None:
    answer = await world.api.post("/v1/categories", json=item)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"{where}: ")


async def test_a_product_s_new_category_is_made(world: World) -> None:
    product_id = await world.add_product(headcategory_name="Kitchen")

    assert (await world.product(product_id))["categories"] == [[{"category": "Kitchen"}]]
    assert [one["name"] for one in (await world.get("/v1/categories"))["results"]] == ["Kitchen"]

    await world.add_product(headcategory_name="Kitchen")
    assert len((await world.get("/v1/categories"))["results"]) == 1


async def test_a_product_in_a_category_shows_the_path(world: World) -> None:
    await add(world, "Kitchen")
    await add(world, "Mugs", parent_id=11)
    known = len(world.events())

    await world.edit_product({"product_id": 101, "headcategory_id": 12})

    product = await world.product("101")
    assert product["categories"] == [[{"category": "Kitchen"}, {"category": "Mugs"}]]
    assert product["headcategory_name"] == "Mugs"
    await world.edit_product({"product_id": 101, "headcategory_name": "Mugs"})
    assert world.new_events(known) == [("product.update", "product/101")]
    await world.edit_product({"product_id": 101, "headcategory_name": ""})
    assert (await world.product("101"))["categories"] == []


async def test_an_unknown_category_of_a_product_is_refused(world: World) -> None:
    assert (await world.edit_product({"product_id": 101, "headcategory_id": 99}))["errors"] == [
        "[0].headcategory_id: There is no category 99."
    ]
    answer = await world.api.post("/v1/products", json={"title": "A", "headcategory_id": 99})
    assert answer.json() == {"code": 400, "error": "headcategory_id: There is no category 99."}


async def test_a_product_from_before_there_were_categories_still_shows_its_own(world: World) -> None:
    await world.edit_product({"product_id": 101, "headcategory_name": "Kitchen"})
    world.database.write(
        lambda: ask("""update shop_product set document = replace(document, '"categories"', '"x"') where id = 101""")
    )

    assert (await world.product("101"))["categories"] == [[{"category": "Kitchen"}]]


async def test_a_shop_has_so_many_and_no_more(world: World) -> None:
    for start in (0, 500):
        many = [{"name": f"C{start + number}"} for number in range(500)]
        assert (await world.api.post("/v1/categories", json=many)).status_code == 200

    answer = await world.api.post("/v1/categories", json={"name": "one more"})

    assert answer.status_code == 400
    assert "at most" in answer.json()["error"]
