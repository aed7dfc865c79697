"""What is written, and what the shop may say to it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ombud.client import OrderStatus, Rejection, UnexpectedAnswer, WriteRejected
from ombud.errors import InvalidInput

DONE = {"success": True, "errors": []}
REFUSED = {"success": False, "errors": ["No such status", {"code": 7}]}


async def test_create_order_gives_the_new_id(shop: Any, vendor: Any) -> None:
    vendor.says({"results": {"create_1": {"success": True, "order_id": 90018, "errors": []}}})

    new = await shop.ask("create_order", {"tags": ["a"]}, customer={"email": "a@example.test", "login_create": False})

    assert new == "90018"
    assert (vendor.seen[0].method, vendor.seen[0].path) == ("POST", "/v1/orders")
    assert vendor.seen[0].headers["content-type"] == "application/json"
    assert vendor.seen[0].json() == [
        {"tags": ["a"], "customer": {"email": "a@example.test", "login_create": "false"}, "order_id": "create"}
    ]


async def test_create_orders_keeps_the_order_of_the_request(shop: Any, vendor: Any) -> None:
    results = {f"create_{n}": {"success": "true", "order_id": str(n)} for n in range(12, 0, -1)}
    vendor.says({"results": results})

    new = await shop.ask("create_orders", [{"products": []}] * 12)

    assert new == tuple(str(n) for n in range(1, 13))


async def test_a_refused_draft_says_which_and_what_was_written(shop: Any, vendor: Any) -> None:
    vendor.says({"results": {"create_1": {**DONE, "order_id": "7"}, "create_2": REFUSED}})

    with pytest.raises(WriteRejected) as caught:
        await shop.ask("create_orders", [{}, {}])

    assert caught.value.rejected == (Rejection("create_2", ("No such status", '{"code": 7}')),)
    assert caught.value.written == ("7",)


async def test_update_order_sends_words(shop: Any, vendor: Any) -> None:
    vendor.says({"results": {"90017": DONE}})

    await shop.ask("update_order", 90017, status=OrderStatus.PAID, skip_webhook=True)
    await shop.ask("update_order", "90017", status="done", shipping_info={"trackingnumber": "X1", "company": "Post"})
    await shop.ask("update_order", "90017", {"status": 0}, products_add=[{"sku": "A", "price": Decimal("9.90")}])

    assert [seen.method for seen in vendor.seen] == ["PUT"] * 3
    assert [seen.json() for seen in vendor.seen] == [
        [{"order_id": "90017", "status": "paid", "skip_webhook": "true"}],
        [{"order_id": "90017", "status": "done", "shipping_info": {"trackingnumber": "X1", "company": "Post"}}],
        [{"order_id": "90017", "status": "cancelled", "products_add": [{"sku": "A", "price": 9.9}]}],
    ]


async def test_a_refused_change_names_the_order_and_the_errors(shop: Any, vendor: Any) -> None:
    vendor.says({"results": {"1": DONE, "2": REFUSED}})

    with pytest.raises(WriteRejected, match="2: No such status") as caught:
        await shop.ask("update_orders", [{"order_id": 1, "status": 1}, {"order_id": 2, "status": 1}])

    assert caught.value.rejected[0].item == "2"
    assert caught.value.written == ("1",)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"results": {}},
        {"results": []},
        {"results": {"2": DONE}},
        {"results": {"1": {}}},
        {"results": {"1": True}},
        {"results": {"1": {"success": "perhaps"}}},
        {"results": {"1": DONE, "2": DONE}},
        {"results": [DONE, DONE]},
        {"results": "ok"},
    ],
)
async def test_an_unknown_reply_to_an_order_is_an_error(shop: Any, vendor: Any, body: Any) -> None:
    vendor.says(body)

    with pytest.raises(UnexpectedAnswer):
        await shop.ask("update_order", "1", status="paid")
    with pytest.raises(UnexpectedAnswer):
        await shop.ask("create_order")


@pytest.mark.parametrize(
    "body", [{"results": [DONE]}, {"results": [{**DONE, "order_id": 7}]}, {"success": 1, "variants": [], "notices": []}]
)
async def test_a_change_is_acknowledged_in_several_shapes(shop: Any, vendor: Any, body: Any) -> None:
    vendor.says(body)

    await shop.ask("update_order", "7", status="paid")


async def test_a_result_about_another_order_is_an_error(shop: Any, vendor: Any) -> None:
    vendor.says({"results": [{**DONE, "order_id": "8"}]})

    with pytest.raises(UnexpectedAnswer, match="other orders"):
        await shop.ask("update_order", "7", status="paid")


async def test_new_orders_come_as_a_list_too(shop: Any, vendor: Any) -> None:
    vendor.says({"results": [{**DONE, "order_id": "7"}, {**DONE, "order_id": 8}]})

    assert await shop.ask("create_orders", [{}, {}]) == ("7", "8")


async def test_new_orders_without_their_ids_are_an_error_that_says_so(shop: Any, vendor: Any) -> None:
    vendor.says({"success": 1, "variants": [], "notices": []})

    with pytest.raises(UnexpectedAnswer, match="took the orders, without their ids"):
        await shop.ask("create_order")


async def test_a_refusal_of_the_whole_is_a_refusal(shop: Any, vendor: Any) -> None:
    vendor.says({"success": 0, "errors": ["No customer"]})

    for name, args in (("create_order", ()), ("update_order", ("7", {"status": "paid"}))):
        with pytest.raises(WriteRejected, match="No customer"):
            await shop.ask(name, *args)


@pytest.mark.parametrize(
    "body",
    [
        {"success": 1, "product_id": "77"},
        {"success": True, "id": 77},
        {"product": {"id": "77", "title": "Mug"}},
        {"id": 77, "title": "Mug"},
    ],
)
async def test_create_product_understands_three_shapes(shop: Any, vendor: Any, body: Any) -> None:
    vendor.says(body)

    assert await shop.ask("create_product", title="Mug", price=Decimal("249.50"), stock=3, visible=True) == "77"
    assert (vendor.seen[0].method, vendor.seen[0].path) == ("POST", "/v1/products")
    assert vendor.seen[0].json() == {"title": "Mug", "price": 249.5, "stock": 3, "visible": 1}


@pytest.mark.parametrize("body", [{}, [], "ok", {"success": 1}, {"product": "77"}, {"product": []}, {"id": "a b"}])
async def test_a_new_product_without_an_id_is_an_error(shop: Any, vendor: Any, body: Any) -> None:
    vendor.says(body)

    with pytest.raises(UnexpectedAnswer):
        await shop.ask("create_product", title="Mug")


async def test_update_product_sends_a_list(shop: Any, vendor: Any) -> None:
    vendor.says({"success": 1, "errors": [], "variants": []})

    await shop.ask("update_product", 77, stock=0, visible=False)
    await shop.ask("update_products", [{"sku": "A", "stock": Decimal(4)}, {"variant_id": 5, "qty": 1}])

    assert vendor.seen[0].json() == [{"stock": 0, "visible": 0, "product_id": "77"}]
    assert vendor.seen[1].json() == [{"sku": "A", "stock": 4}, {"variant_id": "5", "qty": 1}]


@pytest.mark.parametrize(
    ("body", "errors"),
    [({"success": 0, "errors": ["No such product"]}, ("No such product",)), ({"success": 1, "errors": "Odd"}, ("Odd",)),
     ({"success": False}, ())],
)  # fmt: skip
async def test_a_refused_product_names_the_product(shop: Any, vendor: Any, body: Any, errors: Any) -> None:
    vendor.says(body)

    with pytest.raises(WriteRejected, match="77") as caught:
        await shop.ask("update_product", "77", stock=1)

    assert caught.value.rejected == (Rejection("77", errors),)


async def test_an_unknown_reply_to_a_product_is_an_error(shop: Any, vendor: Any) -> None:
    vendor.says({"variants": []})

    with pytest.raises(UnexpectedAnswer):
        await shop.ask("update_product", "77", stock=1)


@pytest.mark.parametrize(
    ("status", "body", "there"),
    [(200, {"success": 1}, True), (204, b"", True), (404, {"code": 404, "error": ""}, False)],
)
async def test_delete_says_whether_it_was_there(shop: Any, vendor: Any, status: Any, body: Any, there: Any) -> None:
    vendor.says(body, status)

    assert await shop.ask("delete_product", 77) is there
    assert (vendor.seen[0].method, vendor.seen[0].query) == ("DELETE", {"product_id": "77"})


async def test_a_refused_delete_is_an_error(shop: Any, vendor: Any) -> None:
    vendor.says({"success": 0, "errors": ["In an order"]})

    with pytest.raises(WriteRejected, match="77: In an order"):
        await shop.ask("delete_product", 77)


@pytest.mark.parametrize(
    ("name", "args", "field"),
    [
        ("create_orders", [[]], "[]"),
        ("create_order", [{"order_id": "5"}], "order_id"),
        ("create_orders", [[{}, {"notes": {"at": datetime(2026, 1, 1, tzinfo=UTC)}}]], "[1].notes.at"),
        ("update_orders", [[{"order_id": 1}, {"status": "paid"}]], "[1].order_id"),
        ("update_orders", [[{"order_id": 1}, {"order_id": "1"}]], "[1].order_id"),
        ("update_orders", [[{"order_id": 1, "status": "shipped"}]], "[0].status"),
        ("update_order", ["1", {"status": True}], "status"),
        ("update_order", ["1", {"products": [{"price": float("nan")}]}], "products[0].price"),
        ("update_order", ["1", {"notes": "\ud800"}], "notes"),
        ("update_product", ["1", {"qty": 5}], "qty"),
        ("update_products", [[{"stock": 5}]], "[0].product_id"),
        ("create_product", [{"qty": 5}], "qty"),
    ],
)
async def test_what_cannot_be_written_is_refused_before_anything_is_sent(
    shop: Any, vendor: Any, name: Any, args: Any, field: Any
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await shop.ask(name, *args)

    assert caught.value.field == field
    assert vendor.seen == []
