"""Endpoints: where a shop's events go, and which of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import Conflict, InvalidInput, NotFound
from ombud.mailbox.ids import format_id
from ombud.mailbox.mailbox import Mailbox
from ombud.sender.guard import Guard
from ombud.sender.outbox import DEFAULT_SHOP_ID, HALF_CHARACTER
from ombud.sender.url import check_endpoint_url
from ombud.wire import EVENT_TYPES

sql = read_queries("ombud.sender")

# Every event is written once for each endpoint that wants it; more than this and one shop slows the commits of all.
ENDPOINTS_PER_SHOP = 20
# Characters.
LONGEST_DESCRIPTION = 500


@dataclass(frozen=True)
class EndpointEdit:
    """What a merchant can choose."""

    url: str
    event_types: Sequence[str] = tuple(EVENT_TYPES)
    description: str = ""
    enabled: bool = True

    def check(self) -> None:
        """Raise InvalidInput naming the first field that cannot be accepted."""
        check_endpoint_url(self.url)
        if not self.event_types:
            raise InvalidInput("event_types", f"Choose at least one of: {', '.join(EVENT_TYPES)}.")
        for index, event_type in enumerate(self.event_types):
            if event_type not in EVENT_TYPES:
                name = f"event_types[{index}]"
                raise InvalidInput(name, f"{event_type!r} is not one of: {', '.join(EVENT_TYPES)}.")
        if len(self.description) > LONGEST_DESCRIPTION:
            raise InvalidInput("description", f"It has at most {LONGEST_DESCRIPTION} characters.")
        if HALF_CHARACTER.search(self.description):
            raise InvalidInput("description", "It has half a character: a surrogate of UTF-16 alone.")

    def accepted(self) -> "EndpointEdit":
        """Return it as it is stored, every event type once and in order; raises InvalidInput."""
        self.check()
        return replace(self, event_types=_in_order(self.event_types))


@dataclass(frozen=True)
class Endpoint:
    """An endpoint as stored. Times are UTC microseconds."""

    id: int
    shop_id: int
    lane_id: int
    edit: EndpointEdit
    created_at: int
    updated_at: int


class Endpoints:
    """The endpoints of a sender's mailbox."""

    def __init__(self, mailbox: Mailbox, guard: Guard | None = None) -> None:
        """Without a `guard` no range is allowed."""
        self._mailbox = mailbox
        self._guard = guard or Guard()

    def add(self, edit: EndpointEdit, shop_id: int = DEFAULT_SHOP_ID) -> Operation[Endpoint]:
        """Store a new endpoint; it hears of events from now on.

        Raises InvalidInput, or Conflict when the shop has its fill.
        """
        edit = edit.accepted()
        self._guard.check(edit.url)
        rows = yield sql["count_endpoints"], {"shop_id": shop_id}
        if rows[0]["endpoints"] >= ENDPOINTS_PER_SHOP:
            raise Conflict(f"This shop has {ENDPOINTS_PER_SHOP} endpoints, which is the most. Delete one first.")
        endpoint_id = self._mailbox.ids.next()
        lane_id = yield from self._mailbox.add_lane(shop_id, endpoint_id)
        now = self._mailbox.clock()
        endpoint = Endpoint(endpoint_id, shop_id, lane_id, edit, now, now)
        yield sql["insert_endpoint"], _values(endpoint) | {"lane_id": lane_id}
        yield from _subscribe(endpoint)
        return endpoint

    def get(self, endpoint_id: int) -> Operation[Endpoint]:
        """Return an endpoint; raises NotFound when there is none, or no longer."""
        rows = yield sql["get_endpoint"], {"id": endpoint_id}
        if not rows:
            raise NotFound(f"There is no endpoint {format_id('ep', endpoint_id)}.")
        return _endpoint(rows[0])

    def list(self, before: int, rows: int) -> Operation[list[Endpoint]]:
        """Return endpoints older than an id, newest first."""
        found = yield sql["list_endpoints"], {"before": before, "rows": rows}
        return [_endpoint(row) for row in found]

    def change(self, endpoint_id: int, **changes: Any) -> Operation[Endpoint]:
        """Change some of the fields of EndpointEdit; the next load of its lane uses them. Raises InvalidInput."""
        old = yield from self.get(endpoint_id)
        edit = replace(old.edit, **changes).accepted()
        if edit.url != old.edit.url:
            # What was accepted under other rules can still be described, or switched off.
            self._guard.check(edit.url)
        endpoint = replace(old, edit=edit, updated_at=self._mailbox.clock())
        yield sql["update_endpoint"], _values(endpoint)
        yield sql["delete_subscriptions"], {"endpoint_id": endpoint_id}
        yield from _subscribe(endpoint)
        yield from self._mailbox.ring(endpoint.lane_id)
        return endpoint

    def delete(self, endpoint_id: int) -> Operation[None]:
        """Send it nothing more. What was sent stays to be read; what waits ends as skipped."""
        endpoint = yield from self.get(endpoint_id)
        now = self._mailbox.clock()
        yield sql["delete_endpoint"], {"shop_id": endpoint.shop_id, "id": endpoint_id, "now": now}
        yield from self._mailbox.ring(endpoint.lane_id)


def _subscribe(endpoint: Endpoint) -> Operation[None]:
    yield (
        sql["insert_subscription"],
        [
            {"shop_id": endpoint.shop_id, "event_type": event_type, "endpoint_id": endpoint.id}
            for event_type in endpoint.edit.event_types
        ],
    )


def _in_order(chosen: Collection[str]) -> tuple[str, ...]:
    return tuple(event_type for event_type in EVENT_TYPES if event_type in chosen)


def _values(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "shop_id": endpoint.shop_id,
        "id": endpoint.id,
        "url": endpoint.edit.url,
        "description": endpoint.edit.description,
        "enabled": int(endpoint.edit.enabled),
        "now": endpoint.updated_at,
    }


def _endpoint(row: Row) -> Endpoint:
    edit = EndpointEdit(
        url=row["url"],
        event_types=_in_order((row["event_types"] or "").split(",")),
        description=row["description"],
        enabled=bool(row["enabled"]),
    )
    return Endpoint(row["id"], row["shop_id"], row["lane_id"], edit, row["created_at"], row["updated_at"])
