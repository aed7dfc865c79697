"""How a sender does over a chosen time: accepted, delivered, failed, how long it took, what waits, and each endpoint.

All of it comes from counts (tally.py, counting.py); no row of an event or a delivery is counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ombud.admin.access import EVERY_SHOP, Caller
from ombud.admin.counting import MOST_WAITING, WHOLE, backlog_now
from ombud.admin.events import Document, rfc3339
from ombud.admin.tally import HOUR, SPAN, WHOLE_SPAN, Count, counts_of_all, counts_of_shop, sql, together
from ombud.admin.webhooks import DAY, Bars, Doing, doings_of
from ombud.admin.webhooks import MOST_WAITING as MOST_OF_ONE
from ombud.db.operation import Operation
from ombud.errors import NotFound
from ombud.mailbox.ids import ID_LIMIT
from ombud.mailbox.model import Box
from ombud.sender.endpoint import Endpoint
from ombud.sender.endpoints import Endpoints

# Endpoints whose health is shown: those in trouble, then the newest.
ROWS = 20
# What is told of how long tries took: of this share of them, at most so long.
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Period:
    """How far a page looks back and how wide a point is, in microseconds; a shop's is wider. `bars`: of an endpoint."""

    name: str
    span: int
    width: int
    shop_width: int
    bars: Bars


PERIODS = {
    period.name: period
    for period in (
        Period("1h", HOUR, WHOLE_SPAN, SPAN, Bars(SPAN, 6)),
        Period("6h", 6 * HOUR, SPAN, SPAN, Bars(3 * SPAN, 12)),
        Period("24h", 24 * HOUR, 3 * SPAN, HOUR, DAY),
        Period("7d", 7 * 24 * HOUR, 3 * HOUR, 3 * HOUR, Bars(6 * HOUR, 28)),
    )
}
DEFAULT = PERIODS["24h"]


@dataclass(frozen=True)
class Point:
    """A part of the period. `waiting`: the most that was seen; None where nobody has looked. `since`: RFC 3339."""

    since: str
    accepted: int = 0
    count: Count = field(default_factory=Count)
    waiting: int | None = None
    oldest_ms: int | None = None


@dataclass(frozen=True)
class Figures:
    """The figures of a period. `waiting` and `oldest_seconds` are of now; `more`: not all that wait were counted."""

    period: Period
    points: Sequence[Point]
    accepted: int
    count: Count
    waiting: int
    more: bool
    oldest_seconds: float
    doings: Sequence[Doing]


def read_figures(endpoints: Endpoints, caller: Caller, period: Period, now: int) -> Operation[Figures]:
    """Return the figures that a caller sees: of the whole installation, or of their shop."""
    from_ = now - period.span
    if caller.shop_id == EVERY_SHOP:
        width, shop_id = period.width, WHOLE
        counts = yield from counts_of_all(from_, width)
        backlog = {row["since"]: row for row in (yield sql["backlog_since"], {"from": from_, "width": width})}
        found = yield from _in_trouble(endpoints, period, from_)
    else:
        width, shop_id = period.shop_width, caller.shop_id
        counts, backlog = (yield from counts_of_shop(shop_id, from_, width)), {}
        found = yield from endpoints.list(ID_LIMIT - 1, ROWS, shop_id)
    first = from_ - from_ % width
    rows = yield sql["accepted_of"], {"shop_id": shop_id, "from": first, "width": width}
    accepted: Mapping[int, int] = {row["since"]: row["events"] for row in rows}
    points = []
    for since in range(first, now + 1, width):
        seen = backlog.get(since, {"waiting": None, "oldest_ms": None})
        count = counts.get(since, Count())
        points.append(Point(rfc3339(since), accepted.get(since, 0), count, seen["waiting"], seen["oldest_ms"]))
    doings = yield from doings_of(endpoints, found, now, period.bars)
    doings.sort(key=_trouble, reverse=True)
    whole = together(counts.values())
    return Figures(period, points, sum(accepted.values()), whole, *(yield from _waiting(caller, doings, now)), doings)


def figures_document(figures: Figures) -> Document:
    """Return figures in the shape of the REST API."""
    return {
        "period": figures.period.name,
        "accepted": figures.accepted,
        **_count_document(figures.count),
        "waiting": figures.waiting,
        "oldest_due_seconds": round(figures.oldest_seconds, 3),
        "points": [_point_document(point) for point in figures.points],
        "endpoints": [_doing_document(doing) for doing in figures.doings],
    }


def _in_trouble(endpoints: Endpoints, period: Period, since: int) -> Operation[list[Endpoint]]:
    """Return those of which every try fails, those with most failures, and then the newest, ROWS in all."""
    closed = yield sql["closed_endpoints"], {"rows": ROWS}
    values = {"box": Box.OUTBOX, "from": since, "rows": ROWS}
    failing = yield sql["failing_lately" if period.bars.width % HOUR else "failing_hours"], values
    newest = yield from endpoints.list(ID_LIMIT - 1, ROWS)
    known = {endpoint.id: endpoint for endpoint in newest}
    found: dict[int, Endpoint] = {}
    for number in [*(row["endpoint_id"] for row in (*closed, *failing)), *known]:
        if len(found) < ROWS and number not in found:
            try:
                found[number] = known.get(number) or (yield from endpoints.get(number))
            except NotFound:
                continue  # deleted since
    return list(found.values())


def _trouble(doing: Doing) -> tuple[bool, int, str]:
    return doing.document["state"] == "closed", doing.failed, doing.document["id"]


def _waiting(caller: Caller, doings: Sequence[Doing], now: int) -> Operation[tuple[int, bool, float]]:
    if caller.shop_id == EVERY_SHOP:
        waiting, oldest = yield from backlog_now(now)
        return waiting, waiting == MOST_WAITING, oldest
    rows = yield sql["oldest_due_of_shop"], {"box": Box.OUTBOX, "shop_id": caller.shop_id, "now": now}
    due_at = rows[0]["due_at"]
    oldest = max(0, now - due_at) / 1_000_000 if due_at is not None else 0.0
    return sum(doing.waiting for doing in doings), any(doing.waiting == MOST_OF_ONE for doing in doings), oldest


def _count_document(count: Count) -> Document:
    return {
        "delivered": count.done,
        "failed": count.failed,
        "milliseconds": {name: count.quantile(share) for name, share in QUANTILES.items()},
    }


def _point_document(point: Point) -> Document:
    return {
        "at": point.since,
        "accepted": point.accepted,
        **_count_document(point.count),
        "waiting": point.waiting,
        "oldest_due_seconds": None if point.oldest_ms is None else point.oldest_ms / 1_000,
    }


def _doing_document(doing: Doing) -> Document:
    return {
        "id": doing.document["id"],
        "shop_id": doing.document["shop_id"],
        "url": doing.shown_url,
        "state": doing.document["state"],
        "tries": doing.tries,
        "failed": doing.failed,
        "p95_milliseconds": doing.p95,
        "waiting": doing.waiting,
        "last_try_at": doing.last_at,
        "last_status": doing.last_status,
    }
