"""Orders and products out of every shape in which the API is known to answer them.

Shapes seen: orders are a bare list, also for one id. Products are a list, `{"product": [...]}`, `{"product": {...}}` or
a bare object. Anything else raises `UnexpectedAnswer`; nothing unknown is taken for "none".
"""

from typing import Any, TypeVar

from ombud.client.errors import UnexpectedAnswer
from ombud.client.models import (
    Address,
    Customer,
    Image,
    Order,
    OrderLine,
    OrderStatus,
    PaymentMethod,
    Product,
    Variant,
)
from ombud.client.values import Fields, absent, fields

Thing = TypeVar("Thing", Order, Product)


def read_order(value: Any) -> Order:
    """One order from its JSON object, for instance from a stored `raw`. Raises `UnexpectedAnswer`."""
    order = fields(value, "order")
    status = order.text("status")
    return Order(
        id=order.own_id("order_id"),
        status=None if status is None else OrderStatus.find(status),
        status_text=status,
        date_created=order.moment("date_created"),
        date_paid=order.moment("date_paid"),
        total_amount=order.amount("total_amount"),
        total_pay_amount=order.amount("total_pay_amount"),
        items_amount=order.amount("items_amount"),
        shipping_amount=order.amount("shipping_amount"),
        discount_amount=order.amount("discount_amount"),
        tax_amount=order.amount("tax_amount"),
        currency=order.text("currency"),
        shipping_id=order.id("shipping_id"),
        shipping_name=order.text("shipping_name"),
        notes=order.text("notes"),
        payment=_payment(order.part("paymethod")),
        customer=_customer(order.part("customer")),
        lines=tuple(_line(line) for line in order.parts("products")),
        raw=order.raw,
    )


def read_product(value: Any) -> Product:
    """One product from its JSON object, for instance from a stored `raw`. Raises `UnexpectedAnswer`."""
    product = fields(value, "product")
    return Product(
        id=product.own_id("id"),
        sku=product.text("sku"),
        title=product.text("title"),
        has_variants=product.flag("hasVariants"),
        visible=product.flag("visible"),
        qty=product.quantity("qty"),
        qty_location=product.text("qty_location"),
        price=product.amount("price"),
        before_price=product.amount("before_price"),
        purchase_price=product.amount("purchase_price"),
        tax_rate=product.amount("tax_rate"),
        weight=product.amount("weight"),
        gtin=product.text("gtin"),
        description=product.text("description"),
        date_modified=product.moment("date_modified"),
        url=product.text("url"),
        supplier_name=product.text("supplier_name"),
        supplier_sku=product.text("supplier_sku"),
        headcategory_name=product.text("headcategory_name"),
        categories=tuple(_path(path) for path in product.values("categories")),
        images=tuple(Image(one.text("image"), one.text("alttext"), one.raw) for one in product.parts("images")),
        variants=tuple(_variant(variant) for variant in product.parts("variants")),
        raw=product.raw,
    )


def order_list(value: Any) -> list[Order]:
    if not isinstance(value, list):
        raise UnexpectedAnswer("orders that are not a list")
    return [read_order(one) for one in value]


def product_list(value: Any) -> list[Product]:
    found = value["product"] if isinstance(value, dict) and "product" in value else value
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise UnexpectedAnswer("products that are neither a list nor an object")
    return [read_product(one) for one in found]


def the_one(things: list[Thing], wanted: str) -> Thing | None:
    """The thing with the id that was asked for. An answer about other things is an error, not an absence."""
    if not things:
        return None
    for thing in things:
        if thing.id == wanted:
            return thing
    raise UnexpectedAnswer(f"another id than {wanted}, which was asked for")


def product_total(value: Any) -> int:
    """`{"count": "42"}`: the number is a text."""
    found = fields(value, "count").quantity("count")
    if found is None or found < 0:
        raise UnexpectedAnswer("a count without a number")
    return found


def _payment(payment: Fields | None) -> PaymentMethod | None:
    if payment is None:
        return None
    return PaymentMethod(payment.text("method"), payment.text("transaction_id"), payment.raw)


def _customer(customer: Fields | None) -> Customer | None:
    if customer is None:
        return None
    return Customer(
        email=customer.text("email"),
        phone=customer.text("phone"),
        customer_type=customer.text("customer_type"),
        company_name=customer.text("company_name"),
        full_name=customer.text("full_name"),
        address=customer.text("address"),
        address2=customer.text("address2"),
        city=customer.text("city"),
        zipcode=customer.text("zipcode"),
        country=customer.text("country"),
        notes=customer.text("notes"),
        shipping=_address(customer.part("shipping_details")),
        billing=_address(customer.part("billing_details")),
        raw=customer.raw,
    )


def _address(address: Fields | None) -> Address | None:
    if address is None:
        return None
    return Address(
        company_name=address.text("company_name"),
        full_name=address.text("full_name"),
        address=address.text("address"),
        address2=address.text("address2"),
        city=address.text("city"),
        zipcode=address.text("zipcode"),
        country=address.text("country"),
        raw=address.raw,
    )


def _line(line: Fields) -> OrderLine:
    variant_id = line.id("variant_id")
    return OrderLine(
        id=line.id("id"),
        product_id=line.id("product_id"),
        variant_id=None if variant_id == "0" else variant_id,
        title=line.text("title"),
        sku=line.text("sku"),
        variant=line.text("variant"),
        qty=line.quantity("qty"),
        price=line.amount("price"),
        raw=line.raw,
    )


def _variant(variant: Fields) -> Variant:
    options = [(one.text("name"), one.text("val")) for one in variant.parts("values")]
    return Variant(
        id=variant.own_id("id"),
        product_id=variant.id("product_id"),
        sku=variant.text("sku"),
        gtin=variant.text("gtin"),
        qty=variant.quantity("qty"),
        price=variant.amount("price"),
        before_price=variant.amount("before_price"),
        purchase_price=variant.amount("purchase_price"),
        weight=variant.amount("weight"),
        hidden=variant.flag("hidden"),
        options=tuple((name or "", value or "") for name, value in options),
        raw=variant.raw,
    )


def _path(value: Any) -> tuple[str, ...]:
    """One category as its names from the top: a list of `{"category": name}`, and tolerantly of bare names."""
    if isinstance(value, list):
        return tuple(name for step in value for name in _path(step))
    if isinstance(value, dict):
        return tuple(name for step in value.values() for name in _path(step))
    if isinstance(value, str):
        return (value,)
    if absent(value):
        return ()
    raise UnexpectedAnswer("product.categories is not a list of names")
