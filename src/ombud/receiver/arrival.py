"""What a webhook's query says, judged before anything is stored: pure."""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl

from ombud.wire import EVENT_TYPES, OBJECT_ID, PARAMETER_OF, subject_of

# Types under which arrivals are stored that are not about anything we know.
UNKNOWN = "unknown"
MALFORMED = "malformed"
# Bytes of a query. The six events need at most 120; what a merchant's own parameters add stays far below.
LONGEST_QUERY = 8_192
# Parameters that are looked at.
MOST_PARAMETERS = 100
# What keeps a webhook from being understood, in its note.
NOT_DECODABLE = "not decodable"
TWICE = "a parameter stands there twice"
NO_TYPE = "no event_type"
NOT_KNOWN = "an event type that is not known here"
NO_ID = {name: f"no usable {name}" for name in sorted(set(PARAMETER_OF.values()))}
# What stands before the id in a query exactly as the vendor sends it, which is nearly every one: its event type, and
# the beginning of its subject. What is written otherwise is read in full; both ways mean the same
# (tests/receiver/test_query.py).
_AS_SENT = {
    f"event_type={event_type}&{name}".encode(): (event_type, subject_of(event_type, ""))
    for event_type, name in PARAMETER_OF.items()
}
# Digits of an id that is read like that: those of the real shop have nothing else.
_MOST_DIGITS = 64
# How a byte stands in a note that is no printable ASCII, and the backslash itself: so every query can be had back.
_SHOWN = re.compile(r"\\x([0-9a-f]{2})")
_AS_IS = frozenset(range(0x20, 0x7F)) - {0x5C}


class Arrival(NamedTuple):
    """A webhook as it is stored. `note` keeps what cannot be used, so that a person can see it.

    Without a note there is something to read at the shop's API.
    """

    event_type: str
    subject: str = ""
    note: str | None = None


def read_query(query: bytes) -> Arrival:
    """Understand the query of a webhook; never raises. Parameters that are not ours are a merchant's own business."""
    head, _, object_id = query.rpartition(b"=")
    if (known := _AS_SENT.get(head)) and object_id.isdigit() and len(object_id) <= _MOST_DIGITS:
        event_type, subject = known
        return Arrival(event_type, subject + object_id.decode())
    return read_in_full(query)


def read_in_full(query: bytes) -> Arrival:
    """Understand a query however it is written."""
    try:
        text = query.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except (UnicodeDecodeError, ValueError):
        return Arrival(MALFORMED, note=_shown(query, NOT_DECODABLE))
    ours = [(name, value) for name, value in pairs if name in {"event_type", "order_id", "product_id"}]
    values = dict(ours)
    event_type = values.get("event_type", "")
    if len(values) != len(ours):
        return Arrival(MALFORMED, note=_shown(query, TWICE))
    if not event_type:
        return Arrival(MALFORMED, note=_shown(query, NO_TYPE))
    if event_type not in EVENT_TYPES:
        return Arrival(UNKNOWN, note=_shown(query, NOT_KNOWN))
    object_id = values.get(PARAMETER_OF[event_type], "")
    if not OBJECT_ID.fullmatch(object_id):
        return Arrival(MALFORMED, note=_shown(query, NO_ID[PARAMETER_OF[event_type]]))
    return Arrival(event_type, subject_of(event_type, object_id))


def parameters_of(note: str) -> dict[str, str]:
    """Return the parameters of a query that was kept in a note; of those that stand there twice the last."""
    return dict(parse_qsl(raw_query(note).decode("latin-1"), keep_blank_values=True))


def raw_query(note: str) -> bytes:
    """Return the query that was kept in a note, byte for byte."""
    return _SHOWN.sub(lambda match: chr(int(match[1], 16)), note.partition(": ")[2]).encode("latin-1")


def _shown(query: bytes, problem: str) -> str:
    """Keep the query as printable text, whatever bytes it has."""
    shown = "".join(chr(byte) if byte in _AS_IS else f"\\x{byte:02x}" for byte in query)
    return f"{problem}: {shown}"
