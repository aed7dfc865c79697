"""The rest of what is read: package lines, categories, ways to pay and to send, metadata; each in all its shapes."""

from decimal import Decimal
from typing import Any

import pytest

from ombud.client import UnexpectedAnswer, read_category, read_order, read_product

NONE = {"code": 404, "error": "Not found"}
KITCHEN: dict[str, Any] = {
    "category_id": 11,
    "uri": "kitchen",
    "url": "/kitchen",
    "name": "Kitchen",
    "name_path": "Kitchen",
    "description1": "",
    "description2": None,
    "parent_id": 0,
}
MUGS: dict[str, Any] = {"category_id": "12", "name": "Mugs", "name_path": "Kitchen > Mugs", "parent_id": "11"}


async def test_a_bare_order_is_an_order(shop: Any, vendor: Any) -> None:
    vendor.says({"order_id": "7"})

    assert (await shop.ask("order", 7)).id == "7"


def test_an_order_line_may_be_a_package() -> None:
    part = {"product_id": 5, "variant_id": 0, "title": "Mug", "variant": None, "qty": "2", "sku": "MUG", "price": 10}
    line = {"id": 1, "weight": "350", "image": "a.jpg", "app": {"productpackages": [part]}}

    order = read_order({"order_id": 1, "products": [line, {"app": []}, {"app": {}}]})

    package, *others = order.lines
    assert (package.weight, package.image) == (Decimal(350), "a.jpg")
    assert [(one.product_id, one.variant_id, one.qty, one.price) for one in package.parts] == [
        ("5", None, 2, Decimal(10))
    ]
    assert [line.parts for line in others] == [(), ()]


def test_the_smaller_facts_of_an_order_and_a_product() -> None:
    order = read_order({"order_id": 1, "is_taxfree": False, "is_taxontop": "1", "total_weight": "1200"})
    product = read_product(
        {"id": 1, "disable_minusqty": True, "seo_title": "Mugs", "datafield_2": "blue", "images": [{"url": "b.jpg"}],
         "variants": [{"id": 2, "supplier_sku": "S", "image_id": "4", "disable_minusqty": "0", "preselected": 1,
                       "min_purchase_quantity": "2", "max_purchase_quantity": None, "qty_location": "A3"}]}
    )  # fmt: skip

    assert (order.tax_free, order.tax_on_top, order.total_weight) == (False, True, Decimal(1200))
    assert (product.disable_minusqty, product.seo_title, product.datafields) == (True, "Mugs", (None, "blue", None))
    assert product.images[0].url == "b.jpg"
    variant = product.variants[0]
    assert (variant.supplier_sku, variant.image_id, variant.qty_location) == ("S", "4", "A3")
    assert (variant.disable_minusqty, variant.preselected) == (False, True)
    assert (variant.min_purchase_quantity, variant.max_purchase_quantity) == (2, None)


def test_a_field_that_decides_nothing_spoils_nothing() -> None:
    product = read_product(
        {"id": 1, "disable_minusqty": "perhaps", "seo_title": {}, "variants": [{"id": 2, "image_id": {}}]}
    )

    assert (product.disable_minusqty, product.seo_title, product.variants[0].image_id) == (None, None, None)
    with pytest.raises(UnexpectedAnswer):
        read_product({"id": 1, "visible": "perhaps"})


@pytest.mark.parametrize(
    "shape",
    [{"results": [KITCHEN, MUGS]}, [KITCHEN, MUGS], {"results": {"0": KITCHEN, "1": MUGS}}, {"1": KITCHEN, "10": MUGS}],
    ids=["boxed list", "list", "boxed gaps", "gaps"],
)
async def test_categories_come_in_several_shapes(shop: Any, vendor: Any, shape: Any) -> None:
    vendor.says(shape)

    kitchen, mugs = await shop.ask("categories")

    assert (kitchen.id, kitchen.name, kitchen.path, kitchen.parent_id) == ("11", "Kitchen", ("Kitchen",), None)
    assert (mugs.id, mugs.path, mugs.parent_id) == ("12", ("Kitchen", "Mugs"), "11")
    assert kitchen.raw == KITCHEN
    assert vendor.seen[0].path == "/v1/categories"


@pytest.mark.parametrize("shape", [{"results": KITCHEN}, [KITCHEN], KITCHEN])
async def test_one_category(shop: Any, vendor: Any, shape: Any) -> None:
    vendor.says(shape)

    assert (await shop.ask("category", 11)).uri == "kitchen"
    assert vendor.seen[0].query == {"category_id": "11"}
    assert len(await shop.ask("categories")) == 1


@pytest.mark.parametrize("body", [{"results": "none"}, {"results": None}, "x", 7, {"code": 404, "error": "no"}, [[]]])
async def test_other_categories_are_an_error(shop: Any, vendor: Any, body: Any) -> None:
    vendor.says(body)

    with pytest.raises(UnexpectedAnswer):
        await shop.ask("categories")


def test_a_category_can_be_read_from_what_was_stored() -> None:
    assert read_category(MUGS).parent_id == "11"


@pytest.mark.parametrize(
    "body", [{"category_id": "13", "name": "New", "uri": "new", "parent_id": "11"}, {"results": {"category_id": 13}}]
)
async def test_a_new_category_gives_its_id(shop: Any, vendor: Any, body: Any) -> None:
    vendor.says(body)

    assert await shop.ask("create_category", "New", "11") == "13"
    assert await shop.ask("create_category", "New") == "13"
    assert [seen.json() for seen in vendor.seen] == [{"name": "New", "parent_id": 11}, {"name": "New"}]


PAY = {"method_id": 3, "name": "Card"}
SEND = {"id": "9", "title": "Parcel", "price": "49.00", "countries": "SE, NO"}


@pytest.mark.parametrize("box", [None, "results", "paymentmethods", "paymethods"])
async def test_ways_to_pay(shop: Any, vendor: Any, box: Any) -> None:
    for things in ([PAY], {"0": PAY}, PAY):
        vendor.forget()
        vendor.says({box: things} if box else things)

        methods = await shop.ask("payment_methods")

        assert [(one.id, one.name, one.raw) for one in methods] == [("3", "Card", PAY)]
    assert vendor.seen[0].path == "/v1/paymentmethods"


@pytest.mark.parametrize("countries", ["SE, NO", ["SE", "NO"], {"1": "SE", "2": "NO"}])
async def test_ways_to_send(shop: Any, vendor: Any, countries: Any) -> None:
    vendor.says({"results": [{**SEND, "countries": countries}, {"shipping_id": 2}]})

    parcel, other = await shop.ask("shipping_methods")

    assert (parcel.id, parcel.name, parcel.price, parcel.countries) == ("9", "Parcel", Decimal(49), ("SE", "NO"))
    assert (other.id, other.name, other.price, other.countries) == ("2", None, None, ())
    assert vendor.seen[0].path == "/v1/shippingmethods"


@pytest.mark.parametrize("name", ["payment_methods", "shipping_methods", "categories"])
async def test_none_of_them(shop: Any, vendor: Any, name: Any) -> None:
    vendor.says(NONE, 404)
    assert await shop.ask(name) == ()
    vendor.forget()
    vendor.says([])
    assert await shop.ask(name) == ()


@pytest.mark.parametrize("body", [{"code": 404, "error": "no"}, [{}], [7], {"results": 7}])
async def test_a_way_with_neither_id_nor_name_is_an_error(shop: Any, vendor: Any, body: Any) -> None:
    vendor.says(body)

    for name in ("payment_methods", "shipping_methods"):
        with pytest.raises(UnexpectedAnswer):
            await shop.ask(name)


async def test_metadata_is_texts_under_names(shop: Any, vendor: Any) -> None:
    vendor.says({"ref": "A-1", "n": 7, "flag": True, "none": None})

    metadata = await shop.ask("metadata", "customer", 5)

    assert dict(metadata.values) == {"ref": "A-1", "n": "7", "flag": "true", "none": ""}
    assert (metadata.get("ref"), metadata.get("other")) == ("A-1", None)
    assert vendor.seen[0].path == "/v1/metadata/customer/5"


@pytest.mark.parametrize(("body", "status"), [([], 200), ({}, 200), (NONE, 404)])
async def test_no_metadata(shop: Any, vendor: Any, body: Any, status: Any) -> None:
    vendor.says(body, status)

    assert (await shop.ask("metadata", "order", "1")).values == {}


@pytest.mark.parametrize("body", [{"a": {}}, {"a": [1]}, [1], "x"])
async def test_metadata_that_is_no_texts_is_an_error(shop: Any, vendor: Any, body: Any) -> None:
    vendor.says(body)

    with pytest.raises(UnexpectedAnswer):
        await shop.ask("metadata", "order", "1")
