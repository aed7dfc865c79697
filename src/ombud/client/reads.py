"""What may be asked of the API. Each function gives a call, or a list to walk; the clients' methods are these."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar, Unpack

from ombud.client import order_shapes, other_shapes, outgoing, product_shapes
from ombud.client.answer import Answer
from ombud.client.call import Call, Params
from ombud.client.fields import MetadataOwner, OrderFilters, ProductFilters
from ombud.client.listing import Listing
from ombud.client.models import Category, Metadata, Order, PaymentMethod, Product, ShippingMethod
from ombud.client.values import the_one
from ombud.errors import InvalidInput

DEFAULT_PAGE = 250  # things per request; with details about 1 MB, which fits the default time
SHORTEST_PRODUCT_PAGE = 50  # products; the API may cap a page at its own default of 50 without saying so
OVERLAP_SECONDS = 900.0  # seconds; covers clocks that differ and changes that were committed late

T = TypeVar("T")
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
    "apps_load": outgoing.flag_word,
    "limit": outgoing.page_size,
}
PRODUCT_FILTERS: Mapping[str, Encoder] = {
    "search": outgoing.words,
    "sku": outgoing.words,
    "include_details": outgoing.flag_word,
    "limit": outgoing.page_size,
}


def order(order_id: str | int) -> Call[Order | None]:
    """One order with its details; None when the shop has none with this id."""
    wanted = outgoing.identifier("order_id", order_id)

    def parse(answer: Answer) -> Order | None:
        return None if answer.missing else the_one(order_shapes.order_list(answer.json()), wanted)

    return Call("GET", "/orders", parse, (("order_id", wanted), ("include_details", "true")))


def orders(**filters: Unpack[OrderFilters]) -> Listing[Order]:
    """Orders, newest first unless `order_by` and `sort_order` say otherwise, read page by page as you iterate.

    What changes in the shop meanwhile hides and repeats nothing: an order that was there from start to end is given
    once. One that arrives, or that moves in the order asked for, may be given last. `include_details=False` gives
    little more than id, date, amount and status.
    """
    params = _params(filters, ORDER_FILTERS)
    return Listing("/orders", params, int(dict(params)["limit"]), order_shapes.order_list)


def changed_orders(
    since: datetime, *, overlap_seconds: float = OVERLAP_SECONDS, **filters: Unpack[OrderFilters]
) -> Listing[Order]:
    """Orders whose status changed since then, by id, page by page: what a reconciliation reads.

    It begins `overlap_seconds` earlier, because the vendor says neither whether the bound is included nor by whose
    clock it is measured; so the same orders come again, and are to be compared by what they hold, never by time. The
    next `since` is the moment before this one was called.
    """
    if not 0 <= overlap_seconds < float("inf"):
        raise InvalidInput("overlap_seconds", "The overlap is a number of seconds from 0.")
    start = outgoing.aware("since", since) - timedelta(seconds=overlap_seconds)
    wanted: OrderFilters = {"order_by": "order_id", "sort_order": "asc", **filters, "from_status_date": start}
    return orders(**wanted)


def order_page(offset: int = 0, **filters: Unpack[OrderFilters]) -> Call[tuple[Order, ...]]:
    """One page of the orders, in one request; empty past the end."""
    return orders(**filters).page(outgoing.whole("offset", offset))


def product(product_id: str | int) -> Call[Product | None]:
    """One product with its details; None when the shop has none with this id."""
    wanted = outgoing.identifier("product_id", product_id)

    def parse(answer: Answer) -> Product | None:
        return None if answer.missing else the_one(product_shapes.product_list(answer.json()), wanted)

    return Call("GET", "/products", parse, (("product_id", wanted), ("include_details", "true")))


def products(**filters: Unpack[ProductFilters]) -> Listing[Product]:
    """Products, read page by page as you iterate; whole while the shop changes, as `orders` is."""
    params = _params(filters, PRODUCT_FILTERS)
    full = min(int(dict(params)["limit"]), SHORTEST_PRODUCT_PAGE)
    return Listing("/products", params, full, product_shapes.product_list)


def product_page(offset: int = 0, **filters: Unpack[ProductFilters]) -> Call[tuple[Product, ...]]:
    """One page of the products with their details, in one request; empty past the end.

    That a product is on no page proves nothing: things move between pages. `find_products` asks for certain.
    """
    return products(**filters).page(outgoing.whole("offset", offset))


def product_count() -> Call[int]:
    """How many products the shop has."""
    return Call("GET", "/products/count", lambda answer: product_shapes.product_total(answer.json()))


def category(category_id: str | int) -> Call[Category | None]:
    """One category; None when the shop has none with this id."""
    wanted = outgoing.identifier("category_id", category_id)

    def parse(answer: Answer) -> Category | None:
        return None if answer.missing else the_one(other_shapes.category_list(answer.json()), wanted)

    return Call("GET", "/categories", parse, (("category_id", wanted),))


def categories() -> Call[tuple[Category, ...]]:
    """All categories, in one request."""
    return Call("GET", "/categories", lambda answer: _all(answer, other_shapes.category_list))


def payment_methods() -> Call[tuple[PaymentMethod, ...]]:
    """The ways to pay that the shop offers."""
    return Call("GET", "/paymentmethods", lambda answer: _all(answer, other_shapes.payment_methods))


def shipping_methods() -> Call[tuple[ShippingMethod, ...]]:
    """The ways to send that the shop offers."""
    return Call("GET", "/shippingmethods", lambda answer: _all(answer, other_shapes.shipping_methods))


def metadata(owner: MetadataOwner, owner_id: str | int) -> Call[Metadata]:
    """What is written beside an order, a product or a customer; empty also where there is no such thing."""

    def parse(answer: Answer) -> Metadata:
        return Metadata({}) if answer.missing else other_shapes.read_metadata(answer.json())

    return Call("GET", outgoing.metadata_path(owner, owner_id), parse)


def _all(answer: Answer, read: Callable[[object], list[T]]) -> tuple[T, ...]:
    return () if answer.missing else tuple(read(answer.json()))


def _params(filters: Mapping[str, object], known: Mapping[str, Encoder]) -> Params:
    unknown = next((name for name in filters if name not in known), None)
    if unknown is not None:
        raise InvalidInput(unknown, f"There is no such filter; there are {', '.join(known)}.")
    given = {"include_details": True, "limit": DEFAULT_PAGE, **{k: v for k, v in filters.items() if v is not None}}
    return tuple((name, known[name](name, value)) for name, value in given.items())
