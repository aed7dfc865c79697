"""What a caller gives, as the API wants it. Anything that cannot be sent raises `InvalidInput` naming the field."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from ombud.client.models import OrderStatus
from ombud.client.values import IDENTIFIER
from ombud.errors import InvalidInput

MAX_PAGE = 1000  # things per request; the vendor's limit for orders


def identifier(name: str, value: object) -> str:
    found = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not IDENTIFIER.fullmatch(found):
        raise InvalidInput(name, "An id is 1 to 64 of the letters a-z, A-Z, digits and _ . : -")
    return found


def status_word(name: str, value: object) -> str:
    """Takes an `OrderStatus`, its word or its number."""
    found = OrderStatus.find(str(value))
    if found is None:
        raise InvalidInput(name, f"A status is one of {', '.join(status.word for status in OrderStatus)}.")
    return found.word


def words(name: str, value: object) -> str:
    if not isinstance(value, str) or not _encodable(value):
        raise InvalidInput(name, "This must be text.")
    return value


def flag_word(name: str, value: object) -> str:
    if not isinstance(value, bool):
        raise InvalidInput(name, "This must be True or False.")
    return "true" if value else "false"


def page_size(name: str, value: object) -> str:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_PAGE:
        raise InvalidInput(name, f"A page holds 1 to {MAX_PAGE}.")
    return str(value)


def one_of(*choices: str) -> Callable[[str, object], str]:
    def choose(name: str, value: object) -> str:
        if value not in choices:
            raise InvalidInput(name, f"This must be one of {', '.join(choices)}.")
        return str(value)

    return choose


def whole(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidInput(name, "This must be a whole number from 0.")
    return value


def metadata_path(owner: object, owner_id: object) -> str:
    kind, wanted = one_of("order", "product", "customer")("owner", owner), identifier("owner_id", owner_id)
    if not wanted.strip("."):
        # In a path these mean the folder and the one above.
        raise InvalidInput("owner_id", "An id is more than dots.")
    return f"/metadata/{kind}/{wanted}"


def aware(name: str, value: object) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidInput(name, "This must be a datetime with a time zone.")
    return value


def since(name: str, value: object) -> str:
    """UNIX seconds, rounded down; the older documentation gives the format."""
    return str(math.floor(_timestamp(name, value)))


def until(name: str, value: object) -> str:
    """UNIX seconds, rounded up, so that the last second is not cut."""
    return str(math.ceil(_timestamp(name, value)))


def _timestamp(name: str, value: object) -> float:
    return aware(name, value).timestamp()


def _encodable(value: str) -> bool:
    """Half of a surrogate pair is text to Python but cannot be sent."""
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def item(given: Mapping[str, Any], where: str, boolean: Callable[[bool], object]) -> dict[str, Any]:
    """One thing to write. `where` is its place in the caller's list, "" when it stands alone."""
    return {str(key): body(value, f"{where}.{key}" if where else str(key), boolean) for key, value in given.items()}


def body(value: object, name: str, boolean: Callable[[bool], object]) -> Any:
    """JSON of `value`. Money becomes a number; `boolean` decides what a bool becomes, as the API wants it two ways."""
    if isinstance(value, bool):
        return boolean(value)
    if isinstance(value, Mapping):
        return item(value, name, boolean)
    if isinstance(value, list | tuple):
        return [body(inner, f"{name}[{n}]", boolean) for n, inner in enumerate(value)]
    if isinstance(value, OrderStatus):
        return value.word
    if isinstance(value, str):
        return words(name, value)
    return _number_or_null(value, name)


def _number_or_null(value: object, name: str) -> int | float | None:
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float | Decimal) and math.isfinite(value):
        return int(value) if value == int(value) else float(value)
    raise InvalidInput(name, f"A {type(value).__name__} cannot be sent.")
