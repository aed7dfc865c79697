"""Documents by content: a canonical form, its hash as the version, a compressed body."""

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

# Hexadecimal digits of a version: 128 bits.
VERSION_DIGITS = 32
# Fields that change without anything being different: the date is known to a second and has no time zone.
VOLATILE = ("date_modified",)
# Stands for every name, or place of a list, in a path of fields.
EACH = "*"

_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


@dataclass(frozen=True)
class Document:
    """What is stored of an object of the shop's API."""

    version: str
    body: bytes


def read_document(raw: Mapping[str, Any], volatile: Sequence[str] = ()) -> Document:
    """Return what is stored of an object; `volatile` as of `lasting`."""
    return Document(version_of(raw, volatile), pack(raw))


def version_of(document: Mapping[str, Any], volatile: Sequence[str] = ()) -> str:
    """Return the version of a document: the same for two that mean the same.

    "148.95" means 148.95, the order of keys nothing, nor that of parts that have ids. `volatile` as of `lasting`.
    """
    text = json.dumps(_canonical(lasting(document, volatile)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:VERSION_DIGITS]


def lasting(document: Mapping[str, Any], volatile: Sequence[str] = ()) -> dict[str, Any]:
    """Return a document without what changes though nothing is different: VOLATILE, and these: `images.*.image`."""
    found: dict[str, Any] = _without(document, [path.split(".") for path in (*VOLATILE, *volatile)])
    return found


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any], volatile: Sequence[str] = ()) -> set[str]:
    """Return which fields are different, named as `lasting` takes them: `views`, `images.*.image`."""
    changed = _changed((), lasting(before, volatile), lasting(after, volatile))
    return {".".join(path) for path in changed}


def pack(document: Mapping[str, Any]) -> bytes:
    """Return what is stored of a document."""
    return zlib.compress(json.dumps(document, separators=(",", ":"), sort_keys=True).encode())


def unpack(body: bytes) -> dict[str, Any]:
    """Return the document of a stored body."""
    document: dict[str, Any] = json.loads(zlib.decompress(body))
    return document


def _without(value: Any, paths: Sequence[Sequence[str]]) -> Any:
    if not paths or not isinstance(value, Mapping | list):
        return value
    pairs = value.items() if isinstance(value, Mapping) else ((EACH, part) for part in value)
    kept = []
    for name, part in pairs:
        behind = [rest for first, *rest in paths if first in (name, EACH)]
        if [] not in behind:
            kept.append((name, _without(part, behind)))
    return dict(kept) if isinstance(value, Mapping) else [part for _, part in kept]


def _changed(path: tuple[str, ...], before: Any, after: Any) -> Iterator[tuple[str, ...]]:
    if _canonical(before) == _canonical(after):
        return
    old, new = _parts(before), _parts(after)
    if old is None or new is None:
        yield path
        return
    for part in old.keys() | new.keys():
        yield from _changed((*path, part[0]), old.get(part), new.get(part))


def _parts(value: Any) -> Mapping[tuple[str, str], Any] | None:
    """Return what a value consists of, each by its name in a path and what it is known by among its like."""
    match value:
        case Mapping():
            return {(EACH if str(name).isdecimal() else str(name), str(name)): part for name, part in value.items()}
        case list():
            ids = _ids(value) or range(len(value))
            return {(EACH, str(one)): part for one, part in zip(ids, value, strict=True)}
        case _:
            return None


def _ids(parts: Sequence[Any]) -> list[str] | None:
    """Return what the parts of a list are known by; None for a list whose order says something."""
    ids = [part.get("id") if isinstance(part, Mapping) else None for part in parts]
    return None if None in ids else [str(one) for one in ids]


def _canonical(value: Any) -> Any:
    match value:
        case Mapping():
            return {str(key): _canonical(part) for key, part in value.items()}
        case list():
            parts = [_canonical(part) for part in value]
            return parts if _ids(parts) is None else sorted(parts, key=lambda part: str(part["id"]))
        case bool() | None:
            return value
        case int() | float():
            return _plain(format(Decimal(repr(value)), "f"))
        case _:
            return _plain(str(value))


def _plain(text: str) -> str:
    """Return the shortest form of a decimal number: 1.50 and 1.5 are one. 007 and 1e5 are texts, and stay."""
    if not _DECIMAL.fullmatch(text):
        return text
    number = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if number == "-0" else number
