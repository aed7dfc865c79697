"""A filter of deliveries as it stands in an address: read, and written again with a change. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

from ombud.admin.deliveries import Filter
from ombud.errors import InvalidInput
from ombud.mailbox.ids import parse_id
from ombud.mailbox.model import State
from ombud.wire import EVENT_TYPES

# Hours that a word for a time means.
TIMES = {"1h": 1, "6h": 6, "24h": 24, "7d": 24 * 7}
STATES = tuple(state.name.lower() for state in State)
# Microseconds.
HOUR = 3_600 * 1_000_000


@dataclass(frozen=True)
class Asked:
    """The texts of a filter. `time` is one of TIMES; `since` and `until` are RFC 3339."""

    endpoint: str = ""
    type: str = ""
    subject: str = ""
    state: str = ""
    status: str = ""
    time: str = ""
    since: str = ""
    until: str = ""

    def query(self, **changes: str) -> str:
        """Return it as a query string, with some texts changed; what is empty is left out."""
        values = asdict(self) | changes
        return urlencode({name: value for name, value in values.items() if value})

    def texts(self) -> dict[str, str]:
        """Return the texts that ask for something, by name."""
        return {name: value for name, value in asdict(self).items() if value}

    def without(self, *names: str) -> "Asked":
        """Return it without some texts."""
        return replace(self, **dict.fromkeys(names, ""))

    def filter(self, now: int) -> Filter:
        """Return what it asks for (`now`: UTC microseconds); raises InvalidInput naming the field."""
        if self.type and self.type not in EVENT_TYPES:
            raise InvalidInput("type", f"{self.type!r} is not one of: {', '.join(EVENT_TYPES)}.")
        if self.time and self.time not in TIMES:
            raise InvalidInput("time", f"{self.time!r} is not one of: {', '.join(TIMES)}.")
        return Filter(
            endpoint_id=parse_id("ep", self.endpoint, "endpoint") if self.endpoint else 0,
            event_type=self.type,
            subject=read_subject(self.subject),
            state=_state(self.state),
            statuses=_statuses(self.status),
            since=now - TIMES[self.time] * HOUR if self.time else read_time(self.since, "since"),
            until=read_time(self.until, "until"),
        )


FIELDS = tuple(asdict(Asked()))


def read_asked(parameters: Mapping[str, str]) -> Asked:
    """Return the filter of an address; what it does not know is left alone."""
    return Asked(**{name: parameters[name].strip() for name in FIELDS if name in parameters})


def parse_asked(query: str) -> Asked:
    """Return the filter of a query string, as `Asked.query` writes it."""
    return read_asked(dict(parse_qsl(query)))


def read_subject(text: str) -> str:
    """Return a subject; `90017` alone is an order."""
    return f"order/{text}" if text and "/" not in text else text


def _state(text: str) -> State | None:
    if not text:
        return None
    if text not in STATES:
        raise InvalidInput("state", f"{text!r} is not one of: {', '.join(STATES)}.")
    return State[text.upper()]


def _statuses(text: str) -> tuple[int, int]:
    """Return the lowest and the highest status of `503` or `5xx`."""
    if not text:
        return (0, 0)
    if len(text) == 3 and text[0] in "123456789" and text[1:] == "xx":  # noqa: PLR2004 - a status has three digits
        return (int(text[0]) * 100, int(text[0]) * 100 + 99)
    if len(text) == 3 and text.isascii() and text.isdecimal():  # noqa: PLR2004
        return (int(text), int(text))
    raise InvalidInput("status", f"{text!r} is neither a status like 503 nor a class like 5xx.")


def read_time(text: str, field: str) -> int:
    """Return UTC microseconds of a time, 0 for an empty text; raises InvalidInput."""
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(field, f"{text!r} is not a time of RFC 3339: 2026-11-02T08:14:05Z.") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)
