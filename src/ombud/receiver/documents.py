"""Documents by content: a canonical form, its hash as the version, a compressed body."""

import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

# Hexadecimal digits of a version: 128 bits.
VERSION_DIGITS = 32

_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


def version_of(document: Mapping[str, Any]) -> str:
    """Return the version of a document: the same for two that mean the same ("148.95" and 148.95, any key order)."""
    return hashlib.sha256(json.dumps(_canonical(document), sort_keys=True).encode()).hexdigest()[:VERSION_DIGITS]


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
        case int() | float() | str():
            return _number(str(value)) or str(value)
        case _:
            return str(value)


def _number(text: str) -> str | None:
    """Return the plain form of a decimal number, or None: 1.50 and 1.5 are one; 007 and 1e5 are texts."""
    if not _DECIMAL.fullmatch(text):
        return None
    return text.rstrip("0").rstrip(".") if "." in text else text
