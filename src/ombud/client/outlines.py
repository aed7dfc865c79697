"""Lists of which no more is read than what tells one thing from another: what nobody can read hides no other thing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ombud.client.listing import Listing
from ombud.client.models import Order, OrderStatus, Product
from ombud.client.order_shapes import order_objects
from ombud.client.product_shapes import product_objects
from ombud.client.values import fields


@dataclass(frozen=True)
class OrderOutline:
    """An order of a list, as it came. `status` is None also where it cannot be read."""

    id: str
    status: OrderStatus | None
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class ProductOutline:
    """A product of a list, as it came. `date_modified` is None also where it cannot be read."""

    id: str
    date_modified: datetime | None
    raw: Mapping[str, Any]


def outlined_orders(listing: Listing[Order]) -> Listing[OrderOutline]:
    """Return the same list, of each order its outline."""
    return Listing(listing.path, listing.params, listing.full, _orders)


def outlined_products(listing: Listing[Product]) -> Listing[ProductOutline]:
    """Return the same list, of each product its outline."""
    return Listing(listing.path, listing.params, listing.full, _products)


def _orders(value: Any) -> list[OrderOutline]:
    return [_order(one) for one in order_objects(value)]


def _order(value: Any) -> OrderOutline:
    order = fields(value, "order")
    status = order.loose(order.text, "status")
    return OrderOutline(order.own_id("order_id"), None if status is None else OrderStatus.find(status), order.raw)


def _products(value: Any) -> list[ProductOutline]:
    found = [fields(one, "product") for one in product_objects(value)]
    return [ProductOutline(one.own_id("id"), one.loose(one.moment, "date_modified"), one.raw) for one in found]
