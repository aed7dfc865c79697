"""Any JSON either parses or is an `UnexpectedAnswer`; never another exception."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ombud.client import UnexpectedAnswer, order_shapes, product_shapes, read_order, read_product, reads, values, writes
from ombud.client.answer import Answer
from ombud.client.call import Call
from ombud.client.errors import WriteRejected
from ombud.client.secret import Secret
from ombud.errors import OmbudError

# Generated answers for each property; a longer run sets OMBUD_TEST_ANSWERS=20000.
ANSWERS = int(os.environ.get("OMBUD_TEST_ANSWERS", "200"))
NAMES = [
    "order_id",
    "id",
    "status",
    "date_created",
    "date_paid",
    "total_amount",
    "customer",
    "paymethod",
    "products",
    "qty",
    "price",
    "variant",
    "variant_id",
    "shipping_details",
    "product",
    "hasVariants",
    "visible",
    "weight",
    "categories",
    "images",
    "variants",
    "values",
    "name",
    "val",
    "count",
    "success",
    "errors",
    "results",
    "create_1",
    "1",
    "2",
    "product_id",
    "date_modified",
    "image",
    "category",
    "app",
    "productpackages",
    "category_id",
    "parent_id",
    "name_path",
    "method_id",
    "shipping_id",
    "countries",
    "title",
    "code",
    "error",
]
TELLING = [
    "",
    "0",
    "1",
    "-1",
    "12.50",
    "1,5",
    "1e5",
    "NaN",
    "\u0661",
    "1_0",
    "true",
    "2026-11-02 09:14:05",
    "2026-13-40 00:00:00",
    "0000-00-00",
    "9999-12-31 23:59:59",
    "0001-01-01",
    "2026-11-02T09:14:05+01:00",
]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8),
    st.sampled_from(TELLING), st.integers().map(lambda n: 10**40 + n),
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner),
    max_leaves=30,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), JSON, min_size=1).map(lambda o: {"order_id": "1", "id": "1", **o})


def parses_or_says_so(parse: Callable[[Any], object], value: Any) -> None:
    with suppress(UnexpectedAnswer):
        hash(parse(value))


@pytest.mark.parametrize("parse", [read_order, read_product, product_shapes.product_total])
@settings(deadline=None)
@given(value=JSON | OBJECTS)
def test_any_json_parses_or_is_unexpected(parse: Any, value: Any) -> None:
    parses_or_says_so(parse, value)


@pytest.mark.parametrize("parse", [order_shapes.order_list, product_shapes.product_list])
@settings(deadline=None)
@given(value=JSON | OBJECTS | st.lists(OBJECTS, max_size=3) | OBJECTS.map(lambda o: {"product": o}))
def test_any_list_parses_or_is_unexpected(parse: Any, value: Any) -> None:
    parses_or_says_so(lambda v: tuple(parse(v)), value)


READS = [
    reads.order("1"),
    reads.order_page(),
    reads.product("1"),
    reads.product_page(),
    reads.product_count(),
    reads.category("1"),
    reads.categories(),
    reads.payment_methods(),
    reads.shipping_methods(),
    reads.metadata("order", "1"),
]
WRITES = [
    writes.create_order(),
    writes.create_orders([{}, {}]),
    writes.update_order("1", status="paid"),
    writes.update_orders([{"order_id": "1"}, {"order_id": "2"}]),
    writes.create_product(title="A"),
    writes.update_product("1", stock=1),
    writes.update_products([{"sku": "A"}]),
    writes.delete_product("1"),
    writes.create_category("A"),
    writes.create_metadata("order", "1", "a", "b"),
    writes.update_metadata("order", "1", "a", "b"),
]
BODIES = JSON | OBJECTS | st.lists(OBJECTS, max_size=3) | OBJECTS.map(lambda o: {"results": o, "product": o})


def answer(value: Any, status: int = 200) -> Answer:
    return Answer(status, {}, json.dumps(value).encode(), Secret("some key"))


def read(call: Call[Any], value: Any) -> None:
    with suppress(UnexpectedAnswer):
        found = call.parse(answer(value))
        hash(found)
        repr(found)


@settings(max_examples=ANSWERS, deadline=None)
@given(call=st.sampled_from(READS), value=BODIES)
def test_any_answer_to_a_read_is_a_model_or_unexpected(call: Any, value: Any) -> None:
    read(call, value)


@settings(max_examples=ANSWERS, deadline=None)
@given(call=st.sampled_from(WRITES), value=BODIES, status=st.sampled_from([200, 201]))
def test_any_reply_to_a_write_is_understood_refused_or_unexpected(call: Any, value: Any, status: Any) -> None:
    with suppress(UnexpectedAnswer, WriteRejected):
        call.parse(answer(value, status))


@settings(max_examples=ANSWERS, deadline=None)
@given(
    call=st.sampled_from([*READS, *WRITES]),
    body=st.binary(max_size=40) | BODIES.map(lambda value: json.dumps(value).encode()),
    status=st.integers(100, 599),
)
def test_any_status_with_any_body_is_a_result_or_an_error_of_ours(call: Any, body: Any, status: Any) -> None:
    with suppress(OmbudError):
        call.parse(Answer(status, {}, body, Secret("some key")))


def test_a_parser_that_lets_its_own_error_out_is_caught() -> None:
    """The control of the tests above."""
    careless = Call("GET", "/orders", lambda given: read_order(given.json()[0]))

    with pytest.raises(LookupError):
        read(careless, {})


@settings(deadline=None)
@given(body=st.binary(max_size=60))
def test_any_bytes_are_json_or_unexpected(body: Any) -> None:
    with suppress(UnexpectedAnswer):
        Answer(200, {}, body, Secret("some key")).json()


@given(amount=st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9))
@settings(max_examples=200, deadline=None)
def test_money_is_exact_as_text_and_as_a_number(amount: Any) -> None:
    assert values.amount(str(amount), "price") == amount
    assert values.amount(json.loads(json.dumps(float(amount))), "price") == amount


@pytest.mark.parametrize(
    "wrong", ["abc", "1,5", "1e5", "NaN", "Infinity", "\u0661", "1_0", "--1", True, [], {}, "9" * 31]
)
def test_a_price_that_is_no_number_is_not_quietly_none(wrong: Any) -> None:
    with pytest.raises(UnexpectedAnswer, match=r"order\.total_amount"):
        read_order({"order_id": "1", "total_amount": wrong})


def test_half_a_piece_is_no_quantity() -> None:
    assert values.quantity("2.00", "qty") == 2
    with pytest.raises(UnexpectedAnswer):
        values.quantity("2.5", "qty")


@pytest.mark.parametrize(
    "wrong", ["yesterday", "2026-11-02 25:00:00", "1767351600", 1767351600, "9999-01-01", {}, True]
)
def test_a_date_that_is_no_date_is_not_quietly_none(wrong: Any) -> None:
    with pytest.raises(UnexpectedAnswer, match=r"order\.date_paid"):
        read_order({"order_id": "1", "date_paid": wrong})


def test_the_hour_that_comes_twice_is_read_as_the_first() -> None:
    found = read_order({"order_id": "1", "date_paid": "2026-10-25 02:30:00"}).date_paid

    assert found is not None
    assert found.isoformat() == "2026-10-25T02:30:00+02:00"


def test_what_was_read_can_be_written_and_read_again() -> None:
    order = read_order({"order_id": 1, "total_amount": 148.95, "products": [{"id": 1, "qty": "2"}]})

    assert read_order(json.loads(json.dumps(order.raw))) == order
    assert order.total_amount == Decimal("148.95")


def test_the_repr_of_an_order_keeps_the_customer_to_itself() -> None:
    order = read_order({"order_id": "1", "notes": "ring twice", "customer": {"email": "anna@example.test"}})

    assert "anna" not in repr(order)
    assert "ring" not in repr(order)
