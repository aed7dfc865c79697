"""GET, POST and PUT /v1/orders: the vendor's shapes, filters and answers."""

from typing import Any

import pytest

from tests.shop.world import SECOND, START, World

SHORT = {"order_id", "date_created", "total_amount", "status"}


async def test_a_list_has_the_short_form(world: World) -> None:
    assert await world.get("/v1/orders") == [
        {"order_id": "90001", "date_created": "2026-11-02 09:14:05", "total_amount": "548.00", "status": "-1"}
    ]


@pytest.mark.parametrize("flag", ["true", "1"])
async def test_details_come_when_asked_for(world: World, flag: str) -> None:
    order = (await world.get("/v1/orders/", include_details=flag))[0]

    assert order["customer"]["full_name"] == order["customer"]["billing_details"]["full_name"] == "Anna Test"
    assert order["products"] == [
        {
            "id": 7001,
            "product_id": 101,
            "variant_id": 0,
            "title": "Mug",
            "price": "249.50",
            "qty": 2,
            "sku": "MUG-1",
            "variant": None,
            "weight": "350",
            "image": None,
        }
    ]
    amounts = ("items_amount", "shipping_amount", "discount_amount", "total_amount", "total_weight")
    assert [order[name] for name in amounts] == ["499.00", "49.00", "0.00", "548.00", "700"]
    assert (await world.get("/v1/orders", include_details="false"))[0].keys() == SHORT


async def test_one_order_is_still_a_list_and_has_its_details(world: World) -> None:
    orders = await world.get("/v1/orders", order_id="90001")

    assert len(orders) == 1
    assert orders[0].keys() > SHORT


@pytest.mark.parametrize(
    "query",
    [{"order_id": "1"}, {"order_id": "no-such"}, {"order_id": "9" * 40}, {"search": "nobody"}, {"offset": 1}],
)
async def test_none_found_is_404(world: World, query: dict[str, Any]) -> None:
    answer = await world.api.get("/v1/orders", params=query)

    assert answer.status_code == 404
    assert answer.json() == {"code": 404, "error": "No orders were found."}


async def test_a_full_draft_comes_back_as_the_vendor_shows_it(world: World) -> None:
    address = {"firstname": "Bo", "lastname": "Prov", "address": "Gatan 1", "city": "Teststad", "zipcode": 12345}
    order_id = await world.place(
        customer={"type": "company", "email": "bo@example.test", "phone": "000", "billing_details": address},
        payment={"method": "DemoPay", "transaction_id": "T-1", "currency": "EUR"},
        shipping={"id": 7, "name": "Parcel", "price": 49.005},
        products=[{"sku": "MUG-1", "qty": "2"}, {"sku": "GIFT", "qty": 1, "price": "10.5"}],
        discount_add={"amount": 20},
        metadata={"colour": "blue"},
    )

    order = await world.order(order_id)
    assert (order["currency"], order["shipping_id"], order["shipping_name"]) == ("EUR", "7", "Parcel")
    amounts = ("items_amount", "shipping_amount", "discount_amount", "total_amount", "tax_amount")
    assert [order[name] for name in amounts] == ["509.50", "49.01", "20.00", "538.51", "0.00"]
    customer = order["customer"]
    assert (customer["full_name"], customer["zipcode"], customer["customer_type"]) == ("Bo Prov", "12345", "company")
    assert customer["shipping_details"] == customer["billing_details"]
    assert [(line["title"], line["product_id"], line["price"]) for line in order["products"]] == [
        ("Mug", 101, "249.50"),
        ("GIFT", 0, "10.50"),
    ]


async def test_one_bad_item_does_not_hold_up_the_others(world: World) -> None:
    good = {"order_id": "create", "products": [{"product_id": 101}]}
    bad = {"order_id": "create", "products": [{"product_id": 101}, {"product_id": 999}]}

    answer = await world.api.post("/v1/orders", json=[good, bad, good])

    assert answer.status_code == 200
    assert answer.json()["results"] == {
        "create_1": {"success": True, "order_id": "90002", "errors": []},
        "create_2": {"success": False, "errors": ["[1].products[1].product_id: There is no product 999."]},
        "create_3": {"success": True, "order_id": "90003", "errors": []},
    }


async def test_one_bad_change_does_not_hold_up_the_others(world: World) -> None:
    known = len(world.events())
    changes = [
        {"order_id": "90001", "status": "paid"},
        {"order_id": "90002", "status": "paid"},
    ]

    answer = await world.api.put("/v1/orders", json=changes)

    assert answer.json()["results"] == {
        "90001": {"success": True, "errors": []},
        "90002": {"success": False, "errors": ["There is no order 90002."]},
    }
    assert world.new_events(known) == [("order.new", "order/90001")]


async def test_an_unknown_status_is_refused_by_name(world: World) -> None:
    result = await world.change("90001", status="posted", payment={"method": "DemoPay"})

    assert result == {
        "success": False,
        "errors": ["[0].status: 'posted' is not one of: unpaid, cancelled, paid, done."],
    }
    assert (await world.order("90001"))["paymethod"]["method"] == ""


async def test_lines_are_replaced_added_and_removed(world: World) -> None:
    await world.change("90001", products=[{"product_id": 102, "qty": 3}])
    order = await world.order("90001")
    assert [(line["id"], line["product_id"], line["qty"]) for line in order["products"]] == [(7002, 102, 3)]

    await world.change("90001", products_add=[{"product_id": 103}], products_remove=[{"product_id": 102}])
    order = await world.order("90001")
    assert [(line["id"], line["product_id"]) for line in order["products"]] == [(7003, 103)]
    assert order["total_amount"] == "548.00"

    result = await world.change("90001", products_remove=[{"id": 7002}])
    assert result["errors"] == ["[0].products_remove[0]: The order has no such line."]
    result = await world.change("90001", products_remove=[{"id": 7003}])
    assert result["errors"] == ["[0].products: An order has 1 to 1000 lines."]


async def test_discounts_add_up_and_never_pay_out(world: World) -> None:
    await world.change("90001", discount_add={"amount": 48})
    await world.change("90001", discount_add={"amount": "100"})
    assert (await world.order("90001"))["total_amount"] == "400.00"

    await world.change("90001", discount_add={"amount": 10_000})
    order = await world.order("90001")
    assert (order["discount_amount"], order["total_amount"]) == ("548.00", "0.00")

    await world.change("90001", discount_remove="true")
    assert (await world.order("90001"))["total_amount"] == "548.00"


async def test_a_line_keeps_what_was_bought(world: World) -> None:
    await world.edit_product({"product_id": 101, "title": "Cup", "price": 1})

    line = (await world.order("90001"))["products"][0]
    assert (line["title"], line["price"]) == ("Mug", "249.50")


async def ids(world: World, **query: Any) -> list[str]:
    return [order["order_id"] for order in await world.get("/v1/orders", **query)]


async def test_filters(world: World) -> None:
    """Order 90001: 548.00, unpaid. 90002: 129.00, paid 10 s later. 90003: 499.00, paid 20 s later, done after 30 s."""
    await world.place(products=[{"product_id": 102}], customer={"email": "bo@example.test"})
    await world.place(products=[{"product_id": 103}], customer={"billing_details": {"firstname": "Åsa_"}})
    for seconds, order_id, status in ((10, "90002", "paid"), (20, "90003", "paid"), (30, "90003", "done")):
        world.clock.now = START + seconds * SECOND
        await world.change(order_id, status=status)
    start = START // SECOND

    assert await ids(world) == ["90003", "90002", "90001"]
    assert await ids(world, sort_order="asc") == ["90001", "90002", "90003"]
    assert await ids(world, order_by="price") == ["90001", "90003", "90002"]
    assert await ids(world, order_by="price", sort_order="asc") == ["90002", "90003", "90001"]
    assert await ids(world, order_by="date", sort_order="asc") == ["90001", "90002", "90003"]
    assert await ids(world, limit=1, offset=1) == ["90002"]
    assert await ids(world, status="unpaid") == ["90001"]
    assert await ids(world, status="paid") == ["90002"]
    assert await ids(world, status="2") == ["90003"]
    assert await ids(world, from_date_paid=start + 11) == ["90003"]
    assert await ids(world, from_date_paid=start + 10) == ["90003", "90002"]
    assert await ids(world, to_date_paid=start + 19) == ["90002"]
    assert await ids(world, from_date_paid="2026-11-02 09:14:15", to_date_paid="2026-11-02 09:14:15") == ["90002"]
    assert await ids(world, from_status_date=start + 30) == ["90003"]
    assert await ids(world, search="BO@example") == ["90002"]
    assert await ids(world, search="åsa_") == ["90003"]
    assert await ids(world, search="90002") == ["90002"]
    assert await ids(world, status="done", from_date_paid="2026-11-02", search="") == ["90003"]


async def test_no_status_is_taken_for_another(world: World) -> None:
    await world.change("90001", status="cancelled")

    assert await ids(world, status="cancelled") == ["90001"]
    assert (await world.api.get("/v1/orders", params={"status": "unpaid"})).status_code == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "ten"),
        ("limit", "٣"),
        ("offset", "-1"),
        ("offset", "9" * 30),
        ("status", "posted"),
        ("order_by", "name; drop table shop_order"),
        ("sort_order", "up"),
        ("include_details", "maybe"),
        ("from_date_paid", "yesterday"),
        ("to_date_paid", "2026-13-01"),
        ("from_status_date", "9" * 20),
        ("search", "x" * 1001),
        ("search", "\0"),
    ],
)
async def test_a_bad_parameter_is_400_and_named(world: World, name: str, value: str) -> None:
    answer = await world.api.get("/v1/orders", params={name: value})

    assert answer.status_code == 400
    assert answer.json()["code"] == 400
    assert answer.json()["error"].startswith(f"{name}: ")


async def test_ids_only_grow(world: World) -> None:
    first = int(await world.place())
    second = int(await world.place())

    assert (first, second) == (90002, 90003)


async def test_an_array_in_an_array_and_a_single_object_are_taken(world: World) -> None:
    change = {"order_id": 90001, "status": "paid"}
    for body in ([[change]], change):
        answer = await world.api.put("/v1/orders", json=body)
        assert answer.json() == {"results": {"90001": {"success": True, "errors": []}}}
