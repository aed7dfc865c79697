"""A filter of deliveries as it stands in an address: read, and written again with a change."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import ClassVar, Self
from urllib.parse import parse_qsl, urlencode

from ombud.admin.access import Caller
from ombud.admin.deliveries import Cursor, Filter, find_deliveries
from ombud.clock import microseconds_of
from ombud.db.operation import Operation, Row
from ombud.db.texts import check_text
from ombud.errors import InvalidInput
from ombud.mailbox.ids import parse_id
from ombud.mailbox.model import Box, State
from ombud.wire import EVENT_TYPES

# Hours that a word for a time means.
TIMES = {"1h": 1, "6h": 6, "24h": 24, "7d": 24 * 7}
STATES = tuple(state.name.lower() for state in State)
# Microseconds.
HOUR = 3_600 * 1_000_000


@dataclass(frozen=True, kw_only=True)
class Texts(ABC):
    """The texts that every filter has. `time` is one of TIMES; `since` and `until` are RFC 3339.

    `kind`: what it finds, which is in `box`; of what is in one of the states `again` all can be done again at once.
    """

    kind: ClassVar[str]
    box: ClassVar[Box]
    again: ClassVar[Sequence[str]]

    type: str = ""
    subject: str = ""
    state: str = ""
    time: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> Self:
        """Return the filter of an address; what it does not know is left alone."""
        return cls(**{one.name: parameters[one.name].strip() for one in fields(cls) if one.name in parameters})

    @classmethod
    def parse(cls, query: str) -> Self:
        """Return the filter of a query string, as `query` writes it."""
        return cls.read(dict(parse_qsl(query)))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return what it may ask for."""
        return tuple(one.name for one in fields(cls))

    @abstractmethod
    def find(self, caller: Caller, now: int, cursor: Cursor, rows: int) -> Operation[tuple[list[Row], Cursor | None]]:
        """Return a page of what it asks for and a caller sees, and where to go on (`now`: UTC microseconds).

        Raises InvalidInput naming the field.
        """

    def texts(self) -> dict[str, str]:
        """Return the texts that ask for something, by name."""
        return {name: value for name, value in asdict(self).items() if value}

    def query(self, **changes: str) -> str:
        """Return it as a query string, with some texts changed; what is empty is left out."""
        values = asdict(self) | changes
        return urlencode({name: value for name, value in values.items() if value})

    def check(self, types: Sequence[str]) -> None:
        """Raise InvalidInput naming the field unless type and time are known words."""
        if self.type and self.type not in types:
            raise InvalidInput("type", f"{self.type!r} is not one of: {', '.join(types)}.")
        if self.time and self.time not in TIMES:
            raise InvalidInput("time", f"{self.time!r} is not one of: {', '.join(TIMES)}.")

    def from_(self, now: int) -> int:
        """Return since when (`now`: UTC microseconds), 0 for always."""
        return now - TIMES[self.time] * HOUR if self.time else read_time(self.since, "since")


@dataclass(frozen=True, kw_only=True)
class Asked(Texts):
    """The texts of a filter of deliveries."""

    kind = "deliveries"
    box = Box.OUTBOX
    again = ("dead", "skipped", "done")

    endpoint: str = ""
    status: str = ""

    def find(self, caller: Caller, now: int, cursor: Cursor, rows: int) -> Operation[tuple[list[Row], Cursor | None]]:
        """Return a page of deliveries."""
        return find_deliveries(caller, self.filter(now), cursor, rows)

    def without(self, *names: str) -> "Asked":
        """Return it without some texts."""
        return replace(self, **dict.fromkeys(names, ""))

    def filter(self, now: int) -> Filter:
        """Return what it asks for (`now`: UTC microseconds); raises InvalidInput naming the field."""
        self.check(tuple(EVENT_TYPES))
        return Filter(
            endpoint_id=parse_id("ep", self.endpoint, "endpoint") if self.endpoint else 0,
            event_type=self.type,
            subject=read_subject(self.subject),
            state=_state(self.state),
            statuses=_statuses(self.status),
            since=self.from_(now),
            until=read_time(self.until, "until"),
        )


def read_subject(text: str) -> str:
    """Return a subject; `90017` alone is an order. Raises InvalidInput."""
    check_text(text, "subject")
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
    return microseconds_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
