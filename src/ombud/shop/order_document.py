"""An order's document: who buys what, how it is paid and sent, and what it adds up to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ombud.db.operation import Row
from ombud.shop.lines import Line
from ombud.shop.order_input import OrderEdit
from ombud.shop.reading import money_text
from ombud.shop.status import Status

_BLANK_ADDRESS = dict.fromkeys(
    ("company_name", "full_name", "address", "address2", "city", "zipcode", "country"),
    "",
)

# The vendor's shops are Swedish. Prices include their tax; this shop does not work out how much of it that is.
NEW_ORDER: Mapping[str, Any] = {
    "currency": "SEK",
    "notes": "",
    "shipping_id": "",
    "shipping_name": "",
    "shipping_amount": "0.00",
    "discount_amount": "0.00",
    "tax_amount": "0.00",
    "paymethod": {"method": "", "transaction_id": ""},
    "customer": {
        "email": "",
        "phone": "",
        "customer_type": "private",
        **_BLANK_ADDRESS,
        "notes": "",
        "shipping_details": _BLANK_ADDRESS,
        "billing_details": _BLANK_ADDRESS,
    },
    "products": [],
}


@dataclass(frozen=True)
class Order:
    """An order. Times are UTC microseconds; `paid_at` is None while it is unpaid."""

    id: int
    status: Status
    created_at: int
    paid_at: int | None
    status_at: int
    document: dict[str, Any]

    @property
    def lines(self) -> list[Line]:
        """What was bought."""
        lines: list[Line] = self.document["products"]
        return lines


def read_order(row: Row) -> Order:
    """Return the order of a row."""
    return Order(
        id=row["id"],
        status=Status(row["status"]),
        created_at=row["created_at"],
        paid_at=row["paid_at"],
        status_at=row["status_at"],
        document=json.loads(row["document"]),
    )


def edited(document: Mapping[str, Any], edit: OrderEdit, lines: list[Line]) -> dict[str, Any]:
    """Return the document after an edit, added up anew."""
    changed = dict(document)
    if edit.customer is not None:
        changed["customer"] = _customer(document["customer"], edit.customer)
    if edit.payment is not None:
        changed["paymethod"] = {**document["paymethod"], **edit.payment}
    if edit.currency:
        changed["currency"] = edit.currency
    for key, value in (edit.shipping or {}).items():
        changed["shipping_amount" if key == "price" else f"shipping_{key}"] = (
            money_text(value or Decimal(0)) if key == "price" else value
        )
    discount = edit.discount if edit.discount_removed else Decimal(document["discount_amount"]) + edit.discount
    return {**changed, "products": lines, **_amounts(lines, Decimal(changed["shipping_amount"]), discount)}


def _amounts(lines: list[Line], shipping: Decimal, discount: Decimal) -> dict[str, str]:
    """Add up. A discount takes no more than there is."""
    items = sum((Decimal(line["price"]) * line["qty"] for line in lines), Decimal(0))
    discount = min(discount, items + shipping)
    return {
        "items_amount": money_text(items),
        "discount_amount": money_text(discount),
        "total_amount": money_text(items + shipping - discount),
        "total_weight": str(sum((Decimal(line["weight"]) * line["qty"] for line in lines), Decimal(0))),
    }


def _customer(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a customer. Who gives one address has it for billing and for shipping; the billing one is also on top."""
    customer = {**before, **given}
    billing, shipping = given.get("billing_details"), given.get("shipping_details")
    if billing and before["shipping_details"] == _BLANK_ADDRESS:
        customer["shipping_details"] = shipping or billing
    if shipping and before["billing_details"] == _BLANK_ADDRESS:
        customer["billing_details"] = billing or shipping
    return {**customer, **customer["billing_details"]}
