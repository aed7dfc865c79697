"""63-bit ids that grow with time, made by the process that appends: 41 bits of milliseconds, 10 of node, 12 of counter.

Random keys cost a B-tree 30 times more than growing ones, and a database sequence hands out used ids after a restore.
People see them with a prefix, in Crockford's base 32 (https://www.crockford.com/base32.html): `evt_0k8yp3j5w0g00`.
"""

import threading
from collections.abc import Callable
from functools import lru_cache

from ombud.errors import InvalidInput

# 2026-01-01T00:00:00Z in milliseconds since 1970; 41 bits last until 2095.
EPOCH_MILLISECONDS = 1_767_225_600_000
NODES = 1 << 10
COUNTER_BITS = 12
NODE_BITS = 10
ID_LIMIT = 1 << 63
# Digits of what may be read as a number, and one more.
LONGEST_NUMBER = 20
_LAST_COUNTER = (1 << COUNTER_BITS) - 1
_NODE_MASK = (NODES - 1) << COUNTER_BITS

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_DIGITS = 13
# Two digits at a time: every signed webhook carries an id.
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
# Ids of a batch were made in the same millisecond or the next, and differ in their last digits alone.
_HEADS = 4_096
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}


class IdSource:
    """Makes the ids of one process. Thread-safe; never goes back, even when the clock does."""

    def __init__(self, node: int, clock: Callable[[], int]) -> None:
        """`node` is below NODES and not in use elsewhere; `clock` gives UTC microseconds."""
        if not 0 <= node < NODES:
            raise ValueError(f"node {node} is not between 0 and {NODES - 1}")
        self._node = node << COUNTER_BITS
        self._clock = clock
        self._lock = threading.Lock()
        self._millisecond = 0
        self._counter = _LAST_COUNTER

    @property
    def node(self) -> int:
        """The number of this process, which no other that lives has; below NODES."""
        return self._node >> COUNTER_BITS

    def made(self, number: int) -> bool:
        """Return whether an id was made here, as far as its node tells."""
        return number & _NODE_MASK == self._node

    def next(self) -> int:
        """Return an id greater than every earlier one of this source."""
        return self.take(1)[0]

    def take(self, amount: int) -> list[int]:
        """Return that many ids, growing, each greater than every earlier one of this source."""
        ids: list[int] = []
        with self._lock:
            now = self._clock() // 1000 - EPOCH_MILLISECONDS
            if now > self._millisecond:
                self._millisecond, self._counter = now, -1
            while len(ids) < amount:
                room = min(amount - len(ids), _LAST_COUNTER - self._counter)
                first = (self._millisecond << (NODE_BITS + COUNTER_BITS)) | self._node
                ids.extend(range(first + self._counter + 1, first + self._counter + 1 + room))
                self._counter += room
                if self._counter == _LAST_COUNTER and len(ids) < amount:
                    self._millisecond, self._counter = self._millisecond + 1, -1
        return ids


def first_id_of(microseconds: int) -> int:
    """Return the lowest id that can be made at that time (UTC microseconds) or later; the last of all past 2095."""
    first = max(0, microseconds // 1000 - EPOCH_MILLISECONDS) << (NODE_BITS + COUNTER_BITS)
    return min(first, ID_LIMIT - 1)


def time_of_id(number: int) -> int:
    """Return when an id was made (UTC microseconds), to the millisecond."""
    return ((number >> (NODE_BITS + COUNTER_BITS)) + EPOCH_MILLISECONDS) * 1000


def format_id(prefix: str, number: int) -> str:
    """Return the id as people see it: `evt_` and 13 characters, which sort as the numbers do."""
    return f"{_head(prefix, number >> 20)}{_PAIRS[(number >> 10) & 1023]}{_PAIRS[number & 1023]}"


@lru_cache(maxsize=_HEADS)
def _head(prefix: str, high: int) -> str:
    pairs = "".join([_PAIRS[(high >> shift) & 1023] for shift in (30, 20, 10, 0)])
    return f"{prefix}_{_ALPHABET[high >> 40]}{pairs}"


def format_delivery_id(event_id: int, lane_id: int) -> str:
    """Return the id of a delivery as people see it: event and lane, which is its primary key."""
    return format_id("dlv", event_id) + format_id("", lane_id).removeprefix("_")


def parse_number(text: str) -> int | None:
    """Return the number that a text is, or None for what cannot be one of ours."""
    if text.isascii() and text.isdecimal() and len(text) < LONGEST_NUMBER and int(text) < ID_LIMIT:
        return int(text)
    return None


def parse_id(prefix: str, text: str, field: str = "id") -> int:
    """Return the number of an id that people see; raises InvalidInput naming the field."""
    head, _, digits = text.partition("_")
    if head == prefix and len(digits) == _DIGITS and all(digit in _VALUES for digit in digits):
        number = 0
        for digit in digits:
            number = number * 32 + _VALUES[digit]
        if number < ID_LIMIT:
            return number
    raise InvalidInput(field, f"{text[:40]!r} is not an id of this kind: it looks like {format_id(prefix, 0)}.")
