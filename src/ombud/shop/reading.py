"""What callers send, read without trust: every value is checked, bounded, and named in the error as they wrote it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from ombud.errors import InvalidInput

# Characters in a name, a street, a sku; the longest real ones have about 200.
LONGEST_TEXT = 1_000
# Characters in a description or a note: several pages of HTML.
LONGEST_PROSE = 100_000
# Things in one list of a request, which keeps its transaction below about a second. The vendor's largest page is 1,000.
LONGEST_LIST = 1_000
# In whole units of any currency; a thousand lines of a million of these still have fewer digits than a Decimal keeps.
LARGEST_AMOUNT = Decimal(10**9)
# Pieces of one product.
LARGEST_QUANTITY = 10**6

CENT = Decimal("0.01")

_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
# NUL, which PostgreSQL cannot hold, and halves of surrogate pairs, which no encoding can.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text; money keeps its decimals. Raises InvalidInput for anything else."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, ArithmeticError) as error:
        raise InvalidInput("body", f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise InvalidInput("body", "The body is not JSON that this shop reads: it is nested too deeply.") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def read_items(value: Any) -> "list[Fields]":
    """Return the objects of a request: an array of them, or a single one. Raises InvalidInput."""
    if isinstance(value, dict):
        return [Fields(value)]
    # One page of the vendor's shows the array nested twice.
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    if not isinstance(value, list) or not value:
        raise InvalidInput("body", "The body is an object, or an array of at least one.")
    return _all_fields(value, "")


def read_id(text: str) -> int | None:
    """Return the number of an id; None for a text that no thing of this shop has as its id."""
    return int(text) if _ID.fullmatch(text) else None


def read_flag(field: str, text: str) -> bool:
    """Return what `true`, `false`, `1` or `0` says; raises InvalidInput naming the field."""
    if text.strip().lower() not in _FLAGS:
        raise InvalidInput(field, "It is true or false.")
    return _FLAGS[text.strip().lower()]


def money_text(amount: Decimal) -> str:
    """Return an amount as the API writes it, half a cent rounded up: `148.95`."""
    return str(amount.quantize(CENT, ROUND_HALF_UP))


@dataclass(frozen=True)
class Fields:
    """One object of a request, and where in it: `[0].products[1]`. What is absent or null reads as None."""

    raw: Mapping[str, Any]
    where: str = ""

    def name(self, key: str) -> str:
        """Return how the caller wrote the place of a value."""
        return f"{self.where}.{key}" if self.where else key

    def text(self, key: str, longest: int = LONGEST_TEXT) -> str | None:
        """Return a text; a number counts as its digits. Spaces around it are dropped."""
        value = self.raw.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise InvalidInput(self.name(key), "It must be text.")
        text = str(value).strip()
        if len(text) > longest:
            raise InvalidInput(self.name(key), f"It has at most {longest} characters.")
        if _UNSTORABLE.search(text):
            raise InvalidInput(self.name(key), "It holds a character that cannot be stored.")
        return text

    def amount(self, key: str) -> Decimal | None:
        """Return an amount from 0, in whole units of its currency."""
        value = self._number(key)
        if value is None:
            return None
        if not 0 <= value <= LARGEST_AMOUNT:
            raise InvalidInput(self.name(key), f"It is from 0 to {LARGEST_AMOUNT}.")
        return value.quantize(CENT, ROUND_HALF_UP)

    def whole(self, key: str, lowest: int = 0, highest: int = LARGEST_QUANTITY) -> int | None:
        """Return a whole number between two bounds."""
        value = self._number(key)
        if value is None:
            return None
        if not lowest <= value <= highest or value != value.to_integral_value():
            raise InvalidInput(self.name(key), f"It is a whole number from {lowest} to {highest}.")
        return int(value)

    def flag(self, key: str) -> bool | None:
        """Return a boolean; the API takes it as true, "true" and 1 alike."""
        value = self.raw.get(key)
        if value is None or value == "":
            return None
        return read_flag(self.name(key), str(value) if isinstance(value, bool | int | str) else "")

    def id(self, key: str) -> int | None:
        """Return the number of an id. Nothing, "" and 0 mean none."""
        value = self.raw.get(key)
        if value is None or value in ("", "0") or (value == 0 and not isinstance(value, bool)):
            return None
        found = read_id(str(value)) if isinstance(value, int | str) else None
        if found is None:
            raise InvalidInput(self.name(key), "An id is a number of at most 18 digits.")
        return found

    def part(self, key: str) -> "Fields | None":
        """Return an object inside this one. An empty list is how PHP writes an empty object."""
        value = self.raw.get(key)
        return None if value is None or value == [] else _fields(value, self.name(key))

    def parts(self, key: str) -> "list[Fields] | None":
        """Return the objects of a list inside this one."""
        value = self.raw.get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            raise InvalidInput(self.name(key), "It must be a list.")
        return _all_fields(value, self.name(key))

    def _number(self, key: str) -> Decimal | None:
        value = self.raw.get(key)
        if value is None or value == "":
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            return Decimal(value)
        if isinstance(value, Decimal):
            return value
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            return Decimal(value.strip())
        raise InvalidInput(self.name(key), "It must be a number.")


def _fields(value: Any, where: str) -> Fields:
    if not isinstance(value, dict):
        raise InvalidInput(where, "It must be an object.")
    return Fields(value, where)


def _all_fields(values: list[Any], where: str) -> list[Fields]:
    if len(values) > LONGEST_LIST:
        raise InvalidInput(where or "body", f"It has at most {LONGEST_LIST} entries.")
    return [_fields(value, f"{where}[{place}]") for place, value in enumerate(values)]
