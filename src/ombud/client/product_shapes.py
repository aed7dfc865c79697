"""Products out of the API's JSON: a list, `{"product": [...]}`, `{"product": {...}}` or a bare object.

Anything else is `UnexpectedAnswer`; nothing unknown is taken for "none".
"""

from collections.abc import Sequence
from typing import Any

from ombud.client.errors import UnexpectedAnswer
from ombud.client.models import Image, Product, Variant
from ombud.client.values import Fields, absent, fields, objects


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
        disable_minusqty=product.loose(product.flag, "disable_minusqty"),
        description=product.text("description"),
        date_modified=product.moment("date_modified"),
        url=product.text("url"),
        supplier_name=product.text("supplier_name"),
        supplier_sku=product.text("supplier_sku"),
        seo_title=product.loose(product.text, "seo_title"),
        seo_description=product.loose(product.text, "seo_description"),
        datafields=_datafields(product),
        headcategory_name=product.text("headcategory_name"),
        categories=tuple(_path(path) for path in product.values("categories")),
        images=tuple(_image(image) for image in product.parts("images")),
        variants=tuple(_variant(variant) for variant in product.parts("variants")),
        raw=product.raw,
    )


def product_list(value: Any) -> list[Product]:
    return [read_product(one) for one in product_objects(value)]


def product_objects(value: Any) -> Sequence[Any]:
    """The products of an answer, each as it came."""
    return objects(value, "products", "product")


def product_total(value: Any) -> int:
    """`{"count": "42"}`: the number is a text."""
    found = fields(value, "count").quantity("count")
    if found is None or found < 0:
        raise UnexpectedAnswer("a count without a number")
    return found


def _image(image: Fields) -> Image:
    """Pictures are read as `image` and were once written as `url`."""
    return Image(image.text("image") or image.text("url"), image.text("alttext"), image.raw)


def _datafields(product: Fields) -> tuple[str | None, str | None, str | None]:
    one, two, three = (product.loose(product.text, f"datafield_{n}") for n in (1, 2, 3))
    return one, two, three


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
        supplier_sku=variant.loose(variant.text, "supplier_sku"),
        qty_location=variant.loose(variant.text, "qty_location"),
        image_id=variant.loose(variant.id, "image_id"),
        hidden=variant.flag("hidden"),
        preselected=variant.loose(variant.flag, "preselected"),
        disable_minusqty=variant.loose(variant.flag, "disable_minusqty"),
        min_purchase_quantity=variant.loose(variant.quantity, "min_purchase_quantity"),
        max_purchase_quantity=variant.loose(variant.quantity, "max_purchase_quantity"),
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
