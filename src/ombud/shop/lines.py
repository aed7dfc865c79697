"""The lines of an order: which product each is, at what price, and what they take from the stock."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ombud.db.operation import Operation
from ombud.errors import InvalidInput
from ombud.shop.catalogue import Catalogue, Found
from ombud.shop.order_input import LineDraft, OrderEdit
from ombud.shop.reading import LONGEST_LIST, Fields, money_text

Line = dict[str, Any]


def edit_lines(catalogue: Catalogue, lines: Sequence[Line], edit: OrderEdit, where: str) -> Operation[list[Line]]:
    """Return an order's lines after an edit; new ones have the id 0. Only reads.

    Raises InvalidInput, naming the field, for products and lines that do not exist.
    """
    if edit.lines is not None:
        lines = yield from _resolve(catalogue, edit.lines)
    for wanted in edit.removed_lines:
        lines = _without(lines, wanted)
    edited = [*lines, *(yield from _resolve(catalogue, edit.added_lines))]
    if not 0 < len(edited) <= LONGEST_LIST:
        field = f"{where}.products" if where else "products"
        raise InvalidInput(field, f"An order has 1 to {LONGEST_LIST} lines.")
    return edited


def taken_by(lines: Sequence[Line]) -> Counter[tuple[int, int | None]]:
    """Return how many pieces of each product or variant the lines hold."""
    pieces: Counter[tuple[int, int | None]] = Counter()
    for line in lines:
        if line["product_id"]:
            pieces[line["product_id"], line["variant_id"] or None] += line["qty"]
    return pieces


def _resolve(catalogue: Catalogue, drafts: Sequence[LineDraft]) -> Operation[list[Line]]:
    lines = []
    for draft in drafts:
        found = yield from catalogue.find(draft.target)
        lines.append(_other_line(draft) if found is None else _product_line(draft, found))
    return lines


def _product_line(draft: LineDraft, found: Found) -> Line:
    """A product as the order keeps it: later edits of the product do not change what was bought."""
    product = found.product.document
    if found.variant_id is None and product["variants"]:
        raise InvalidInput(draft.target.name("variant_id"), "This product has variants: name one by its variant_id.")
    variant = None if found.variant_id is None else found.product.variant(found.variant_id)
    sold = variant or product
    images = list(product["images"].values())
    return {
        "id": 0,
        "product_id": found.product.id,
        "variant_id": found.variant_id or 0,
        "title": draft.title or product["title"],
        "price": sold["price"] if draft.price is None else money_text(draft.price),
        "qty": draft.qty,
        "sku": sold["sku"] or product["sku"],
        "variant": variant and variant_words(variant),
        "weight": sold["weight"],
        "image": images[0]["image"] if images else None,
    }


def variant_words(variant: dict[str, Any]) -> str:
    """Return what tells a variant from the others: `Size: L, Colour: blue`, or its sku or id."""
    options = ", ".join(f"{option['name']}: {option['val']}" for option in variant["values"])
    return options or variant["sku"] or str(variant["id"])


def _other_line(draft: LineDraft) -> Line:
    """Something that is no product of this shop."""
    if draft.price is None:
        if draft.target.sku:
            raise InvalidInput(draft.target.name("sku"), f"No product has the sku {draft.target.sku!r}.")
        raise InvalidInput(draft.target.name("price"), "What is no product of this shop needs a price.")
    return {
        "id": 0,
        "product_id": 0,
        "variant_id": 0,
        "title": draft.title or draft.target.sku,
        "price": money_text(draft.price),
        "qty": draft.qty,
        "sku": draft.target.sku or "",
        "variant": None,
        "weight": "0",
        "image": None,
    }


def _without(lines: Sequence[Line], wanted: Fields) -> list[Line]:
    keys = {
        "id": wanted.id("id"),
        "product_id": wanted.id("product_id"),
        "variant_id": wanted.id("variant_id"),
        "sku": wanted.text("sku") or None,
    }
    kept = [line for line in lines if any(line[key] != value for key, value in keys.items() if value is not None)]
    if len(kept) == len(lines):
        raise InvalidInput(wanted.where, "The order has no such line.")
    return kept
