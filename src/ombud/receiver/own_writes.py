"""Own writes: a change that one of our own programs has made to a product is not told to the handlers it came from.

Else two systems that follow each other would write for ever. What is expected is the fields as they were written, never
a version: a look that shows anything else beside them is a change of somebody's, and is told.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.mailbox.mailbox import Mailbox
from ombud.receiver.documents import VOLATILE, unpack, version_of

sql = read_queries("ombud.receiver")

# Seconds after which nobody waits for the look that would show it: a webhook may be late, and an API be down.
EXPECTED_SECONDS = 3_600.0
# What is read under another name than it is written.
READ_AS: Mapping[str, str] = {"stock": "qty"}
_VARIANTS = "variants"


@dataclass(frozen=True)
class OwnWrite:
    """What was written: the subject, and its fields by the names under which they are read (`variants.7.qty`)."""

    subject: str
    fields: Mapping[str, Any]


def own_writes_of(body: bytes) -> list[OwnWrite]:
    """Return what a request to change products writes. One that is named by its sku alone cannot be expected."""
    items = json.loads(body)
    found = []
    for item in items if isinstance(items, list) else [items]:
        if "product_id" in item:
            before = f"{_VARIANTS}.{item['variant_id']}." if "variant_id" in item else ""
            given = {name: value for name, value in item.items() if name not in ("product_id", "variant_id")}
            fields = {f"{before}{READ_AS.get(name, name)}": value for name, value in given.items()}
            found.append(OwnWrite(f"product/{item['product_id']}", fields))
    return found


def expect(arrivals: Mailbox, shop_id: int, writes: Sequence[OwnWrite], silent: Collection[str]) -> Operation[None]:
    """Expect these fields; commit it before they are written."""
    now, names = arrivals.clock(), json.dumps(sorted(silent))
    yield sql["forget_own_writes"], {"shop_id": shop_id, "before": now - round(EXPECTED_SECONDS * 1_000_000)}
    for one in writes:
        values = {"shop_id": shop_id, "id": arrivals.ids.next(), "subject": one.subject, "written_at": now}
        yield sql["insert_own_write"], values | {"fields": json.dumps(one.fields), "silent": names}


@dataclass(frozen=True)
class Changed:
    """A look that has found something different: the version that was known, and the document that there is now."""

    shop_id: int
    subject: str
    before: str | None
    after: bytes
    started_at: int  # UTC microseconds


def silent_for(changed: Changed) -> Operation[frozenset[str]]:
    """Return the handlers to which all that is different is their own doing.

    Whether it is or not: what was written before this look has been seen or is over, and is not expected any more.
    """
    key = {"shop_id": changed.shop_id, "subject": changed.subject, "at": changed.started_at}
    rows = yield sql["own_writes"], key
    if not rows:
        return frozenset()
    yield sql["end_own_writes"], key
    documents = yield sql["get_document"], {"shop_id": changed.shop_id, "version": changed.before}
    if not documents:
        return frozenset()
    different = differences(unpack(documents[0]["body"]), unpack(changed.after))
    expected: dict[str, dict[str, Any]] = {}
    for row in rows:
        for name in json.loads(row["silent"]):
            expected.setdefault(name, {}).update(json.loads(row["fields"]))
    return frozenset(name for name, fields in expected.items() if explains(fields, different))


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are not as they were, as they are now; those of variants as `variants.7.qty`."""
    old, new = _flat(before), _flat(after)
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


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    flat = {name: value for name, value in document.items() if name not in VOLATILE}
    variants = flat.pop(_VARIANTS, None)
    for variant in variants if isinstance(variants, list) else []:
        flat |= {f"{_VARIANTS}.{variant.get('id')}.{name}": value for name, value in variant.items()}
    return flat


def _same(one: Any, other: Any) -> bool:
    """Whether two values mean the same: numbers are written as numbers and read as texts, flags as 1 and "1"."""
    return version_of({"": one}) == version_of({"": other})
