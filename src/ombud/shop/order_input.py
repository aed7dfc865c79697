"""What the API's POST and PUT of orders say, as drafts and changes.

Fields that no read shows (payment.log, login_create, newsletter_subscribe, shipping_info, language,
paymethod_activate, the e-mail confirmations) are taken and not kept.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ombud.errors import InvalidInput
from ombud.shop.catalogue import Target
from ombud.shop.metadata import Texts, read_texts
from ombud.shop.product_input import read_target
from ombud.shop.reading import LONGEST_PROSE, Fields

_ADDRESS = ("company_name", "address", "address2", "city", "zipcode", "country")


@dataclass(frozen=True)
class LineDraft:
    """A line to add: a product of this shop, or something else by its sku and price."""

    target: Target
    qty: int
    price: Decimal | None
    title: str | None


@dataclass(frozen=True)
class OrderEdit:
    """What POST and PUT can both say about an order. None means: as it is.

    `lines` replaces them all; `removed_lines` are ids of lines, or products. The discount is added to the old one.
    """

    customer: dict[str, Any] | None = None
    payment: dict[str, Any] | None = None
    currency: str | None = None
    shipping: dict[str, Any] | None = None
    lines: tuple[LineDraft, ...] | None = None
    added_lines: tuple[LineDraft, ...] = ()
    removed_lines: tuple[Fields, ...] = ()
    discount: Decimal = Decimal(0)
    discount_removed: bool = False


@dataclass(frozen=True)
class OrderDraft:
    """An item of POST /v1/orders. `where` is its place in the request, e.g. `[0]`."""

    edit: OrderEdit
    metadata: Texts = field(default_factory=dict)
    where: str = ""


@dataclass(frozen=True)
class OrderChange:
    """An item of PUT /v1/orders. `where` is its place in the request, e.g. `[0]`."""

    order_id: int
    status: str | None = None
    skip_webhook: bool = False
    edit: OrderEdit = field(default_factory=OrderEdit)
    where: str = ""


def read_order_draft(item: Fields) -> OrderDraft:
    """Read an item of POST /v1/orders. Raises InvalidInput naming the first field that cannot be accepted."""
    if item.text("order_id") not in (None, "", "create"):
        raise InvalidInput(item.name("order_id"), 'A new order has no id yet: write "create".')
    edit = _read_edit(item)
    if not edit.lines:
        raise InvalidInput(item.name("products"), "An order needs at least one product.")
    return OrderDraft(edit, read_texts(item), item.where)


def read_order_change(item: Fields) -> OrderChange:
    """Read an item of PUT /v1/orders. Raises InvalidInput naming the first field that cannot be accepted."""
    order_id = item.id("order_id")
    if order_id is None:
        raise InvalidInput(item.name("order_id"), "Name the order by its order_id.")
    skip_webhook = item.flag("skip_webhook") or False
    return OrderChange(order_id, item.text("status"), skip_webhook, _read_edit(item), item.where)


def _read_edit(item: Fields) -> OrderEdit:
    customer, payment, shipping = item.part("customer"), item.part("payment"), item.part("shipping")
    discount = item.part("discount_add")
    lines = item.parts("products")
    return OrderEdit(
        customer=None if customer is None else _customer(customer),
        payment=None if payment is None else _given(payment, ("method", "transaction_id")),
        currency=None if payment is None else payment.text("currency"),
        shipping=None if shipping is None else _shipping(shipping),
        lines=None if lines is None else tuple(_line(line) for line in lines),
        added_lines=tuple(_line(line) for line in item.parts("products_add") or []),
        removed_lines=tuple(_removed_line(line) for line in item.parts("products_remove") or []),
        discount=Decimal(0) if discount is None else discount.amount("amount") or Decimal(0),
        discount_removed=_says_yes(item, "discount_remove"),
    )


def _line(item: Fields) -> LineDraft:
    line = LineDraft(read_target(item), item.whole("qty", 1) or 1, item.amount("price"), item.text("title"))
    target = line.target
    if not (target.product_id or target.variant_id or target.sku or line.title):
        raise InvalidInput(
            item.name("product_id"), "Name the product: product_id, variant_id, sku, or a sku and price."
        )
    return line


def _removed_line(item: Fields) -> Fields:
    if not (item.id("id") or item.id("product_id") or item.id("variant_id") or item.text("sku")):
        raise InvalidInput(item.name("id"), "Name the line: id, product_id, variant_id or sku.")
    return item


def _shipping(item: Fields) -> dict[str, Any]:
    return _given(item, ("id", "name")) | ({"price": item.amount("price")} if "price" in item.raw else {})


def _customer(item: Fields) -> dict[str, Any]:
    """The API takes firstname and lastname and gives back full_name."""
    customer = _given(item, ("email", "phone"))
    if "type" in item.raw:
        customer["customer_type"] = item.text("type") or ""
    if "note" in item.raw:
        customer["notes"] = item.text("note", LONGEST_PROSE) or ""
    for key in ("billing_details", "shipping_details"):
        part = item.part(key)
        if part is not None:
            customer[key] = _address(part)
    return customer


def _address(item: Fields) -> dict[str, Any]:
    names = [item.text("firstname"), item.text("lastname")]
    full_name = " ".join(name for name in names if name) or item.text("full_name") or ""
    return {"full_name": full_name, **{key: item.text(key) or "" for key in _ADDRESS}}


def _given(item: Fields, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: item.text(key) or "" for key in keys if key in item.raw}


def _says_yes(item: Fields, key: str) -> bool:
    """`discount_remove` is documented by its name alone: any object or list that is not empty counts as yes."""
    value = item.raw.get(key)
    return bool(value) if isinstance(value, dict | list) else item.flag(key) or False
