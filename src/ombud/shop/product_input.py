"""What the API's POST and PUT of products say, as changes to a product's document.

Stock is written as `stock` (on variants also `qty`) and read as `qty`; null means that it is not counted. Fields that
no read shows (preorder, is_giftcard, permanent_redirect_from_url) are taken and not kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ombud.errors import InvalidInput
from ombud.shop.catalogue import Target
from ombud.shop.metadata import Texts, read_texts
from ombud.shop.reading import LARGEST_QUANTITY, LONGEST_PROSE, LONGEST_TEXT, Fields, money_text

# Pictures of one product.
MOST_IMAGES = 100
# What one option of a variant is called: variant_option1_name to variant_option5_name, the vendor's five.
OPTIONS = range(1, 6)

_AMOUNTS = ("price", "before_price", "purchase_price", "tax_rate")
_TEXTS = {
    "title": LONGEST_TEXT,
    "sku": LONGEST_TEXT,
    "description": LONGEST_PROSE,
    "qty_location": LONGEST_TEXT,
    "seo_title": LONGEST_TEXT,
    "seo_description": LONGEST_PROSE,
    "gtin": LONGEST_TEXT,
    "supplier_name": LONGEST_TEXT,
    "supplier_sku": LONGEST_TEXT,
    "datafield_1": LONGEST_TEXT,
    "datafield_2": LONGEST_TEXT,
    "datafield_3": LONGEST_TEXT,
    "headcategory_name": LONGEST_TEXT,
}
_FLAGS = ("visible", "disable_minusqty")
_VARIANT_AMOUNTS = ("price", "before_price", "purchase_price")
_VARIANT_TEXTS = ("sku", "gtin", "supplier_sku", "qty_location")
_VARIANT_FLAGS = ("hidden", "disable_minusqty")

# Anything of a new product that was not given. Stock that nobody counted is null.
NEW_PRODUCT: Mapping[str, Any] = {
    **dict.fromkeys(_TEXTS, ""),
    **dict.fromkeys(_AMOUNTS, "0.00"),
    "tax_rate": "25.00",
    "visible": "1",
    "disable_minusqty": "0",
    "qty": None,
    "weight": "0",
    "categories": [],
    "images": {},
    "variants": [],
}
NEW_VARIANT: Mapping[str, Any] = {
    **dict.fromkeys(_VARIANT_TEXTS, ""),
    **dict.fromkeys(_VARIANT_AMOUNTS, "0.00"),
    **dict.fromkeys(_VARIANT_FLAGS, "0"),
    "qty": None,
    "weight": "0",
    "image_id": None,
    "values": [],
}


@dataclass(frozen=True)
class VariantEdit:
    """A variant to add, or to change when it names one that exists."""

    target: Target
    changes: dict[str, Any]
    new: bool


@dataclass(frozen=True)
class ProductEdit:
    """Changes to a product. `target` says which; a new one has none. `as_variant`: what they mean for a variant.

    `category_id` names its category, as `headcategory_name` among the changes does; the id goes first.
    """

    target: Target
    changes: dict[str, Any] = field(default_factory=dict)
    variants: tuple[VariantEdit, ...] = ()
    as_variant: dict[str, Any] = field(default_factory=dict)
    skip_duplicate: bool = False
    category_id: int | None = None
    metadata: Texts = field(default_factory=dict)


def read_new_product(item: Fields) -> ProductEdit:
    """Read an item of POST /v1/products. Raises InvalidInput naming the first field that cannot be accepted."""
    edit = _read_edit(item, Target(item.where))
    if not edit.changes.get("title"):
        raise InvalidInput(item.name("title"), "A product needs a title.")
    return edit


def read_product_edit(item: Fields) -> ProductEdit:
    """Read an item of PUT /v1/products. Raises InvalidInput naming the first field that cannot be accepted."""
    target = read_target(item)
    if target == Target(item.where):
        raise InvalidInput(
            item.name("product_id"), "Name the product: product_id, variant_id, or a sku that is unique."
        )
    edit = _read_edit(item, target)
    if edit.changes.get("title") == "":
        raise InvalidInput(item.name("title"), "A product needs a title.")
    return edit


def read_target(item: Fields) -> Target:
    """Read how an object names a product: product_id, variant_id or sku."""
    return Target(item.where, item.id("product_id"), item.id("variant_id"), item.text("sku"))


def _read_edit(item: Fields, target: Target) -> ProductEdit:
    changes: dict[str, Any] = {key: item.text(key, longest) or "" for key, longest in _TEXTS.items() if key in item.raw}
    changes |= _amounts(item, _AMOUNTS) | _flags(item, _FLAGS) | _counts(item, ("stock",))
    if "images" in item.raw:
        changes["images"] = _images(item)
    variants = tuple(_variants(item))
    as_variant = _variant_changes(item) if target.variant_id or target.sku else {}
    skip_duplicate = item.flag("skipIfDuplicate") or False
    category_id = item.id("headcategory_id") if item.raw.get("headcategory_id") else None
    return ProductEdit(target, changes, variants, as_variant, skip_duplicate, category_id, read_texts(item))


def _variants(item: Fields) -> list[VariantEdit]:
    if isinstance(item.raw.get("variants"), list):
        item = Fields({"variants": {"sync": item.raw["variants"]}}, item.where)
    variants = item.part("variants")
    if variants is None:
        return []
    added = [_variant(variant, new=True) for variant in variants.parts("add") or []]
    return [_variant(variant, new=False) for variant in variants.parts("sync") or []] + added


def _variant(item: Fields, *, new: bool) -> VariantEdit:
    variant_id = item.id("variant_id") or item.id("id")
    return VariantEdit(Target(item.where, None, variant_id, item.text("sku")), _variant_changes(item), new)


def _variant_changes(item: Fields) -> dict[str, Any]:
    changes: dict[str, Any] = {key: item.text(key) or "" for key in _VARIANT_TEXTS if key in item.raw}
    changes |= _amounts(item, _VARIANT_AMOUNTS) | _flags(item, _VARIANT_FLAGS)
    changes |= _counts(item, ("qty", "stock"))
    names = {number: item.text(f"variant_option{number}_name") for number in OPTIONS}
    if any(names.values()):
        changes["values"] = [
            {"ovalue_field": str(number), "name": name, "val": item.text(f"variant_option{number}_value") or ""}
            for number, name in names.items()
            if name
        ]
    return changes


def _amounts(item: Fields, keys: tuple[str, ...]) -> dict[str, Any]:
    given = {key: item.amount(key) for key in keys if key in item.raw}
    return {key: "0.00" if amount is None else money_text(amount) for key, amount in given.items()}


def _flags(item: Fields, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: "1" if item.flag(key) else "0" for key in keys if key in item.raw}


def _counts(item: Fields, stock_keys: tuple[str, ...]) -> dict[str, Any]:
    """Stock and weight. Stock may be below zero: more was sold than there was."""
    counts: dict[str, Any] = {}
    for key in stock_keys:
        if key in item.raw:
            stock = item.whole(key, -LARGEST_QUANTITY)
            counts["qty"] = None if stock is None else str(stock)
    if "weight" in item.raw:
        counts["weight"] = str(item.whole("weight") or 0)
    return counts


def _images(item: Fields) -> dict[str, Any]:
    """Pictures come as an object with numbers for keys, or as a list; they are read as such an object, from 1."""
    given = item.raw["images"]
    if isinstance(given, dict):
        item = Fields({"images": list(given.values())}, item.where)
    images = item.parts("images") or []
    if len(images) > MOST_IMAGES:
        raise InvalidInput(item.name("images"), f"A product has at most {MOST_IMAGES} pictures.")
    return {
        str(place): {"image": image.text("image") or image.text("url") or "", "alttext": image.text("alttext")}
        for place, image in enumerate(images, start=1)
    }
