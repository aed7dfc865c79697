"""What a shop holds, as frozen values. `raw` is always the JSON object as it came.

Ids are text. Amounts are in the order's or the shop's currency. Every field but an id may be None: the API leaves out
what it does not know, and short lists leave out nearly everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any, Protocol, Self, TypeVar


class Identified(Protocol):
    """What can be told from others of its kind."""

    @property
    def id(self) -> str: ...


Thing = TypeVar("Thing", bound=Identified)


class OrderStatus(IntEnum):
    """An order is one of four things; the number is what the API answers, the word is what it is sent.

    The vendor documents the words; 1 and 2 are seen by several clients, -1 and 0 are our reading.
    """

    UNPAID = -1
    CANCELLED = 0
    PAID = 1
    DONE = 2

    @property
    def word(self) -> str:
        return self.name.lower()

    @classmethod
    def find(cls, text: str) -> Self | None:
        """Takes `paid`, `Paid`, `1`; None for anything else."""
        wanted = text.strip().lower()
        return next((status for status in cls if wanted in (status.word, str(status.value))), None)


def _raw() -> Any:
    """Left out of the repr, because it holds personal data, and out of the hash, because it is a dict."""
    return field(repr=False, hash=False)


@dataclass(frozen=True)
class Address:
    company_name: str | None
    full_name: str | None
    address: str | None
    address2: str | None
    city: str | None
    zipcode: str | None
    country: str | None
    raw: Mapping[str, Any] = _raw()


@dataclass(frozen=True)
class Customer:
    email: str | None
    phone: str | None
    customer_type: str | None
    company_name: str | None
    full_name: str | None
    address: str | None
    address2: str | None
    city: str | None
    zipcode: str | None
    country: str | None
    notes: str | None
    shipping: Address | None
    billing: Address | None
    raw: Mapping[str, Any] = _raw()


@dataclass(frozen=True)
class Payment:
    """How one order is paid: the name of the method, and the payment provider's own number."""

    method: str | None
    transaction_id: str | None
    raw: Mapping[str, Any] = _raw()


@dataclass(frozen=True)
class LinePart:
    """One product of a package that was sold as one line."""

    product_id: str | None
    variant_id: str | None
    title: str | None
    sku: str | None
    variant: str | None
    qty: int | None
    price: Decimal | None
    raw: Mapping[str, Any] = _raw()


@dataclass(frozen=True)
class OrderLine:
    """One row of an order. `variant` is the variant's text; `variant_id` is None where the API says 0 (no variant).

    `parts` are what a package holds. `weight` is in grams.
    """

    id: str | None
    product_id: str | None
    variant_id: str | None
    title: str | None
    sku: str | None
    variant: str | None
    qty: int | None
    price: Decimal | None
    weight: Decimal | None
    image: str | None
    parts: tuple[LinePart, ...]
    raw: Mapping[str, Any] = _raw()


@dataclass(frozen=True)
class Order:
    """An order. `status` is None when it is missing or unknown; `status_text` is what the API said.

    `lines`, `customer` and `payment` come with details only. The customer is left out of the repr: it is personal data.
    Refunds, of which nothing is documented, are in `raw`.
    """

    id: str
    status: OrderStatus | None
    status_text: str | None
    date_created: datetime | None
    date_paid: datetime | None
    total_amount: Decimal | None
    total_pay_amount: Decimal | None
    items_amount: Decimal | None
    shipping_amount: Decimal | None
    discount_amount: Decimal | None
    tax_amount: Decimal | None
    currency: str | None
    shipping_id: str | None
    shipping_name: str | None
    total_weight: Decimal | None
    tax_free: bool | None
    tax_on_top: bool | None
    notes: str | None = field(repr=False)
    payment: Payment | None
    customer: Customer | None = field(repr=False)
    lines: tuple[OrderLine, ...]
    raw: Mapping[str, Any] = _raw()


@dataclass(frozen=True)
class Variant:
    """One variant of a product. `options` are pairs such as ("Size", "L"); `weight` is in grams."""

    id: str
    product_id: str | None
    sku: str | None
    gtin: str | None
    qty: int | None
    price: Decimal | None
    before_price: Decimal | None
    purchase_price: Decimal | None
    weight: Decimal | None
    supplier_sku: str | None
    qty_location: str | None
    image_id: str | None
    hidden: bool | None
    preselected: bool | None
    disable_minusqty: bool | None
    min_purchase_quantity: int | None
    max_purchase_quantity: int | None
    options: tuple[tuple[str, str], ...]
    raw: Mapping[str, Any] = _raw()


@dataclass(frozen=True)
class Image:
    url: str | None
    alttext: str | None
    raw: Mapping[str, Any] = _raw()


@dataclass(frozen=True)
class Product:
    """A product. `qty` None probably means unlimited; with variants the stock is the sum of theirs.

    `weight` is in grams, `description` is HTML, each of `categories` is a path from the top. What a package holds is
    in `raw`.
    """

    id: str
    sku: str | None
    title: str | None
    has_variants: bool | None
    visible: bool | None
    qty: int | None
    qty_location: str | None
    price: Decimal | None
    before_price: Decimal | None
    purchase_price: Decimal | None
    tax_rate: Decimal | None
    weight: Decimal | None
    gtin: str | None
    disable_minusqty: bool | None
    description: str | None = field(repr=False)
    date_modified: datetime | None
    url: str | None
    supplier_name: str | None
    supplier_sku: str | None
    seo_title: str | None
    seo_description: str | None = field(repr=False)
    datafields: tuple[str | None, str | None, str | None]
    headcategory_name: str | None
    categories: tuple[tuple[str, ...], ...]
    images: tuple[Image, ...]
    variants: tuple[Variant, ...]
    raw: Mapping[str, Any] = _raw()


@dataclass(frozen=True)
class Category:
    """A category of products. `path` is its names from the top, its own the last; `parent_id` None means at the top."""

    id: str
    name: str | None
    path: tuple[str, ...]
    parent_id: str | None
    uri: str | None
    url: str | None
    description1: str | None = field(repr=False)
    description2: str | None = field(repr=False)
    raw: Mapping[str, Any] = _raw()


@dataclass(frozen=True)
class PaymentMethod:
    """A way to pay that the shop offers. The vendor documents no fields; what is not understood here is in `raw`."""

    id: str | None
    name: str | None
    raw: Mapping[str, Any] = _raw()


@dataclass(frozen=True)
class ShippingMethod:
    """A way to send that the shop offers; `countries` are codes such as "SE". Else as `PaymentMethod`."""

    id: str | None
    name: str | None
    price: Decimal | None
    countries: tuple[str, ...]
    raw: Mapping[str, Any] = _raw()


@dataclass(frozen=True)
class Metadata:
    """What programs have written beside an order, a product or a customer: texts under names."""

    values: Mapping[str, str] = field(hash=False)

    def get(self, name: str) -> str | None:
        """The text under a name; None when there is none. An empty one cannot be stored."""
        return self.values.get(name)
