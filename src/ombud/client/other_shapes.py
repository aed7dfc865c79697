"""Categories, ways to pay and to send, and metadata out of the API's JSON. Anything unknown is `UnexpectedAnswer`.

Of the replies with ways to pay and to send no copy is to be had: every list shape that the API uses elsewhere is taken.
"""

from typing import Any

from ombud.client.errors import UnexpectedAnswer
from ombud.client.models import Category, Metadata, PaymentMethod, ShippingMethod
from ombud.client.values import Fields, absent, fields, objects, text

PATH_SIGN = ">"  # between the names of a category's path: "Kitchen > Mugs"


def read_category(value: Any) -> Category:
    """One category from its JSON object, for instance from a stored `raw`. Raises `UnexpectedAnswer`."""
    category = fields(value, "category")
    name, parent_id = category.text("name"), category.id("parent_id")
    path = category.text("name_path") or name or ""
    return Category(
        id=category.own_id("category_id"),
        name=name,
        path=tuple(step.strip() for step in path.split(PATH_SIGN) if step.strip()),
        parent_id=None if parent_id == "0" else parent_id,
        uri=category.text("uri"),
        url=category.text("url"),
        description1=category.text("description1"),
        description2=category.text("description2"),
        raw=category.raw,
    )


def category_list(value: Any) -> list[Category]:
    """`{"results": {...}}` is documented, also for many."""
    return [read_category(one) for one in objects(value, "categories", "results")]


def payment_methods(value: Any) -> list[PaymentMethod]:
    found = objects(value, "payment methods", "results", "paymentmethods", "paymethods")
    return [_payment_method(fields(one, "payment method")) for one in found]


def shipping_methods(value: Any) -> list[ShippingMethod]:
    found = objects(value, "shipping methods", "results", "shippingmethods")
    return [_shipping_method(fields(one, "shipping method")) for one in found]


def read_metadata(value: Any) -> Metadata:
    """`{"name": "text"}`; PHP writes an empty one as a list."""
    if absent(value):
        return Metadata({})
    return Metadata({name: _written(one, name) for name, one in fields(value, "metadata").raw.items()})


def _payment_method(method: Fields) -> PaymentMethod:
    found, name = method.id("method_id") or method.id("id"), method.text("name") or method.text("title")
    return PaymentMethod(*_told_apart(found, name, method), method.raw)


def _shipping_method(method: Fields) -> ShippingMethod:
    found, name = method.id("shipping_id") or method.id("id"), method.text("name") or method.text("title")
    return ShippingMethod(
        *_told_apart(found, name, method),
        price=method.amount("price"),
        countries=_countries(method),
        raw=method.raw,
    )


def _told_apart(found: str | None, name: str | None, method: Fields) -> tuple[str | None, str | None]:
    if found is None and not name:
        raise UnexpectedAnswer(f"{method.where} with neither an id nor a name")
    return found, name


def _countries(method: Fields) -> tuple[str, ...]:
    """A list of codes, or one text with commas."""
    given = method.raw.get("countries")
    if isinstance(given, str):
        return tuple(code.strip() for code in given.split(",") if code.strip())
    found = (text(code, "countries") for code in method.values("countries"))
    return tuple(code for code in found if code)


def _written(value: Any, name: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return text(value, f"metadata.{name}") or ""
