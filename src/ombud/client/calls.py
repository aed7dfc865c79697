"""Every request to the API as a value: what to send, and what its answer means. Nothing here sends anything."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from ombud.client import outgoing, replies, shapes
from ombud.client.answer import Answer
from ombud.client.errors import UnexpectedAnswer
from ombud.client.models import Order, Product
from ombud.errors import InvalidInput

DEFAULT_PAGE = 250  # things per request; with details about 1 MB, which fits the default time
SHORTEST_PRODUCT_PAGE = 50  # products; the API may cap a page at its own default of 50 without saying so
MAX_REPEATED_PAGES = 2  # pages in a row without anything new; arrivals repeat one, an ignored offset all of them

T = TypeVar("T")
Thing = TypeVar("Thing", Order, Product)
Params = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request. `parse` turns a complete answer into the result or raises an `OmbudError`."""

    method: str
    path: str
    parse: Callable[[Answer], T]
    params: Params = ()
    body: bytes | None = field(default=None, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.body is None else {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list, and the call for the next part."""

    things: tuple[T, ...]
    next: Call["Page[T]"] | None


@dataclass(frozen=True)
class Listing(Generic[Thing]):
    """How one list is paged. A page of fewer than `full` things is the last one."""

    path: str
    params: Params
    full: int
    read: Callable[[Any], list[Thing]]

    def page(self, offset: int = 0, before: frozenset[str] = frozenset(), repeated: int = 0) -> Call[Page[Thing]]:
        """`before` are the ids of the page before: what arrives while we read pushes known things to the next page."""
        turn = partial(self._turn, offset, before, repeated)
        return Call("GET", self.path, turn, (*self.params, ("offset", str(offset))))

    def _turn(self, offset: int, before: frozenset[str], repeated: int, answer: Answer) -> Page[Thing]:
        if answer.missing:
            return Page((), None)
        things = self.read(answer.json())
        fresh = tuple(thing for thing in things if thing.id not in before)
        if len(things) < self.full:
            return Page(fresh, None)
        repeated = 0 if fresh else repeated + 1
        if repeated >= MAX_REPEATED_PAGES:
            raise UnexpectedAnswer("the same page again and again; it does not follow the offset")
        return Page(fresh, self.page(offset + len(things), frozenset(thing.id for thing in things), repeated))


Encoder = Callable[[str, object], str]
ORDER_FILTERS: Mapping[str, Encoder] = {
    "search": outgoing.words,
    "status": outgoing.status_word,
    "from_date_paid": outgoing.since,
    "to_date_paid": outgoing.until,
    "from_status_date": outgoing.since,
    "order_by": outgoing.one_of("price", "date", "order_id"),
    "sort_order": outgoing.one_of("asc", "desc"),
    "include_details": outgoing.flag_word,
    "limit": outgoing.page_size,
}
PRODUCT_FILTERS: Mapping[str, Encoder] = {
    "search": outgoing.words,
    "sku": outgoing.words,
    "include_details": outgoing.flag_word,
    "limit": outgoing.page_size,
}


def order(order_id: str | int) -> Call[Order | None]:
    wanted = outgoing.identifier("order_id", order_id)

    def parse(answer: Answer) -> Order | None:
        return None if answer.missing else shapes.the_one(shapes.order_list(answer.json()), wanted)

    return Call("GET", "/orders", parse, (("order_id", wanted), ("include_details", "true")))


def orders(filters: Mapping[str, object]) -> Call[Page[Order]]:
    params = _params(filters, ORDER_FILTERS)
    return Listing("/orders", params, int(dict(params)["limit"]), shapes.order_list).page()


def product(product_id: str | int) -> Call[Product | None]:
    wanted = outgoing.identifier("product_id", product_id)

    def parse(answer: Answer) -> Product | None:
        return None if answer.missing else shapes.the_one(shapes.product_list(answer.json()), wanted)

    return Call("GET", "/products", parse, (("product_id", wanted), ("include_details", "true")))


def products(filters: Mapping[str, object]) -> Call[Page[Product]]:
    params = _params(filters, PRODUCT_FILTERS)
    full = min(int(dict(params)["limit"]), SHORTEST_PRODUCT_PAGE)
    return Listing("/products", params, full, shapes.product_list).page()


def product_count() -> Call[int]:
    return Call("GET", "/products/count", lambda answer: shapes.product_total(answer.json()))


def create_orders(drafts: Iterable[Mapping[str, Any]]) -> Call[tuple[str, ...]]:
    items = [_new_order(f"[{n}]", draft) for n, draft in enumerate(_several(drafts))]
    return Call("POST", "/orders", partial(replies.created_orders, amount=len(items)), body=_json(items))


def create_order(draft: Mapping[str, Any]) -> Call[str]:
    def parse(answer: Answer) -> str:
        return replies.created_orders(answer, 1)[0]

    return Call("POST", "/orders", parse, body=_json([_new_order("", draft)]))


def update_orders(changes: Iterable[Mapping[str, Any]]) -> Call[None]:
    items = [_changed_order(f"[{n}]", change) for n, change in enumerate(_several(changes))]
    order_ids = [item["order_id"] for item in items]
    for n, order_id in enumerate(order_ids):
        if order_id in order_ids[:n]:
            raise InvalidInput(
                f"[{n}].order_id", "This order is in the list twice; the reply could not tell them apart."
            )
    return Call("PUT", "/orders", partial(replies.updated_orders, order_ids=order_ids), body=_json(items))


def update_order(order_id: str | int, change: Mapping[str, Any]) -> Call[None]:
    item = _changed_order("", {**change, "order_id": order_id})
    parse = partial(replies.updated_orders, order_ids=[item["order_id"]])
    return Call("PUT", "/orders", parse, body=_json([item]))


def create_product(new: Mapping[str, Any]) -> Call[str]:
    return Call("POST", "/products", replies.created_product, body=_json(_written_product("", new)))


def update_products(changes: Iterable[Mapping[str, Any]]) -> Call[None]:
    items = [_changed_product(f"[{n}]", change) for n, change in enumerate(_several(changes))]
    return Call("PUT", "/products", partial(replies.updated_products, item=None), body=_json(items))


def update_product(product_id: str | int, change: Mapping[str, Any]) -> Call[None]:
    item = _changed_product("", {**change, "product_id": product_id})
    return Call("PUT", "/products", partial(replies.updated_products, item=item["product_id"]), body=_json([item]))


def delete_product(product_id: str | int) -> Call[bool]:
    wanted = outgoing.identifier("product_id", product_id)
    return Call("DELETE", "/products", partial(replies.deleted_product, product_id=wanted), (("product_id", wanted),))


def _params(filters: Mapping[str, object], known: Mapping[str, Encoder]) -> Params:
    unknown = next((name for name in filters if name not in known), None)
    if unknown is not None:
        raise InvalidInput(unknown, f"There is no such filter; there are {', '.join(known)}.")
    given = {"include_details": True, "limit": DEFAULT_PAGE, **{k: v for k, v in filters.items() if v is not None}}
    return tuple((name, known[name](name, value)) for name, value in given.items())


def _several(items: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = list(items)
    if not found:
        raise InvalidInput("[]", "The list is empty; there is nothing to write.")
    return found


def _new_order(where: str, draft: Mapping[str, Any]) -> dict[str, Any]:
    if draft.get("order_id", "create") != "create":
        raise InvalidInput(_name(where, "order_id"), "A new order has no id yet; leave it out.")
    return {**_written_order(where, draft), "order_id": "create"}


def _changed_order(where: str, change: Mapping[str, Any]) -> dict[str, Any]:
    order_id = outgoing.identifier(_name(where, "order_id"), change.get("order_id"))
    status = {"status": outgoing.status_word(_name(where, "status"), change["status"])} if "status" in change else {}
    return {**_written_order(where, change), "order_id": order_id, **status}


def _written_order(where: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """For orders the API takes booleans as the texts "true" and "false"."""
    return outgoing.item(item, where, lambda value: "true" if value else "false")


def _changed_product(where: str, change: Mapping[str, Any]) -> dict[str, Any]:
    targets = [name for name in ("product_id", "variant_id", "sku") if change.get(name) is not None]
    if not targets:
        raise InvalidInput(
            _name(where, "product_id"), "Name the product: product_id, variant_id or a sku that is unique."
        )
    ids = {name: outgoing.identifier(_name(where, name), change[name]) for name in targets if name != "sku"}
    return {**_written_product(where, change), **ids}


def _written_product(where: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """For products the API takes flags as the numbers 1 and 0."""
    if "qty" in item and "variant_id" not in item:
        raise InvalidInput(_name(where, "qty"), "The API reads stock as qty but takes it as stock; write stock.")
    return outgoing.item(item, where, int)


def _name(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
