"""Watched fields: whether what a handler cares for is different in another version of a product. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from ombud.client import Product, Variant, read_product
from ombud.client.models import Image
from ombud.errors import ConfigurationError

# Which fields there are behind those of a product that hold several things.
_BEHIND: Mapping[str, type] = {"variants": Variant, "images": Image}
EVERY = "*"


def check_watch(paths: Sequence[str], whose: str) -> None:
    """Raise ConfigurationError, with the fields that exist, for a path that no product has: it would never fire."""
    for path in paths:
        names = path.split(".")
        home: type = Product
        for place, name in enumerate(names):
            if place and name == EVERY:
                continue
            known = _names(home)
            if name not in known:
                raise ConfigurationError(
                    f"{whose}: no product has {path!r}. {home.__name__} has: {', '.join(known)}."
                    ' All variants: "variants.*.qty".'
                )
            home = _BEHIND.get(name, home)
            if name not in _BEHIND and place + 1 < len(names) and names[place + 1] != EVERY:
                raise ConfigurationError(f"{whose}: there is nothing behind {name!r} in {path!r}.")


def watched(document: Mapping[str, Any], paths: Sequence[str]) -> list[Any]:
    """Return what a product has at these paths; two that mean the same are equal, whatever shape they came in."""
    product = read_product(document)
    return [_at(product, path.split(".")) for path in paths]


def _at(value: Any, names: Sequence[str]) -> Any:
    if not names:
        return value
    first, *rest = names
    if first == EVERY:
        # By id, where there is one: the order in which an API lists variants is no change.
        parts = sorted(value or (), key=lambda part: str(getattr(part, "id", "")))
        return [(getattr(part, "id", None), _at(part, rest)) for part in parts]
    if isinstance(value, tuple):
        return _at(value, [EVERY, *names])
    return _at(getattr(value, first, None), rest)


def _names(home: type) -> list[str]:
    assert is_dataclass(home)
    return [field.name for field in fields(home) if field.name != "raw"]
