"""The names that the vendor's API takes, for type checkers and editors. Others go in as a mapping, unchecked."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias, TypedDict

from ombud.client.models import OrderStatus

Part: TypeAlias = Mapping[str, Any]
Number: TypeAlias = int | float | Decimal | str
MetadataOwner: TypeAlias = Literal["order", "product", "customer"]


class OrderFilters(TypedDict, total=False):
    """Which orders. Dates are aware datetimes; `limit` is the page size (1 to 1000), not the number of orders.

    `apps_load` also loads what apps have written, such as the parts of a package.
    """

    search: str | None
    status: OrderStatus | str | None
    from_date_paid: datetime | None
    to_date_paid: datetime | None
    from_status_date: datetime | None
    order_by: Literal["price", "date", "order_id"] | None
    sort_order: Literal["asc", "desc"] | None
    include_details: bool | None
    apps_load: bool | None
    limit: int | None


class ProductFilters(TypedDict, total=False):
    """Which products. `limit` is the page size (1 to 1000), not the number of products."""

    search: str | None
    sku: str | None
    include_details: bool | None
    limit: int | None


class OrderDraft(TypedDict, total=False):
    """A new order; it is always unpaid. Written addresses have `firstname` and `lastname`, read ones `full_name`."""

    customer: Part
    payment: Part
    shipping: Part
    products: Sequence[Part]
    discount_add: Part
    discount_remove: Any
    metadata: Part


class OrderChange(TypedDict, total=False):
    """A change of an order.

    With `status="paid"` go `skip_webhook`, `skip_email_confirmation` and `language` (two letters); with
    `status="done"` go `shipping_info` (`{"trackingnumber": …, "company": …}`), `email_confirmation` and
    `paymethod_activate`. `products` replaces all lines.
    """

    status: OrderStatus | str | int
    skip_webhook: bool
    skip_email_confirmation: bool
    language: str
    shipping_info: Part
    email_confirmation: bool
    paymethod_activate: bool
    products: Sequence[Part]
    products_add: Sequence[Part]
    products_remove: Sequence[Any]
    discount_add: Part
    discount_remove: Any
    customer: Part
    payment: Part
    shipping: Part


class ProductFields(TypedDict, total=False):
    """A product to write. Stock is written as `stock` and read as `qty`; only inside `variants` is it written `qty`."""

    title: str
    sku: str
    description: str
    price: Number
    before_price: Number
    purchase_price: Number
    tax_rate: Number
    weight: Number
    stock: Number
    disable_minusqty: bool
    gtin: str
    headcategory_id: str | int
    headcategory_name: str
    visible: bool | int
    images: Part | Sequence[Part]
    metadata: Part
    preorder: Any
    is_giftcard: bool
    permanent_redirect_from_url: str
    skipIfDuplicate: bool
    variants: Part
    qty_location: str
    seo_title: str
    seo_description: str
    datafield_1: str
    datafield_2: str
    datafield_3: str
    supplier_name: str
    supplier_sku: str
