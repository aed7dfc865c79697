"""What of an order may be told again while its state stays as it is, to handlers that ask for that. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ombud.receiver.documents import unpack
from ombud.receiver.options import ON_REPAID, HandlerFacts

# The vendor documents how tracking is written (`shipping_info`), and no name under which it is read.
_SHIPPING = "shipping_info"
_TRACKING = "track"


def mark_of(event_type: str, handler: HandlerFacts, paid_at: int | None, body: bytes) -> str | None:
    """Return what this handler is told again when it is another one; None when it asks for nothing, or nobody knows.

    `paid_at`: UTC microseconds.
    """
    if event_type == "order.new" and handler.repeat == ON_REPAID:
        return None if paid_at is None else str(paid_at)
    if event_type == "order.done" and handler.watch_tracking:
        return tracking_of(unpack(body))
    return None


def tracking_of(document: Mapping[str, Any]) -> str:
    """Return everything that an order says of its tracking, as text that is equal when that is."""
    return json.dumps(sorted(_tracking(document)))


def _tracking(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    parts = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        if value not in (None, "") and (_TRACKING in path or _SHIPPING in path):
            yield path, str(value)
        return
    for name, part in parts:
        yield from _tracking(part, f"{path}.{name}".lower())
