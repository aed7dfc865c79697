"""Documents by content: a canonical form, its hash as the version, a compressed body."""

import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

# Hexadecimal digits of a version: 128 bits.
VERSION_DIGITS = 32
# Fields that change without anything being different: the date is known to a second and has no time zone.
VOLATILE = frozenset({"date_modified"})

_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


@dataclass(frozen=True)
class Document:
    """What is stored of an object of the shop's API."""

    version: str
    body: bytes


def read_document(raw: Mapping[str, Any]) -> Document:
    """Return what is stored of an object."""
    return Document(version_of(raw), pack(raw))


def version_of(document: Mapping[str, Any]) -> str:
    """Return the version of a document: the same for two that mean the same ("148.95" and 148.95, any key order)."""
    lasting = {name: value for name, value in document.items() if name not in VOLATILE}
    return hashlib.sha256(json.dumps(_canonical(lasting), sort_keys=True).encode()).hexdigest()[:VERSION_DIGITS]


def pack(document: Mapping[str, Any]) -> bytes:
    """Return what is stored of a document."""
    return zlib.compress(json.dumps(document, separators=(",", ":"), sort_keys=True).encode())


def unpack(body: bytes) -> dict[str, Any]:
    """Return the document of a stored body."""
    document: dict[str, Any] = json.loads(zlib.decompress(body))
    return document


def _canonical(value: Any) -> Any:
    match value:
        case Mapping():
            return {str(key): _canonical(part) for key, part in value.items()}
        case list():
            return [_canonical(part) for part in value]
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
