"""Single values out of the API's JSON: numbers come as text or as numbers, and anything may be null or missing.

What is absent is None. What is there and cannot be read raises `UnexpectedAnswer`: a price or a quantity that silently
became None would be worse than an error.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ombud.client.errors import UnexpectedAnswer
from ombud.client.models import Thing
from ombud.errors import ConfigurationError

T = TypeVar("T")

MAX_DIGITS = 30  # digits in one number; a longer one is no amount, stock or id of any shop
NUMBER = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}(\.[0-9]{{1,{MAX_DIGITS}}})?", re.ASCII)
IDENTIFIER = re.compile(r"[0-9A-Za-z_.:-]{1,64}", re.ASCII)
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].+)?", re.ASCII)
NO_MOMENT = ("0000-", "-0001-")  # how MySQL and PHP write "no date"
YEARS = range(1970, 9000)  # outside, a conversion between time zones may overflow
FLAGS: Mapping[str, bool] = {"1": True, "true": True, "0": False, "false": False}


@cache
def shop_zone() -> ZoneInfo:
    """The API writes dates without a zone; the shops are Swedish. Raises `ConfigurationError` without zone data."""
    try:
        return ZoneInfo("Europe/Stockholm")
    except ZoneInfoNotFoundError as missing:
        raise ConfigurationError(
            "This system has no time zone data for Europe/Stockholm; install the package tzdata."
        ) from missing


def absent(value: Any) -> bool:
    """PHP writes what is missing as null, false, an empty text or an empty list."""
    return value is None or value is False or value in ("", [])


def text(value: Any, where: str) -> str | None:
    if value is None or value is False or value == []:
        return None
    if isinstance(value, str):
        return value
    found = _number(value)
    if found is None:
        raise UnexpectedAnswer(f"{where} is not a text")
    return str(int(found)) if found == found.to_integral_value() else str(found)


def identifier(value: Any, where: str) -> str | None:
    """An id as text; None when absent. Ids come as numbers and as text."""
    found = None if absent(value) else text(value, where)
    if found is not None and not IDENTIFIER.fullmatch(found):
        raise UnexpectedAnswer(f"{where} is not an id")
    return found


def amount(value: Any, where: str) -> Decimal | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    found = _number(value)
    if found is None:
        raise UnexpectedAnswer(f"{where} is not a number")
    return found


def quantity(value: Any, where: str) -> int | None:
    found = amount(value, where)
    if found is not None and found != found.to_integral_value():
        raise UnexpectedAnswer(f"{where} is not a whole number")
    return None if found is None else int(found)


def flag(value: Any, where: str) -> bool | None:
    if value is None or value == "":
        return None
    found = _flag(value)
    if found is None:
        raise UnexpectedAnswer(f"{where} is neither true nor false")
    return found


def moment(value: Any, where: str) -> datetime | None:
    """A date as an aware datetime in Europe/Stockholm. The hour that autumn repeats is read as its first pass."""
    if absent(value) or (isinstance(value, str) and value.startswith(NO_MOMENT)):
        return None
    if isinstance(value, str) and MOMENT.fullmatch(value.strip()):
        found = _moment(value.strip())
        if found is not None:
            return found
    raise UnexpectedAnswer(f"{where} is not a date")


def _flag(value: Any) -> bool | None:
    if isinstance(value, str):
        return FLAGS.get(value.strip().lower())
    return bool(value) if isinstance(value, int) and value in (0, 1) else None


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, float):
        # The shortest text that gives this float back is what stood in the JSON; money keeps its decimals.
        return Decimal(repr(value)) if abs(value) < 10**MAX_DIGITS else None
    if isinstance(value, int):
        return Decimal(value) if abs(value) < 10**MAX_DIGITS else None
    return Decimal(value.strip()) if NUMBER.fullmatch(value.strip()) else None


def _moment(value: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    if found.year not in YEARS:
        return None
    return found.replace(tzinfo=shop_zone()) if found.tzinfo is None else found.astimezone(shop_zone())


@dataclass(frozen=True)
class Fields:
    """One JSON object, and the name that errors give it."""

    raw: Mapping[str, Any]
    where: str

    def text(self, name: str) -> str | None:
        return text(self.raw.get(name), self._name(name))

    def id(self, name: str) -> str | None:
        return identifier(self.raw.get(name), self._name(name))

    def own_id(self, name: str) -> str:
        """The id without which the object is none of ours."""
        found = self.id(name)
        if found is None:
            raise UnexpectedAnswer(f"{self._name(name)} is missing")
        return found

    def amount(self, name: str) -> Decimal | None:
        return amount(self.raw.get(name), self._name(name))

    def quantity(self, name: str) -> int | None:
        return quantity(self.raw.get(name), self._name(name))

    def flag(self, name: str) -> bool | None:
        return flag(self.raw.get(name), self._name(name))

    def moment(self, name: str) -> datetime | None:
        return moment(self.raw.get(name), self._name(name))

    def part(self, name: str) -> "Fields | None":
        value = self.raw.get(name)
        return None if absent(value) else fields(value, self._name(name))

    def parts(self, name: str) -> list["Fields"]:
        return [fields(value, f"{self._name(name)}[{n}]") for n, value in enumerate(self.values(name))]

    def values(self, name: str) -> Sequence[Any]:
        """A list, or an object keyed by numbers, which is how PHP writes a list with a gap; in order of the keys."""
        return values(self.raw.get(name), self._name(name))

    def loose(self, read: Callable[[str], T | None], name: str) -> T | None:
        """A field that decides nothing: None when it cannot be read, rather than an error about the whole thing."""
        try:
            return read(name)
        except UnexpectedAnswer:
            return None

    def _name(self, name: str) -> str:
        return f"{self.where}.{name}"


def fields(value: Any, where: str) -> Fields:
    if not isinstance(value, dict):
        raise UnexpectedAnswer(f"{where} is not an object")
    return Fields(value, where)


def values(value: Any, where: str) -> Sequence[Any]:
    if absent(value):
        return ()
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and all(_is_index(key) for key in value):
        return [value[key] for key in sorted(value, key=int)]
    raise UnexpectedAnswer(f"{where} is not a list")


def objects(value: Any, where: str, *boxes: str) -> Sequence[Any]:
    """The things of an answer: a list, a single object, or either in a box such as `{"product": …}`.

    A list may have become an object keyed by numbers, as everywhere in PHP.
    """
    if isinstance(value, dict):
        value = next((value[box] for box in boxes if box in value), value)
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return values(value, where) if value and all(_is_index(key) for key in value) else [value]
    raise UnexpectedAnswer(f"{where} that are neither a list nor an object")


def the_one(things: Sequence[Thing], wanted: str) -> Thing | None:
    """The thing with the id that was asked for. An answer about other things is an error, not an absence."""
    if not things:
        return None
    for thing in things:
        if thing.id == wanted:
            return thing
    raise UnexpectedAnswer(f"another id than {wanted}, which was asked for")


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) <= MAX_DIGITS
