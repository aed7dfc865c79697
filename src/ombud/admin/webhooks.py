"""How endpoints do, for Settings → Webhooks: from counts, never by counting rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ombud.admin.access import EVERY_SHOP, Caller
from ombud.admin.deliveries import waiting
from ombud.admin.endpoints import endpoint_documents
from ombud.admin.events import Document, rfc3339
from ombud.admin.tally import HOUR, Count, counts_of, together
from ombud.db.operation import Operation
from ombud.sender.endpoint import Endpoint
from ombud.sender.endpoints import Endpoints
from ombud.sender.url import redacted

# Waiting deliveries that are counted; more are told as that many.
MOST_WAITING = 1_000


@dataclass(frozen=True)
class Bars:
    """How far back a page looks: so many bars, each of a width in microseconds that is a multiple of tally.SPAN."""

    width: int
    number: int

    def until(self, now: int) -> range:
        """Return where each begins; the last one goes on now."""
        last = now - now % self.width
        return range(last - (self.number - 1) * self.width, last + 1, self.width)


DAY = Bars(HOUR, 24)


@dataclass(frozen=True)
class Doing:
    """How an endpoint does. `share`: of its tries, those that succeeded; None without any.

    `bars`: done and failed of each of Bars, oldest first. `p95`: milliseconds.
    """

    document: Document
    shown_url: str
    share: float | None
    p95: int | None
    tries: int
    failed: int
    last_at: str | None
    last_status: int | None
    waiting: int
    bars: list[tuple[int, int]]


def list_doings(endpoints: Endpoints, caller: Caller, before: int, rows: int, now: int) -> Operation[list[Doing]]:
    """Return a page of the endpoints that a caller sees, newest first, with how each does."""
    shop_id = None if caller.shop_id == EVERY_SHOP else caller.shop_id
    found = yield from endpoints.list(before, rows, shop_id)
    return (yield from doings_of(endpoints, found, now))


def doings_of(endpoints: Endpoints, found: Sequence[Endpoint], now: int, over: Bars = DAY) -> Operation[list[Doing]]:
    """Return how endpoints do, and did."""
    documents = yield from endpoint_documents(found, whole=False)
    lanes = []
    for endpoint in found:
        lanes.append((yield from endpoints.lanes_of(endpoint)))
    every = [lane_id for ids in lanes for lane_id in ids]
    starts = over.until(now)
    counts = yield from counts_of(every, starts[0], over.width)
    waits = yield from waiting(every, MOST_WAITING)
    doings = []
    for endpoint, document, ids in zip(found, documents, lanes, strict=True):
        own = [counts[lane_id] for lane_id in ids]
        doings.append(_doing(endpoint, document, own, starts, sum(waits[lane_id] for lane_id in ids)))
    return doings


def _doing(
    endpoint: Endpoint, document: Document, lanes: Sequence[Mapping[int, Count]], starts: range, waits: int
) -> Doing:
    whole = together(count for lane in lanes for count in lane.values())
    bars = [together(lane[since] for lane in lanes if since in lane) for since in starts]
    return Doing(
        document,
        redacted(endpoint.edit.url),
        whole.done / whole.tries if whole.tries else None,
        whole.quantile(0.95),
        whole.tries,
        whole.failed,
        rfc3339(whole.last_at) if whole.tries else None,
        whole.last_status,
        min(waits, MOST_WAITING),
        [(bar.done, bar.failed) for bar in bars],
    )
