"""What differs between two documents, field by field. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Fields that differ and are told; a new order has some fifty.
MOST_FIELDS = 200
# Characters of a value that are told.
LONGEST_VALUE = 500


@dataclass(frozen=True)
class Field:
    """A field that differs, by its path: `products[0].stock`. A side on which it is not there is None."""

    path: str
    before: str | None
    after: str | None


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Field]:
    """Return the fields that differ, in the order of the later document; at most MOST_FIELDS of them."""
    old, new = (dict(_fields("", document or {})) for document in (before, after))
    paths = [*new, *(path for path in old if path not in new)]
    found = [Field(path, old.get(path), new.get(path)) for path in paths if old.get(path) != new.get(path)]
    return found[:MOST_FIELDS]


def _fields(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Give each field that has no further ones in it, with its value as text."""
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _fields(f"{path}.{name}" if path else str(name), part)
    elif isinstance(value, list) and value:
        for place, part in enumerate(value):
            yield from _fields(f"{path}[{place}]", part)
    elif path:
        text = value if isinstance(value, str) else json.dumps(value)
        yield path, text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
