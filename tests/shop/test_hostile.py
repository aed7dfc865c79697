"""Whatever is sent, the API answers in its own shape: never 5xx, and nothing stored that was refused."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ombud.shop.bodies import LARGEST_BODY
from tests.shop.world import World

LINE = {"product_id": 101}
WRITES = [
    ("POST", "/v1/orders"),
    ("PUT", "/v1/orders"),
    ("POST", "/v1/products"),
    ("PUT", "/v1/products"),
    ("POST", "/v1/categories"),
    ("POST", "/v1/metadata/order/90001"),
]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"\xff\xfe\xff", "body"),
        (b"null", "body"),
        (b"[]", "body"),
        (b"[[]]", "body"),
        (b"7", "body"),
        (b'"order"', "body"),
        (b"[NaN]", "body"),
        (b'[{"products": [{"product_id": 101, "qty": Infinity}]}]', "body"),
        (b"[" * 100_000, "body"),
        (b'{"a":' * 50_000, "body"),
        (b"[" + b"1" * 5_000 + b"]", "body"),
        (b'[{"products": [{"product_id": 1e99999999999999999999}]}]', "body"),
        (b"[7]", "[0]"),
        (json.dumps([{}] * 1_001).encode(), "body"),
        (b"[{}]", "[0].products"),
        (b'[{"products": []}]', "[0].products"),
        (b'[{"products": {}}]', "[0].products"),
        (b'[{"products": [[]]}]', "[0].products[0]"),
        (b'[{"products": [{}]}]', "[0].products[0].product_id"),
        (b'[{"products": [{"product_id": true}]}]', "[0].products[0].product_id"),
        (b'[{"products": [{"product_id": 1.5}]}]', "[0].products[0].product_id"),
        (b'[{"products": [{"product_id": "101;"}]}]', "[0].products[0].product_id"),
        (b'[{"products": [{"product_id": 9999999999999999999}]}]', "[0].products[0].product_id"),
        (b'[{"products": [{"product_id": 101}, {"product_id": 101, "qty": "x"}]}]', "[0].products[1].qty"),
        (b'[{"products": [{"product_id": 101, "qty": 0}]}]', "[0].products[0].qty"),
        (b'[{"products": [{"product_id": 101, "qty": -1}]}]', "[0].products[0].qty"),
        (b'[{"products": [{"product_id": 101, "qty": 1.5}]}]', "[0].products[0].qty"),
        (b'[{"products": [{"product_id": 101, "qty": 1e999}]}]', "[0].products[0].qty"),
        (b'[{"products": [{"product_id": 101, "price": -1}]}]', "[0].products[0].price"),
        (b'[{"products": [{"product_id": 101, "price": "1e3"}]}]', "[0].products[0].price"),
        (b'[{"products": [{"product_id": 101}], "customer": "Anna"}]', "[0].customer"),
        (b'[{"products": [{"product_id": 101}], "customer": {"email": ["a"]}}]', "[0].customer.email"),
        (b'[{"products": [{"product_id": 101}], "customer": {"email": "\\ud800"}}]', "[0].customer.email"),
        (b'[{"products": [{"product_id": 101}], "customer": {"email": "a\\u0000b"}}]', "[0].customer.email"),
        (
            b'[{"products": [{"product_id": 101}], "customer": {"billing_details": {"city": {}}}}]',
            "[0].customer.billing_details.city",
        ),
        (b'[{"products": [{"product_id": 101}], "shipping": {"price": "free"}}]', "[0].shipping.price"),
        (b'[{"products": [{"product_id": 101}], "payment": 7}]', "[0].payment"),
        (b'[{"order_id": 90001, "products": [{"product_id": 101}]}]', "[0].order_id"),
    ],
)
async def test_a_bad_order_is_400_and_names_the_field(world: World, body: bytes, where: str) -> None:
    answer = await world.api.post("/v1/orders", content=body)

    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == 400
    assert answer.json()["error"].startswith(f"{where}: ")
    assert len(await world.get("/v1/orders")) == 1


@pytest.mark.parametrize(
    ("method", "path", "item", "where"),
    [
        ("PUT", "/v1/orders", {"status": "paid"}, "order_id"),
        ("PUT", "/v1/orders", {"order_id": "create"}, "order_id"),
        ("PUT", "/v1/orders", {"order_id": 90001, "status": ["paid"]}, "status"),
        ("PUT", "/v1/orders", {"order_id": 90001, "status": "paid", "skip_webhook": "maybe"}, "skip_webhook"),
        ("PUT", "/v1/orders", {"order_id": 90001, "products_remove": [{}]}, "products_remove[0].id"),
        ("PUT", "/v1/orders", {"order_id": 90001, "discount_remove": 7}, "discount_remove"),
        ("POST", "/v1/products", {"price": 1}, "title"),
        ("POST", "/v1/products", {"title": "x" * 1_001}, "title"),
        ("POST", "/v1/products", {"title": "A", "stock": 10**7}, "stock"),
        ("POST", "/v1/products", {"title": "A", "weight": -1}, "weight"),
        ("POST", "/v1/products", {"title": "A", "images": "a.jpg"}, "images"),
        ("POST", "/v1/products", {"title": "A", "images": [{}] * 101}, "images"),
        ("POST", "/v1/products", {"title": "A", "variants": {"add": [{"qty": "many"}]}}, "variants.add[0].qty"),
        ("PUT", "/v1/products", {"title": "A"}, "product_id"),
        ("PUT", "/v1/products", {"product_id": 101, "title": None}, "title"),
        ("DELETE", "/v1/products", {"sku": "MUG-1"}, "product_id"),
        ("DELETE", "/v1/products", {"product_id": "all"}, "product_id"),
    ],
)
async def test_a_bad_item_is_400_and_names_the_field(
    world: World, method: str, path: str, item: dict[str, Any], where: str
) -> None:
    known = len(world.events())

    answer = await world.api.request(method, path, json=item)

    assert answer.status_code == 400, answer.text
    assert answer.json()["error"].startswith(f"{where}: ")
    assert world.new_events(known) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v1/orders"),
        ("PATCH", "/v1/orders/"),
        ("PATCH", "/v1/products"),
        ("POST", "/v1/products/count"),
        ("OPTIONS", "/v1/orders"),
    ],
)
async def test_a_wrong_method_is_405(world: World, method: str, path: str) -> None:
    answer = await world.api.request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (405, 405)
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/v1/", "/v1/carts", "/v1/orders/90001", "/v1//orders", "/v1/%00"])
async def test_an_unknown_path_is_404(world: World, path: str) -> None:
    answer = await world.api.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, 404)


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_body_of_more_than_a_mebibyte_is_413(world: World, method: str, path: str) -> None:
    answer = await world.api.request(method, path, content=b" " * (LARGEST_BODY + 1))

    assert (answer.status_code, answer.json()["code"]) == (413, 413)


async def test_text_is_text_wherever_it_comes_from(world: World) -> None:
    nasty = "<script>alert(1)</script>'; drop table shop_order; --\\%_\u202e"
    order_id = await world.place(customer={"email": nasty, "billing_details": {"firstname": nasty}})
    product_id = await world.add_product(title=nasty, sku=nasty)

    assert (await world.order(order_id))["customer"]["full_name"] == nasty
    assert (await world.get("/v1/products", sku=nasty))["product"]["id"] == product_id
    assert [one["id"] for one in await world.get("/v1/products", search=nasty)] == [product_id]


# fmt: off
NAMES = [
    "order_id", "product_id", "variant_id", "id", "sku", "title", "price", "qty", "stock", "weight", "status",
    "skip_webhook", "customer", "payment", "shipping", "products", "products_add", "products_remove", "discount_add",
    "discount_remove", "amount", "images", "variants", "sync", "add", "email", "name", "billing_details",
    "firstname", "visible", "variant_option1_name", "variant_option1_value", "skipIfDuplicate", "description",
    "metadata", "headcategory_id", "headcategory_name", "parent_id", "key", "value",
]
PARAMETERS = [
    "order_id", "product_id", "sku", "search", "limit", "offset", "include_details", "order_by", "sort_order",
    "status", "from_date_paid", "to_date_paid", "from_status_date",
]
# fmt: on
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(
        [101, "102", 90001, "90001", "create", "paid", "done", "unpaid", "cancelled", "true", "0", "MUG-1"]
    )
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)
ITEMS = st.lists(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=8), min_size=1, max_size=3)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=st.sampled_from(WRITES), body=JSON | ITEMS)
async def test_no_json_is_ever_a_failure_of_ours(world: World, call: tuple[str, str], body: Any) -> None:
    method, path = call

    answer = await world.api.request(method, path, content=json.dumps(body).encode())

    assert answer.status_code in (200, 400), answer.text
    assert answer.status_code == 200 or answer.json().keys() == {"code", "error"}
    for shown in ("/v1/orders?include_details=1", "/v1/products?include_details=1", "/v1/metadata/order/90001"):
        assert (await world.api.get(shown)).status_code == 200
    assert (await world.api.get("/v1/categories")).status_code in (200, 404)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/v1/orders", "/v1/products"]),
    query=st.dictionaries(
        st.sampled_from(PARAMETERS),
        st.text(max_size=12) | st.integers().map(str) | st.sampled_from(["2026-02-31", "asc", "price", "true"]),
        max_size=4,
    ),
)
async def test_no_query_is_ever_a_failure_of_ours(world: World, path: str, query: dict[str, str]) -> None:
    answer = await world.api.get(path, params=query)

    assert answer.status_code in (200, 400, 404), answer.text
