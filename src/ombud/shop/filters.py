"""The query of GET /v1/orders and GET /v1/products. Unknown parameters are ignored; an empty one is not there."""

from collections.abc import Mapping
from dataclasses import dataclass

from ombud.errors import InvalidInput
from ombud.shop.dates import read_date
from ombud.shop.orders import OrderFilter
from ombud.shop.products import ProductFilter
from ombud.shop.reading import LONGEST_TEXT, read_flag, read_id
from ombud.shop.status import WORDS, Status, find_status

# Things in a page; the vendor's bound and default for orders, and its default for products.
LARGEST_PAGE = 1_000
ORDERS_PAGE = 1_000
PRODUCTS_PAGE = 50
# Things that a page may skip: beyond any shop, and small enough for a database integer.
LARGEST_OFFSET = 10**12

# Smaller than every id that is given out.
_NO_ID = -1


@dataclass(frozen=True)
class OrderQuery:
    """What GET /v1/orders asks for."""

    wanted: OrderFilter
    details: bool


@dataclass(frozen=True)
class ProductQuery:
    """What GET /v1/products asks for: one product by id or sku, or a page of them."""

    wanted: ProductFilter
    details: bool
    product_id: int | None = None
    sku: str = ""


@dataclass(frozen=True)
class _Query:
    """Parameters; each reader raises InvalidInput naming the one that cannot be accepted."""

    given: Mapping[str, str]

    def text(self, name: str) -> str:
        text = self.given.get(name, "").strip()
        if len(text) > LONGEST_TEXT:
            raise InvalidInput(name, f"It has at most {LONGEST_TEXT} characters.")
        if "\0" in text:
            raise InvalidInput(name, "It holds a character that cannot be stored.")
        return text

    def whole(self, name: str, default: int, lowest: int, highest: int) -> int:
        text = self.text(name) or str(default)
        if not (text.isascii() and text.isdigit()) or not lowest <= int(text) <= highest:
            raise InvalidInput(name, f"It is a whole number from {lowest} to {highest}.")
        return int(text)

    def flag(self, name: str) -> bool:
        text = self.text(name)
        return read_flag(name, text) if text else False

    def id(self, name: str) -> int | None:
        """A text that is no id names nothing: none found, rather than an error."""
        text = self.text(name)
        return (read_id(text) or _NO_ID) if text else None

    def date(self, name: str) -> int | None:
        text = self.text(name)
        return read_date(name, text) if text else None

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        text = self.text(name) or default
        if text not in choices:
            raise InvalidInput(name, f"It is one of: {', '.join(choices)}.")
        return text

    def status(self) -> Status | None:
        text = self.text("status")
        status = find_status(text)
        if text and status is None:
            raise InvalidInput("status", f"It is one of: {', '.join(WORDS)}.")
        return status


def read_order_query(given: Mapping[str, str]) -> OrderQuery:
    """Read the query of GET /v1/orders. An order_id brings the details with it. Raises InvalidInput."""
    query = _Query(given)
    order_id = query.id("order_id")
    paid_to, second = query.date("to_date_paid"), 999_999
    wanted = OrderFilter(
        order_id=order_id,
        search=query.text("search"),
        status=query.status(),
        paid_from=query.date("from_date_paid"),
        # Dates have whole seconds; the last one belongs to the range.
        paid_to=None if paid_to is None else paid_to + second,
        status_from=query.date("from_status_date") or 0,
        order_by=query.choice("order_by", ("order_id", "date", "price"), "order_id"),
        descending=query.choice("sort_order", ("desc", "asc"), "desc") == "desc",
        limit=query.whole("limit", ORDERS_PAGE, 1, LARGEST_PAGE),
        offset=query.whole("offset", 0, 0, LARGEST_OFFSET),
    )
    return OrderQuery(wanted, query.flag("include_details") or order_id is not None)


def read_product_query(given: Mapping[str, str]) -> ProductQuery:
    """Read the query of GET /v1/products. Raises InvalidInput."""
    query = _Query(given)
    wanted = ProductFilter(
        search=query.text("search"),
        limit=query.whole("limit", PRODUCTS_PAGE, 1, LARGEST_PAGE),
        offset=query.whole("offset", 0, 0, LARGEST_OFFSET),
    )
    return ProductQuery(wanted, query.flag("include_details"), query.id("product_id"), query.text("sku"))
