"""What is said about endpoints themselves: closed, failing, disabled, recovered, and deliveries that are dead.

Each is said once, in the transaction in which it comes about, to every endpoint that has chosen to hear of it, and to
whatever is in `also`. Nothing is said about an endpoint to itself, nor of what was on its way to say something.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.mailbox.health import WARNING_DAYS
from ombud.mailbox.ids import format_delivery_id, format_id
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Delivery, Health, Lane
from ombud.sender.outbox import TEST_DATA, Fact, Outbox
from ombud.wire import OPERATIONAL_TYPES

sql = read_queries("ombud.sender")

_DAY = 86_400_000_000
# Microseconds between two answers of 410 that together are an endpoint's wish to end.
GONE_APART = 3_600_000_000
GONE_REASON = "It answered 410 (gone) twice, an hour apart."
GIVEN_UP_REASON = "Every try has failed for 5 days."
# Endpoints that one look at those that fail speaks of.
WATCHED = 100


@dataclass(frozen=True)
class Notice:
    """Something that happened to an endpoint, or to a delivery for it. `at`: UTC microseconds. `detail`: plain JSON."""

    type: str
    shop_id: int
    endpoint_id: int
    at: int
    detail: dict[str, Any] = field(default_factory=dict)


class Notices:
    """Says what happens to a sender's endpoints, and notes it at them."""

    def __init__(self, outbox: Outbox) -> None:
        """`also` is called with each notice, and its operation is a part of the same transaction: for alarms."""
        self.also: list[Callable[[Notice], Operation[None]]] = []
        self._outbox = outbox
        mailbox = outbox.mailbox
        mailbox.on_health, mailbox.on_dead = self.on_health, self.on_dead

    @property
    def _mailbox(self) -> Mailbox:
        return self._outbox.mailbox

    def on_health(self, lane: Lane, before: Health, now: Health) -> Operation[None]:
        """Hear how a lane was and how it is."""
        if before.closed_at is None and now.closed_at is not None:
            yield from self._closed(lane, now.closed_at)
        elif before.closed_at is not None and now.closed_at is None:
            yield from self._opened(lane)
        if before.given_up_at is None and now.given_up_at is not None:
            yield from self._given_up(lane)

    def on_dead(self, dead: Sequence[tuple[Delivery, str | None]]) -> Operation[None]:
        """Hear which deliveries are dead, and why."""
        ours = [one for one in dead if one[0].type not in OPERATIONAL_TYPES and one[0].data != TEST_DATA]
        lanes = {delivery.lane_id for delivery, _ in ours}
        rows = yield sql["endpoints_of_lanes"], [(lane_id,) for lane_id in sorted(lanes)]
        endpoints = {row["lane_id"]: row for row in rows}
        for delivery, reason in ours:
            row = endpoints.get(delivery.lane_id)
            if row is not None:
                detail = {"event_id": format_id("evt", delivery.event_id), "reason": reason}
                subject = f"delivery/{format_delivery_id(delivery.event_id, delivery.lane_id)}"
                yield from self._say("delivery.dead", row["shop_id"], row["id"], detail, subject)

    def watch(self) -> Operation[bool]:
        """Say of endpoints that have failed for 1, 3 and 4 days that they do; returns whether there may be more."""
        now = self._mailbox.clock()
        rows = yield sql["failing_endpoints"], {"now": now, "rows": WATCHED}
        for row in rows:
            days = max(day for day in WARNING_DAYS if now - row["closed_since"] >= day * _DAY)
            yield from self._warn(row["shop_id"], row["id"], days)
        return len(rows) == WATCHED

    def gone(self, endpoint_id: int) -> Operation[None]:
        """Hear that an endpoint has answered 410: said again an hour later, it is disabled."""
        now = self._mailbox.clock()
        for row in (yield sql["note_gone"], {"id": endpoint_id, "now": now}):
            if now - row["gone_at"] >= GONE_APART:
                yield from self.disable(row["shop_id"], endpoint_id, GONE_REASON)

    def not_gone(self, endpoint_id: int) -> Operation[None]:
        """Hear that it has acknowledged something since."""
        yield sql["note_not_gone"], {"id": endpoint_id}

    def disable(self, shop_id: int, endpoint_id: int, reason: str) -> Operation[None]:
        """Send it nothing more; what waits ends as skipped, and can be replayed."""
        values = {"id": endpoint_id, "reason": reason, "now": self._mailbox.clock()}
        if not (yield sql["disable_endpoint"], values):
            return
        yield from self._say("endpoint.disabled", shop_id, endpoint_id, {"reason": reason})
        yield from self._mailbox.ring(*(yield from self._lanes_of(shop_id, endpoint_id)))

    def _closed(self, lane: Lane, closed_at: int) -> Operation[None]:
        yield sql["closed_since"], {"id": lane.destination_id}
        if (yield sql["close_endpoint"], {"id": lane.destination_id, "closed_at": closed_at}):
            yield from self._say("endpoint.closed", lane.shop_id, lane.destination_id)

    def _opened(self, lane: Lane) -> Operation[None]:
        values = {"id": lane.destination_id, "shop_id": lane.shop_id, "box": self._mailbox.box}
        before = yield sql["closed_since"], {"id": lane.destination_id}
        if (yield sql["open_endpoint"], values):
            seconds = (self._mailbox.clock() - before[0]["closed_since"]) // 1_000_000
            yield from self._say("endpoint.recovered", lane.shop_id, lane.destination_id, {"closed_seconds": seconds})

    def _given_up(self, lane: Lane) -> Operation[None]:
        values = {"id": lane.destination_id, "shop_id": lane.shop_id, "box": self._mailbox.box}
        if (yield sql["working_lanes"], values | {"since": self._mailbox.clock() - _DAY}):
            # An endpoint of every shop, the rest of which is well.
            yield from self._warn(lane.shop_id, lane.destination_id, max(WARNING_DAYS) + 1)
        else:
            yield from self.disable(lane.shop_id, lane.destination_id, GIVEN_UP_REASON)

    def _warn(self, shop_id: int, endpoint_id: int, days: int) -> Operation[None]:
        if (yield sql["warn_endpoint"], {"id": endpoint_id, "days": days}):
            yield from self._say("endpoint.failing", shop_id, endpoint_id, {"days": days})

    def _say(
        self, type_: str, shop_id: int, endpoint_id: int, detail: dict[str, Any] | None = None, subject: str = ""
    ) -> Operation[None]:
        name = format_id("ep", endpoint_id)
        about = subject or f"endpoint/{name}"
        told = {"endpoint_id": name, **(detail or {})}
        [draft] = yield from self._outbox.draft([Fact(shop_id, type_, about)])
        if draft.lane_ids:
            own = yield from self._lanes_of(shop_id, endpoint_id)
            others = [lane_id for lane_id in draft.lane_ids if lane_id not in own]
            if others:
                yield from self._mailbox.append([draft._replace(lane_ids=others, data=json.dumps(told))])
        notice = Notice(type_, shop_id, endpoint_id, self._mailbox.clock(), told)
        for also in self.also:
            yield from also(notice)

    def _lanes_of(self, shop_id: int, endpoint_id: int) -> Operation[list[int]]:
        values = {"box": self._mailbox.box, "shop_id": shop_id, "id": endpoint_id}
        return [row["id"] for row in (yield sql["lanes_of_endpoint"], values)]
