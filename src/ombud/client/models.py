"""What a shop holds, as frozen values. `raw` is always the JSON object as it came.

Ids are text. Amounts are in the order's or the shop's currency. Every field but an id may be None: the API leaves out
what it does not know, and short lists leave out nearly everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any, Self


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
class PaymentMethod:
    method: str | None
    transaction_id: str | None
    raw: Mapping[str, Any] = _raw()


@dataclass(frozen=True)
class OrderLine:
    """One row of an order. `variant` is the variant's text; `variant_id` is None where the API says 0 (no variant)."""

    id: str | None
    product_id: str | None
    variant_id: str | None
    title: str | None
    sku: str | None
    variant: str | None
    qty: int | None
    price: Decimal | None
    raw: Mapping[str, Any] = _raw()


@dataclass(frozen=True)
class Order:
    """An order. `status` is None when it is missing or unknown; `status_text` is what the API said.

    `lines`, `customer` and `payment` come with details only. The customer is left out of the repr: it is personal data.
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
    notes: str | None = field(repr=False)
    payment: PaymentMethod | None
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
    hidden: bool | None
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

    `weight` is in grams, `description` is HTML, each of `categories` is a path from the top.
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
    description: str | None = field(repr=False)
    date_modified: datetime | None
    url: str | None
    supplier_name: str | None
    supplier_sku: str | None
    headcategory_name: str | None
    categories: tuple[tuple[str, ...], ...]
    images: tuple[Image, ...]
    variants: tuple[Variant, ...]
    raw: Mapping[str, Any] = _raw()
