"""A filter of arrivals or runs as it stands in an address: read, and written again with a change. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from ombud.admin.delivery_filter import Texts, read_subject, read_time
from ombud.admin.inbox_search import UNREADABLE, Sought
from ombud.db.texts import check_text
from ombud.errors import InvalidInput
from ombud.mailbox.model import State
from ombud.receiver.arrival import MALFORMED, UNKNOWN
from ombud.receiver.listed import BACKFILLS, RECONCILES
from ombud.web.forms import number_of
from ombud.wire import EVENT_TYPES

HELD, STORED = "held", "stored"
RUN_STATES = tuple(state.name.lower() for state in State)
ARRIVAL_STATES = (*RUN_STATES, HELD, STORED)
ARRIVAL_TYPES = (*EVENT_TYPES, *sorted(RECONCILES), *sorted(BACKFILLS), UNKNOWN, MALFORMED)


@dataclass(frozen=True, kw_only=True)
class AskedInbox(Texts):
    """The texts of a filter of arrivals or runs. `shop` is a number."""

    shop: str = ""
    handler: str = ""

    def sought(self, now: int, states: Sequence[str] = ARRIVAL_STATES) -> Sought:
        """Return what it asks for (`now`: UTC microseconds) of these states; raises InvalidInput naming the field."""
        self.check(ARRIVAL_TYPES)
        if self.state and self.state not in states:
            raise InvalidInput("state", f"{self.state!r} is not one of: {', '.join(states)}.")
        state = None if self.state in ("", STORED, HELD) else State[self.state.upper()]
        subject = read_subject(self.subject) or None
        return Sought(
            shop_id=number_of(self.shop, "shop") if self.shop else 0,
            event_type=self.type,
            subject=UNREADABLE if self.state == STORED else subject,
            state=state,
            held=True if self.state == HELD else False if state in (State.DEAD, State.DONE) else None,
            handler=check_text(self.handler, "handler"),
            since=self.from_(now),
            until=read_time(self.until, "until"),
        )
