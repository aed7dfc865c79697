"""How endpoints do, for Settings → Webhooks: from counts, never by counting rows."""

from dataclasses import dataclass

from ombud.admin.access import EVERY_SHOP, Caller
from ombud.admin.deliveries import waiting
from ombud.admin.endpoints import endpoint_documents
from ombud.admin.events import Document, rfc3339
from ombud.admin.tally import Count, counts_of, together
from ombud.db.operation import Operation
from ombud.sender.endpoint import Endpoint
from ombud.sender.endpoints import Endpoints
from ombud.sender.url import redacted

HOUR = 3_600 * 1_000_000
# Waiting deliveries that are counted; more are told as that many.
MOST_WAITING = 1_000


@dataclass(frozen=True)
class Bars:
    """How far back a page looks: so many bars, each of a width in microseconds that is a multiple of tally.SPAN."""

    width: int
    number: int


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
    doings = []
    for endpoint in found:
        doings.append((yield from doing_of(endpoints, endpoint, now)))
    return doings


def doing_of(endpoints: Endpoints, endpoint: Endpoint, now: int, over: Bars = DAY) -> Operation[Doing]:
    """Return how one endpoint does, and did."""
    [document] = yield from endpoint_documents([endpoint])
    lanes = yield from endpoints.lanes_of(endpoint)
    first = now - now % over.width - (over.number - 1) * over.width
    counts = yield from counts_of(lanes, first, over.width)
    whole = together(counts.values())
    return Doing(
        document,
        redacted(endpoint.edit.url),
        whole.done / whole.tries if whole.tries else None,
        whole.quantile(0.95),
        whole.tries,
        whole.failed,
        rfc3339(whole.last_at) if whole.tries else None,
        whole.last_status,
        (yield from waiting(lanes, MOST_WAITING)),
        [_bar(counts.get(first + place * over.width)) for place in range(over.number)],
    )


def _bar(count: Count | None) -> tuple[int, int]:
    return (count.done, count.failed) if count is not None else (0, 0)
