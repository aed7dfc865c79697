"""Writes that may be repeated: what to do so that a handler which runs twice does one thing once.

The API knows no idempotency key. What it has is metadata, texts that programs may keep beside an order or a product:
there the keys of the latest effects are noted, and a repeat finds its own. How far that reaches is in `docs/client.md`.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Unpack

from ombud.client import outgoing, reads, writes
from ombud.client.call import Steps
from ombud.client.fields import MetadataOwner, Number, OrderChange
from ombud.client.listing import Walk
from ombud.client.models import Metadata, OrderStatus, Product
from ombud.errors import InvalidInput

EFFECTS = "ombud_effects"  # the name under which the notes are kept
NOTE_DIGITS = 16  # hexadecimal; of the handful of effects of one order or product no two will meet
KEPT_NOTES = 12  # of one order or product; all of them fit in 255 characters, the commonest width of a column
FEW_PRODUCTS = 2  # are asked for one by one: counting them and reading a page would take as long
LONGEST_KEY = 255  # characters; `ctx.key` has 32


def set_status(
    order_id: str | int, status: OrderStatus | str, /, *, key: str | None = None, **change: Unpack[OrderChange]
) -> Steps[bool]:
    """Sets an order's status, with whatever goes with it, such as `shipping_info`. Raises `WriteRejected`.

    With a `key`, such as a handler's `ctx.key`, a repeat writes nothing and returns False: when the key is noted
    beside the order, or when the order is in that state already. A crash between the write and its note is covered
    by the state, unless somebody has changed that meanwhile. Costs two reads, and one write more.
    """
    write = writes.update_order(order_id, {**change, "status": status})
    if key is None:
        yield write
        return True
    note, wanted = _note(key), OrderStatus.find(str(status))
    noted: Metadata = yield reads.metadata("order", order_id)
    if note in _notes(noted):
        return False
    found = yield reads.order(order_id)
    already = found is not None and found.status is wanted
    if not already:
        yield write
    yield from set_metadata("order", order_id, EFFECTS, _with(noted, note), known=noted)
    return not already


def set_stock(
    product_id: str | int, stock: Number, *, variant_id: str | int | None = None, key: str | None = None
) -> Steps[bool]:
    """Sets how many pieces there are of a product, or of one of its variants. Raises `WriteRejected`.

    The number replaces what is there: the API has no way to add or take, so a sale between your reading and this
    write is lost. With a `key`, such as a handler's `ctx.key`, a repeat writes nothing and returns False, so that an
    old number does not come back; the key is noted in the same request as the stock. Costs one read more.
    """
    change: dict[str, Any] = {"stock": stock, "product_id": product_id}
    if variant_id is not None:
        change["variant_id"] = variant_id
    write = writes.update_products([change])
    if key is None:
        yield write
        return True
    note = _note(key)
    noted: Metadata = yield reads.metadata("product", product_id)
    if note in _notes(noted):
        return False
    yield writes.update_products([{**change, "metadata": {EFFECTS: _with(noted, note)}}])
    return True


def set_metadata(
    owner: MetadataOwner, owner_id: str | int, name: str, value: str, *, known: Metadata | None = None
) -> Steps[None]:
    """Writes a text under a name beside an order, a product or a customer, known or not; an empty one deletes it.

    `known` is what you read just now and spares reading it again. Raises `WriteRejected`.
    """
    there: Metadata = known if known is not None else (yield reads.metadata(owner, owner_id))
    if there.get(name) is not None:
        yield writes.update_metadata(owner, owner_id, name, value)
    elif value:
        yield writes.create_metadata(owner, owner_id, name, value)


def find_products(product_ids: Iterable[str | int]) -> Steps[dict[str, Product | None]]:
    """Many products by id, in as few requests as may be; None for one that the shop does not have.

    Reads the list page by page when that is shorter than asking for each, and then asks for each that was on no page:
    so None always means that the shop was asked for this very one.
    """
    ids = [outgoing.identifier(f"[{n}]", one) for n, one in enumerate(product_ids)]
    wanted: dict[str, Product | None] = dict.fromkeys(ids)
    found: dict[str, Product] = {}
    if len(wanted) > FEW_PRODUCTS:
        unread, page_size = (yield reads.product_count()), reads.DEFAULT_PAGE
        walk = Walk(reads.products())
        while unread / page_size < len(wanted) - len(found) and (call := walk.call()) is not None:
            page: tuple[Product, ...] = yield call
            found.update((one.id, one) for one in walk.take(page) if one.id in wanted)
            unread, page_size = max(0, unread - len(page)), max(1, len(page))
    for one in wanted:
        if one not in found:
            wanted[one] = yield reads.product(one)
    return {**wanted, **found}


def _note(key: object) -> str:
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY:
        raise InvalidInput("key", f"A key is a text of 1 to {LONGEST_KEY} characters, such as ctx.key.")
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:NOTE_DIGITS]


def _notes(noted: Metadata) -> list[str]:
    return (noted.get(EFFECTS) or "").split()


def _with(noted: Metadata, note: str) -> str:
    return " ".join([*_notes(noted), note][-KEPT_NOTES:])
