"""A filter of arrivals or runs as it stands in an address: read, and written again with a change. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from ombud.admin.delivery_filter import HOUR, TIMES, read_subject, read_time
from ombud.admin.inbox_search import UNREADABLE, Sought
from ombud.errors import InvalidInput
from ombud.mailbox.model import State
from ombud.receiver.arrival import MALFORMED, UNKNOWN
from ombud.receiver.listed import ORDER_RECONCILE, PRODUCT_RECONCILE
from ombud.web.forms import number_of
from ombud.wire import EVENT_TYPES

HELD, STORED = "held", "stored"
RUN_STATES = tuple(state.name.lower() for state in State)
ARRIVAL_STATES = (*RUN_STATES, HELD, STORED)
ARRIVAL_TYPES = (*EVENT_TYPES, ORDER_RECONCILE, PRODUCT_RECONCILE, UNKNOWN, MALFORMED)


@dataclass(frozen=True)
class AskedInbox:
    """The texts of a filter. `shop` is a number, `time` one of TIMES; `since` and `until` are RFC 3339."""

    shop: str = ""
    type: str = ""
    subject: str = ""
    state: str = ""
    handler: str = ""
    time: str = ""
    since: str = ""
    until: str = ""

    def query(self, **changes: str) -> str:
        """Return it as a query string, with some texts changed; what is empty is left out."""
        values = asdict(self) | changes
        return urlencode({name: value for name, value in values.items() if value})

    def sought(self, now: int, states: Sequence[str] = ARRIVAL_STATES) -> Sought:
        """Return what it asks for (`now`: UTC microseconds) of these states; raises InvalidInput naming the field."""
        if self.type and self.type not in ARRIVAL_TYPES:
            raise InvalidInput("type", f"{self.type!r} is not one of: {', '.join(ARRIVAL_TYPES)}.")
        if self.time and self.time not in TIMES:
            raise InvalidInput("time", f"{self.time!r} is not one of: {', '.join(TIMES)}.")
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
            handler=self.handler,
            since=now - TIMES[self.time] * HOUR if self.time else read_time(self.since, "since"),
            until=read_time(self.until, "until"),
        )


def read_asked_inbox(parameters: Mapping[str, str]) -> AskedInbox:
    """Return the filter of an address; what it does not know is left alone."""
    return AskedInbox(**{name: parameters[name].strip() for name in asdict(AskedInbox()) if name in parameters})
