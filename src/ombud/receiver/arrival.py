"""What a webhook's query says, judged before anything is stored: pure."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from ombud.wire import EVENT_TYPES, OBJECT_ID, PARAMETER_OF, subject_of

# Types under which arrivals are stored that are not about anything we know.
UNKNOWN = "unknown"
MALFORMED = "malformed"
# Bytes of a query. The six events need at most 120; what a merchant's own parameters add stays far below.
LONGEST_QUERY = 8_192
# Parameters that are looked at.
MOST_PARAMETERS = 100
# The first and the last printable byte of ASCII.
_PRINTABLE = (0x20, 0x7E)


@dataclass(frozen=True)
class Arrival:
    """A webhook as it is stored. `note` keeps what cannot be used, so that a person can see it."""

    event_type: str
    subject: str = ""
    note: str | None = None

    @property
    def readable(self) -> bool:
        """Whether there is something to read at the shop's API."""
        return self.event_type in EVENT_TYPES


def read_query(query: bytes) -> Arrival:
    """Understand the query of a webhook; never raises. Parameters that are not ours are a merchant's own business."""
    try:
        text = query.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except (UnicodeDecodeError, ValueError):
        return Arrival(MALFORMED, note=_shown(query, "not decodable"))
    ours = [(name, value) for name, value in pairs if name in {"event_type", "order_id", "product_id"}]
    values = dict(ours)
    event_type = values.get("event_type", "")
    if len(values) != len(ours):
        return Arrival(MALFORMED, note=_shown(query, "a parameter stands there twice"))
    if not event_type:
        return Arrival(MALFORMED, note=_shown(query, "no event_type"))
    if event_type not in EVENT_TYPES:
        return Arrival(UNKNOWN, note=_shown(query, "an event type that is not known here"))
    object_id = values.get(PARAMETER_OF[event_type], "")
    if not OBJECT_ID.fullmatch(object_id):
        return Arrival(MALFORMED, note=_shown(query, f"no usable {PARAMETER_OF[event_type]}"))
    return Arrival(event_type, subject_of(event_type, object_id))


def _shown(query: bytes, problem: str) -> str:
    """Keep the query as printable text, whatever bytes it has."""
    shown = "".join(chr(byte) if _PRINTABLE[0] <= byte <= _PRINTABLE[1] else f"\\x{byte:02x}" for byte in query)
    return f"{problem}: {shown}"
