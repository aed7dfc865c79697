"""A filter of arrivals or runs as it stands in an address: read, and written again with a change."""

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ombud.admin.access import Caller
from ombud.admin.deliveries import Cursor
from ombud.admin.delivery_filter import Texts, read_subject, read_time
from ombud.admin.inbox_search import UNREADABLE, Sought, find_arrivals, find_runs, seen_by
from ombud.db.operation import Operation, Row
from ombud.db.texts import check_text
from ombud.errors import InvalidInput
from ombud.mailbox.ids import parse_number
from ombud.mailbox.model import Box, State
from ombud.receiver.arrival import MALFORMED, UNKNOWN
from ombud.receiver.listed import BACKFILLS, RECONCILES
from ombud.wire import EVENT_TYPES

HELD, STORED = "held", "stored"
RUN_STATES = tuple(state.name.lower() for state in State)
ARRIVAL_STATES = (*RUN_STATES, HELD, STORED)
ARRIVAL_TYPES = (*EVENT_TYPES, *sorted(RECONCILES), *sorted(BACKFILLS), UNKNOWN, MALFORMED)


@dataclass(frozen=True, kw_only=True)
class _AskedInbox(Texts, ABC):
    """The texts of a filter of arrivals or runs, and in which states these may be. `shop` is a number."""

    states: ClassVar[Sequence[str]]

    shop: str = ""

    def sought(self, now: int) -> Sought:
        """Return what it asks for (`now`: UTC microseconds); raises InvalidInput naming the field."""
        self.check(ARRIVAL_TYPES)
        if self.state and self.state not in self.states:
            raise InvalidInput("state", f"{self.state!r} is not one of: {', '.join(self.states)}.")
        state = None if self.state in ("", STORED, HELD) else State[self.state.upper()]
        subject = read_subject(self.subject) or None
        return Sought(
            shop_id=_shop_number(self.shop) if self.shop else 0,
            event_type=self.type,
            subject=UNREADABLE if self.state == STORED else subject,
            state=state,
            held=True if self.state == HELD else False if state in (State.DEAD, State.DONE) else None,
            since=self.from_(now),
            until=read_time(self.until, "until"),
        )


@dataclass(frozen=True, kw_only=True)
class AskedArrivals(_AskedInbox):
    """The texts of a filter of arrivals."""

    kind = "arrivals"
    box = Box.INBOX
    again = (HELD, "dead", "skipped", "done")
    states = ARRIVAL_STATES

    def find(self, caller: Caller, now: int, cursor: Cursor, rows: int) -> Operation[tuple[list[Row], Cursor | None]]:
        """Return a page of arrivals."""
        found, last = yield from find_arrivals(seen_by(caller, self.sought(now)), cursor.event_id, rows)
        return found, Cursor(last) if last else None


@dataclass(frozen=True, kw_only=True)
class AskedRuns(_AskedInbox):
    """The texts of a filter of runs."""

    kind = "runs"
    box = Box.CHANGES
    again = ("dead", "skipped", "done")
    states = RUN_STATES

    handler: str = ""

    def sought(self, now: int) -> Sought:
        """Return what it asks for (`now`: UTC microseconds); raises InvalidInput naming the field."""
        return replace(super().sought(now), handler=check_text(self.handler, "handler"))

    def find(self, caller: Caller, now: int, cursor: Cursor, rows: int) -> Operation[tuple[list[Row], Cursor | None]]:
        """Return a page of runs."""
        found, last = yield from find_runs(seen_by(caller, self.sought(now)), cursor.event_id, rows)
        return found, Cursor(last) if last else None


def _shop_number(text: str) -> int:
    number = parse_number(text)
    if number is None:
        raise InvalidInput("shop", f"{text[:40]!r} is not the number of a shop.")
    return number
