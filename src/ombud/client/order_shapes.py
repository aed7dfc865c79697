"""Orders out of the API's JSON. They come as a bare list, also for one id. Anything unknown is `UnexpectedAnswer`."""

from collections.abc import Sequence
from typing import Any

from ombud.client.errors import UnexpectedAnswer
from ombud.client.models import Address, Customer, LinePart, Order, OrderLine, OrderStatus, Payment
from ombud.client.values import Fields, fields, objects


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
        total_weight=order.loose(order.amount, "total_weight"),
        tax_free=order.loose(order.flag, "is_taxfree"),
        tax_on_top=order.loose(order.flag, "is_taxontop"),
        notes=order.text("notes"),
        payment=_payment(order.part("paymethod")),
        customer=_customer(order.part("customer")),
        lines=tuple(_line(line) for line in order.parts("products")),
        raw=order.raw,
    )


def order_list(value: Any) -> list[Order]:
    return [read_order(one) for one in order_objects(value)]


def order_objects(value: Any) -> Sequence[Any]:
    """The orders of an answer, each as it came."""
    if isinstance(value, dict) and "order_id" not in value:
        raise UnexpectedAnswer("orders that are not a list")
    return objects(value, "orders")


def _payment(payment: Fields | None) -> Payment | None:
    if payment is None:
        return None
    return Payment(payment.text("method"), payment.text("transaction_id"), payment.raw)


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
    app = line.part("app")
    return OrderLine(
        id=line.id("id"),
        product_id=line.id("product_id"),
        variant_id=_variant_id(line),
        title=line.text("title"),
        sku=line.text("sku"),
        variant=line.text("variant"),
        qty=line.quantity("qty"),
        price=line.amount("price"),
        weight=line.loose(line.amount, "weight"),
        image=line.loose(line.text, "image"),
        parts=() if app is None else tuple(_part(part) for part in app.parts("productpackages")),
        raw=line.raw,
    )


def _part(part: Fields) -> LinePart:
    return LinePart(
        product_id=part.id("product_id"),
        variant_id=_variant_id(part),
        title=part.text("title"),
        sku=part.text("sku"),
        variant=part.text("variant"),
        qty=part.quantity("qty"),
        price=part.amount("price"),
        raw=part.raw,
    )


def _variant_id(line: Fields) -> str | None:
    """The API writes 0 for "no variant"."""
    found = line.id("variant_id")
    return None if found == "0" else found
