"""Writes that may be repeated: with a key, a handler that runs twice does one thing once."""

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

from ombud.client import UnexpectedAnswer, WriteRejected
from ombud.client.effects import EFFECTS, KEPT_NOTES
from ombud.errors import InvalidInput

NONE = {"code": 404, "error": "Not found"}
WORDS = {"unpaid": "-1", "cancelled": "0", "paid": "1", "done": "2"}


@dataclass
class Store:
    """One order and some products, behind the wire; `crash_after` makes the answer to that write no answer at all."""

    status: str = "1"
    stock: dict[str, str] = field(default_factory=lambda: {"77": "5"})
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    crash_after: int | None = None
    takes_metadata: bool = True

    def __call__(self, seen: Any) -> tuple[int, Any]:
        if seen.method == "GET":
            return self._read(seen)
        self.writes.append(f"{seen.method} {seen.path.removeprefix('/v1')}")
        answer = self._write(seen)
        return (200, "no answer at all") if self.crash_after == len(self.writes) else (200, answer)

    def _read(self, seen: Any) -> tuple[int, Any]:
        if "/metadata/" in seen.path:
            # PHP writes an empty object as a list.
            return 200, self.metadata.get(seen.path) or []
        if "order_id" in seen.query:
            return 200, [{"order_id": seen.query["order_id"], "status": self.status}]
        product_id = seen.query["product_id"]
        return (200, {"product": {"id": product_id}}) if product_id in self.stock else (404, NONE)

    def _write(self, seen: Any) -> Any:
        body = seen.json()
        if "/metadata/" in seen.path:
            self.metadata.setdefault(seen.path, {})[body["key"]] = body["value"]
            return {"success": 1}
        item = body[0]
        if "order_id" in item:
            self.status = WORDS[item["status"]]
            return {"results": {item["order_id"]: {"success": True, "errors": []}}}
        self.stock[item["product_id"]] = str(item["stock"])
        if self.takes_metadata:
            self.metadata.setdefault(f"/v1/metadata/product/{item['product_id']}", {}).update(item.get("metadata", {}))
        return {"success": 1, "errors": [], "variants": []}


@pytest.fixture
def store(vendor: Any) -> Store:
    made = Store()
    vendor.serves(made)
    return made


async def test_without_a_key_a_status_is_one_write(shop: Any, vendor: Any, store: Store) -> None:
    assert await shop.ask("set_status", "1", "done", shipping_info={"trackingnumber": "X1"}) is True
    assert await shop.ask("set_status", "1", "done") is True

    assert store.writes == ["PUT /orders"] * 2
    assert vendor.seen[0].json() == [
        {"shipping_info": {"trackingnumber": "X1"}, "status": "done", "order_id": "1"},
    ]


async def test_with_a_key_a_status_is_set_once(shop: Any, store: Store) -> None:
    assert await shop.ask("set_status", "1", "done", key="k1") is True
    store.status = "1"  # somebody undid it
    assert await shop.ask("set_status", "1", "done", key="k1") is False
    assert await shop.ask("set_status", "1", "done", key="k2") is True

    assert store.writes == ["PUT /orders", "POST /metadata/order/1", "PUT /orders", "PUT /metadata/order/1"]


@pytest.mark.parametrize("crash_after", [1, 2])
async def test_a_crash_between_a_status_and_its_note_does_not_repeat_it(
    shop: Any, store: Store, crash_after: int
) -> None:
    store.crash_after = crash_after
    with pytest.raises(UnexpectedAnswer) if crash_after == 1 else nullcontext():
        await shop.ask("set_status", "1", "done", key="k1")

    assert await shop.ask("set_status", "1", "done", key="k1") is False
    assert store.writes.count("PUT /orders") == 1


async def test_a_status_that_is_there_already_is_only_noted(shop: Any, store: Store) -> None:
    store.status = "2"

    assert await shop.ask("set_status", "1", "done", key="k1") is False
    assert store.writes == ["POST /metadata/order/1"]


async def test_without_a_key_a_stock_is_one_write(shop: Any, vendor: Any, store: Store) -> None:
    assert await shop.ask("set_stock", "77", 4, variant_id=9) is True

    assert vendor.seen[0].json() == [{"stock": 4, "product_id": "77", "variant_id": "9"}]
    assert store.writes == ["PUT /products"]


async def test_with_a_key_an_old_stock_does_not_come_back(shop: Any, store: Store) -> None:
    assert await shop.ask("set_stock", "77", 4, key="k1") is True
    assert await shop.ask("set_stock", "77", 3, key="k2") is True
    assert await shop.ask("set_stock", "77", 4, key="k1") is False

    assert store.stock["77"] == "3"
    assert store.writes == ["PUT /products"] * 2


async def test_a_stock_and_its_note_are_one_write(shop: Any, store: Store) -> None:
    store.crash_after = 1
    with pytest.raises(UnexpectedAnswer):
        await shop.ask("set_stock", "77", 4, key="k1")
    store.stock["77"] = "1"  # three were sold meanwhile

    assert await shop.ask("set_stock", "77", 4, key="k1") is False
    assert store.stock["77"] == "1"


async def test_where_the_api_keeps_no_note_the_number_is_written_again(shop: Any, store: Store) -> None:
    """The control of the tests above, and what is documented for an API that drops metadata."""
    store.takes_metadata = False
    assert await shop.ask("set_stock", "77", 4, key="k1") is True
    assert await shop.ask("set_stock", "77", 4, key="k1") is True


async def test_a_note_is_short_and_the_oldest_go(shop: Any, store: Store) -> None:
    for number in range(KEPT_NOTES + 1):
        await shop.ask("set_stock", "77", number, key=f"k{number}")

    kept = store.metadata["/v1/metadata/product/77"][EFFECTS]
    assert len(kept) <= 255
    assert len(kept.split()) == KEPT_NOTES
    assert await shop.ask("set_stock", "77", 1, key="k1") is False
    assert await shop.ask("set_stock", "77", 0, key="k0") is True


@pytest.mark.parametrize("wrong", ["", "x" * 256, 7])
async def test_a_wrong_key_is_refused_before_anything_is_sent(shop: Any, vendor: Any, wrong: Any) -> None:
    for name, args in (("set_status", ("1", "done")), ("set_stock", ("77", 4))):
        with pytest.raises(InvalidInput) as caught:
            await shop.ask(name, *args, key=wrong)
        assert caught.value.field == "key"
    assert vendor.seen == []


@pytest.mark.parametrize(
    ("name", "args", "field"),
    [
        ("set_status", ("1", "shipped"), "status"),
        ("set_status", ("a b", "done"), "order_id"),
        ("set_stock", ("77", float("nan")), "[0].stock"),
        ("set_stock", ("a b", 1), "[0].product_id"),
        ("set_metadata", ("cart", "1", "a", "b"), "owner"),
        ("set_metadata", ("order", "..", "a", "b"), "owner_id"),
        ("update_metadata", ("order", "1", "", "b"), "name"),
        ("create_metadata", ("order", "1", "a", 7), "value"),
        ("find_products", (["1", "a b"],), "[1]"),
        ("create_category", (7,), "name"),
        ("create_category", ("Mugs", "a b"), "parent_id"),
        ("product_page", (-1,), "offset"),
        ("order_page", (True,), "offset"),
    ],
)
@pytest.mark.parametrize("key", [None, "k1"])
async def test_what_cannot_be_sent_is_refused_before_anything_is(
    shop: Any, vendor: Any, name: Any, args: Any, field: Any, key: Any
) -> None:
    keyed = {"key": key} if name in ("set_status", "set_stock") else {}
    with pytest.raises(InvalidInput) as caught:
        await shop.ask(name, *args, **keyed)

    assert caught.value.field == field
    assert vendor.seen == []


async def test_metadata_is_written_as_new_or_as_known(shop: Any, store: Store) -> None:
    await shop.ask("set_metadata", "order", 1, "ref", "A-1")
    await shop.ask("set_metadata", "order", 1, "ref", "A-2")
    await shop.ask("set_metadata", "order", 1, "ref", "")
    store.metadata.clear()
    await shop.ask("set_metadata", "order", 1, "ref", "")

    path = "/metadata/order/1"
    assert store.writes == [f"POST {path}", f"PUT {path}", f"PUT {path}"]


@pytest.mark.parametrize("body", [{"success": 0, "errors": ["Full"]}, {"errors": "Full"}])
async def test_a_refused_text_is_an_error(shop: Any, vendor: Any, body: Any) -> None:
    vendor.says(body)

    with pytest.raises(WriteRejected, match="Full"):
        await shop.ask("create_metadata", "customer", "5", "a", "b")
