"""Own writes: a change that one of our own programs has made is not told to the handlers it came from.

Else two systems that follow each other would write for ever. What is expected of an order is its state; of a product
the fields as they were written, never a version: a look that shows anything else beside them is a change of somebody's,
and is told.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ombud.client.answer import Answer
from ombud.client.call import Call
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.errors import OmbudError
from ombud.mailbox.mailbox import Mailbox
from ombud.receiver.documents import lasting, unpack, version_of
from ombud.wire import EVENT_TYPES

sql = read_queries("ombud.receiver")

# Seconds after which nobody waits for the look that would show it: a webhook may be late, and an API be down.
EXPECTED_SECONDS = 3_600.0
# What is read under another name than it is written.
READ_AS: Mapping[str, str] = {"stock": "qty"}
_VARIANTS = "variants"
# Under these names stand the state of an order, and that a product was deleted.
STATUS, GONE = "status", "gone"
# Under this one, that it was created: its id is known only once it is there.
MADE = "made"
# Which event tells of each state of an order.
SAYS = {"paid": "order.new", "done": "order.done", "cancelled": "order.cancelled"}
# Handlers with event types of which each need not hear.
Silent: TypeAlias = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class OwnWrite:
    """What was written: the subject, and its fields by the names under which they are read (`variants.7.qty`)."""

    subject: str
    fields: Mapping[str, Any]


def own_writes_of(call: Call[Any]) -> list[OwnWrite]:
    """Return what a request writes. A product that is named by its sku alone cannot be expected."""
    match call.method, call.path:
        case "PUT", "/products":
            return _changes_of_products(_items(call))
        case "PUT", "/orders":
            return [
                OwnWrite(f"order/{item['order_id']}", {STATUS: item["status"]})
                for item in _items(call)
                if "status" in item
            ]
        case "DELETE", "/products":
            return [OwnWrite(f"product/{value}", {GONE: True}) for name, value in call.params if name == "product_id"]
        case _:
            return []


def own_creation_of(call: Call[Any], answer: Answer) -> list[OwnWrite]:
    """Return the product that a request has created. A new order is unpaid, and no event tells of it."""
    if (call.method, call.path) != ("POST", "/products"):
        return []
    try:
        product_id = call.parse(answer)
    except OmbudError:
        return []
    [given] = _items(call)
    return [OwnWrite(f"product/{product_id}", {MADE: True, **{READ_AS.get(name, name): given[name] for name in given}})]


def _items(call: Call[Any]) -> list[dict[str, Any]]:
    given = json.loads(call.body or b"[]")
    return given if isinstance(given, list) else [given]


def _changes_of_products(items: Sequence[Mapping[str, Any]]) -> list[OwnWrite]:
    found = []
    for item in items:
        if "product_id" in item:
            before = f"{_VARIANTS}.{item['variant_id']}." if "variant_id" in item else ""
            given = {name: value for name, value in item.items() if name not in ("product_id", "variant_id")}
            fields = {f"{before}{READ_AS.get(name, name)}": value for name, value in given.items()}
            found.append(OwnWrite(f"product/{item['product_id']}", fields))
    return found


def expect(arrivals: Mailbox, shop_id: int, writes: Sequence[OwnWrite], silent: Collection[str]) -> Operation[None]:
    """Expect these fields; commit it before they are written, or as soon as it is known of what."""
    now, names = arrivals.clock(), json.dumps(sorted(silent))
    yield sql["forget_own_writes"], {"shop_id": shop_id, "before": now - round(EXPECTED_SECONDS * 1_000_000)}
    for one in writes:
        values = {"shop_id": shop_id, "id": arrivals.ids.next(), "subject": one.subject, "written_at": now}
        yield sql["insert_own_write"], values | {"fields": json.dumps(one.fields), "silent": names}


@dataclass(frozen=True)
class Changed:
    """A look that has found something different: the version that was known, and the document that there is now.

    `after` is None for what is gone. `status`: the word for the state of an order. `volatile` as of `lasting`.
    """

    shop_id: int
    subject: str
    before: str | None
    after: bytes | None
    started_at: int  # UTC microseconds
    status: str | None = None
    volatile: Sequence[str] = ()


def silent_for(changed: Changed) -> Operation[Silent]:
    """Return which handlers need not hear which events, as all that is different is their own doing.

    Whether it is or not: what was written before this look has been seen or is over, and is not expected any more.
    """
    key = {"shop_id": changed.shop_id, "subject": changed.subject, "at": changed.started_at}
    rows = yield sql["own_writes"], key
    if not rows:
        return frozenset()
    yield sql["end_own_writes"], key
    written: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        for name in json.loads(row["silent"]):
            written.setdefault(name, []).append(json.loads(row["fields"]))
    if changed.status is not None:
        return _silent_of_order(changed.status, written)
    if changed.after is None:
        return frozenset((name, "product.delete") for name, writes in written.items() if any(map(_deletes, writes)))
    return (yield from _silent_of_product(changed, unpack(changed.after), written))


def _silent_of_product(
    changed: Changed, after: Mapping[str, Any], written: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Operation[Silent]:
    if changed.before is None:
        own = [name for name, writes in written.items() if created(_together(writes), after)]
    else:
        documents = yield sql["get_document"], {"shop_id": changed.shop_id, "version": changed.before}
        if not documents:
            return frozenset()
        different = differences(unpack(documents[0]["body"]), after, changed.volatile)
        changes = {name: [one for one in writes if MADE not in one] for name, writes in written.items()}
        own = [name for name, writes in changes.items() if explains(_together(writes), different)]
    return frozenset((name, event_type) for name in own for event_type in EVENT_TYPES)


def _silent_of_order(status: str, written: Mapping[str, Sequence[Mapping[str, Any]]]) -> Silent:
    """Be silent of each state that was written, when the present one is among them."""
    words = {name: {str(one.get(STATUS)) for one in writes} for name, writes in written.items()}
    return frozenset((name, SAYS[one]) for name, some in words.items() if status in some for one in some if one in SAYS)


def _together(writes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what was written last of each field."""
    return {name: value for fields in writes for name, value in fields.items()}


def _deletes(fields: Mapping[str, Any]) -> bool:
    return GONE in fields


def differences(before: Mapping[str, Any], after: Mapping[str, Any], volatile: Sequence[str] = ()) -> dict[str, Any]:
    """Return the fields that are not as they were, as they are now; those of variants as `variants.7.qty`."""
    old, new = (_flat(lasting(document, volatile)) for document in (before, after))
    names = [name for name in {**old, **new} if not _same(old.get(name), new.get(name))]
    return {name: new.get(name) for name in names}


def explains(fields: Mapping[str, Any], different: Mapping[str, Any]) -> bool:
    """Whether everything that is different was written so."""
    own = {name for name, value in different.items() if name in fields and _same(fields[name], value)}
    rest = set(different) - own
    # The stock of a product is the sum of its variants': it moves with them.
    if rest == {"qty"} and any(name.startswith(f"{_VARIANTS}.") and name.endswith(".qty") for name in own):
        return True
    return bool(different) and not rest


def created(fields: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a new product was created by us, and is as it was written; parts are read in another shape."""
    shown = _flat(after)
    plain = [name for name, value in fields.items() if name in shown and not isinstance(value, list | Mapping)]
    return MADE in fields and all(_same(fields[name], shown[name]) for name in plain)


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    flat = dict(document)
    variants = flat.pop(_VARIANTS, None)
    for variant in variants if isinstance(variants, list) else []:
        flat |= {f"{_VARIANTS}.{variant.get('id')}.{name}": value for name, value in variant.items()}
    return flat


def _same(one: Any, other: Any) -> bool:
    """Whether two values mean the same: numbers are written as numbers and read as texts, flags as 1 and "1"."""
    return version_of({"": one}) == version_of({"": other})
