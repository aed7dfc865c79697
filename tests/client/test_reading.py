"""What is read, in every shape in which the API is known to answer."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ombud.client import OrderStatus, UnexpectedAnswer
from ombud.errors import InvalidInput

NONE = {"code": 404, "error": "Not found"}
ORDER: dict[str, Any] = {
    "order_id": "90017",
    "date_created": "2026-11-02 09:14:05",
    "date_paid": "2026-07-02 09:15:11",
    "status": "1",
    "total_amount": "548.00",
    "shipping_amount": 49,
    "tax_amount": None,
    "currency": "SEK",
    "paymethod": {"method": "DemoPay", "transaction_id": "T-1"},
    "customer": {
        "email": "anna@example.test",
        "full_name": "Anna Test",
        "shipping_details": {"full_name": "Anna Test", "city": "Teststad", "zipcode": "00000", "country": "SE"},
    },
    "products": [
        {"id": 501, "product_id": 77, "variant_id": 0, "title": "Mug", "price": "249.50", "qty": 2, "variant": None},
        {"id": "502", "product_id": "78", "variant_id": "9", "price": 19.9, "qty": "1", "variant": "Blue"},
    ],
}
PRODUCT: dict[str, Any] = {
    "id": "77",
    "sku": "MUG-1",
    "hasVariants": "0",
    "title": "Mug",
    "visible": "1",
    "qty": "12",
    "price": "249.50",
    "weight": "350",
    "date_modified": "2026-11-01 10:00:00",
    "categories": [[{"category": "Kitchen"}, {"category": "Mugs"}], [{"category": "New"}]],
    "images": {"10": {"image": "https://img.example/b.jpg"}, "2": {"image": "https://img.example/a.jpg"}},
    "variants": [{"id": 5, "sku": "MUG-1-L", "qty": None, "hidden": "0", "values": [{"name": "Size", "val": "L"}]}],
}


async def test_an_order_comes_as_a_list_of_one(shop: Any, vendor: Any) -> None:
    vendor.says([ORDER])

    order = await shop.ask("order", 90017)

    assert (order.id, order.status, order.status_text) == ("90017", OrderStatus.PAID, "1")
    assert (order.total_amount, order.shipping_amount, order.tax_amount) == (Decimal("548.00"), Decimal(49), None)
    assert order.payment.method == "DemoPay"
    assert (order.customer.shipping.city, order.customer.billing) == ("Teststad", None)
    assert order.raw == ORDER
    assert vendor.seen[0].path == "/v1/orders"
    assert vendor.seen[0].query == {"order_id": "90017", "include_details": "true"}


async def test_order_lines_take_numbers_as_text_and_as_numbers(shop: Any, vendor: Any) -> None:
    vendor.says([ORDER])

    mug, other = (await shop.ask("order", "90017")).lines

    assert (mug.id, mug.product_id, mug.variant_id, mug.variant) == ("501", "77", None, None)
    assert (mug.qty, mug.price) == (2, Decimal("249.50"))
    assert (other.id, other.variant_id, other.qty, other.price, other.variant) == (
        "502",
        "9",
        1,
        Decimal("19.9"),
        "Blue",
    )


async def test_dates_are_swedish_time(shop: Any, vendor: Any) -> None:
    vendor.says([ORDER])

    order = await shop.ask("order", "90017")

    assert order.date_created == datetime(2026, 11, 2, 8, 14, 5, tzinfo=UTC)
    assert order.date_paid == datetime(2026, 7, 2, 7, 15, 11, tzinfo=UTC)
    assert str(order.date_paid.tzinfo) == "Europe/Stockholm"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("-1", OrderStatus.UNPAID),
        (0, OrderStatus.CANCELLED),
        ("done", OrderStatus.DONE),
        (2.0, OrderStatus.DONE),
        ("on-hold", None),
        ("7", None),
        (None, None),
    ],
)
async def test_an_unknown_status_breaks_nothing(shop: Any, vendor: Any, sent: Any, status: Any) -> None:
    vendor.says([{"order_id": 1, "status": sent}])

    order = await shop.ask("order", 1)

    assert order.status == status
    assert (order.status_text is None) == (sent is None)


@pytest.mark.parametrize("nothing", [None, "", [], False])
async def test_what_php_writes_for_nothing_is_nothing(shop: Any, vendor: Any, nothing: Any) -> None:
    vendor.says(
        [{"order_id": "1", "customer": nothing, "products": nothing, "date_paid": nothing, "paymethod": nothing}]
    )

    order = await shop.ask("order", "1")

    assert (order.customer, order.lines, order.date_paid, order.payment) == (None, (), None, None)


@pytest.mark.parametrize("date", ["0000-00-00 00:00:00", "-0001-11-30 00:00:00", "0000-00-00"])
async def test_a_zero_date_is_no_date(shop: Any, vendor: Any, date: Any) -> None:
    vendor.says([{"order_id": "1", "date_paid": date}])

    assert (await shop.ask("order", "1")).date_paid is None


@pytest.mark.parametrize(
    "shape",
    [[PRODUCT], {"product": [PRODUCT]}, {"product": PRODUCT}, PRODUCT],
    ids=["list", "boxed list", "boxed", "bare"],
)
async def test_a_product_comes_in_four_shapes(shop: Any, vendor: Any, shape: Any) -> None:
    vendor.says(shape)

    product = await shop.ask("product", "77")

    assert (product.id, product.qty, product.price) == ("77", 12, Decimal("249.50"))
    assert (product.has_variants, product.visible, product.weight) == (False, True, 350)
    assert product.categories == (("Kitchen", "Mugs"), ("New",))
    assert [image.url for image in product.images] == ["https://img.example/a.jpg", "https://img.example/b.jpg"]
    assert (product.variants[0].id, product.variants[0].qty) == ("5", None)
    assert product.variants[0].options == (("Size", "L"),)
    assert product.raw == PRODUCT
    assert vendor.seen[0].query == {"product_id": "77", "include_details": "true"}


@pytest.mark.parametrize("shape", [[PRODUCT], {"product": [PRODUCT]}, {"product": PRODUCT}, PRODUCT])
async def test_a_product_list_comes_in_the_same_shapes(shop: Any, vendor: Any, shape: Any) -> None:
    vendor.says(shape)

    assert [product.id for product in await shop.ask("products", sku="MUG-1")] == ["77"]


async def test_a_product_may_miss_nearly_everything(shop: Any, vendor: Any) -> None:
    vendor.says({"id": 77, "images": [{"image": "https://img.example/a.jpg"}], "qty": ""})

    product = await shop.ask("product", 77)

    assert (product.categories, product.variants, product.qty, product.price) == ((), (), None, None)
    assert len(product.images) == 1


@pytest.mark.parametrize("body", [json.dumps(NONE).encode(), b""], ids=["error object", "empty"])
@pytest.mark.parametrize("name", ["order", "product"])
async def test_404_is_none(shop: Any, vendor: Any, name: Any, body: Any) -> None:
    vendor.says(body, 404)

    assert await shop.ask(name, "1") is None


@pytest.mark.parametrize("name", ["orders", "products"])
async def test_404_is_an_empty_list(shop: Any, vendor: Any, name: Any) -> None:
    vendor.says(NONE, 404)

    assert await shop.ask(name) == []


@pytest.mark.parametrize(
    "body", [b"<html>Not found</html>", b'{"message": "no route"}', b"[]", b"null", b'"error"'], ids=str
)
async def test_a_404_of_a_web_server_is_not_none(shop: Any, vendor: Any, body: Any) -> None:
    vendor.says(body, 404)

    for name, args in (("order", ["1"]), ("products", []), ("categories", []), ("metadata", ["order", "1"])):
        with pytest.raises(UnexpectedAnswer, match="base URL"):
            await shop.ask(name, *args)


@pytest.mark.parametrize(("name", "body"), [("order", [{"order_id": "2"}]), ("product", {"product": {"id": "2"}})])
async def test_another_id_than_asked_for_is_an_error(shop: Any, vendor: Any, name: Any, body: Any) -> None:
    vendor.says(body)

    with pytest.raises(UnexpectedAnswer, match="another id"):
        await shop.ask(name, "1")


@pytest.mark.parametrize("sent", ["42", 42])
async def test_the_count_is_a_text(shop: Any, vendor: Any, sent: Any) -> None:
    vendor.says({"count": sent})

    assert await shop.ask("product_count") == 42
    assert vendor.seen[0].path == "/v1/products/count"


@pytest.mark.parametrize("body", [{}, [], {"count": None}, {"count": "-1"}, {"count": "many"}, {"count": True}])
async def test_a_count_without_a_number_is_an_error(shop: Any, vendor: Any, body: Any) -> None:
    vendor.says(body)

    with pytest.raises(UnexpectedAnswer):
        await shop.ask("product_count")


@pytest.mark.parametrize("wrong", ["", "a b", "1,2", "1&x=2", "../1", "1\n", "x" * 65, True, 1.5, None])
async def test_a_wrong_id_is_refused_before_anything_is_sent(shop: Any, vendor: Any, wrong: Any) -> None:
    for name in ("order", "product", "delete_product"):
        with pytest.raises(InvalidInput):
            await shop.ask(name, wrong)

    assert vendor.seen == []


async def test_the_key_is_name_and_password(shop: Any, vendor: Any) -> None:
    vendor.says({"count": "1"})

    await shop.ask("product_count")

    kind, token = vendor.seen[0].headers["authorization"].split()
    assert (kind, base64.b64decode(token).decode()) == ("Basic", f"{shop.key}:{shop.key}")


async def test_each_request_stands_alone(shop: Any, vendor: Any) -> None:
    vendor.says({"count": "1"}, headers={"Set-Cookie": "session=1"})

    await shop.ask("product_count")
    await shop.ask("product_count")

    assert "cookie" not in vendor.seen[1].headers
