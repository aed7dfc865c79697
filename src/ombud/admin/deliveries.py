"""Deliveries as people look for them: a filtered page, one with its tries, and sending them again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ombud.admin.access import EVERY_SHOP, Caller
from ombud.admin.audit_log import record
from ombud.admin.events import Document, attempt_document, last_attempt, next_try_at, rfc3339
from ombud.admin.walk import walk
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput, NotFound
from ombud.mailbox.ids import ID_LIMIT, first_id_of, format_delivery_id, format_id, parse_id
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Box, State
from ombud.sender.url import redacted

sql = read_queries("ombud.admin", "deliveries.sql")

# Tries of one delivery that are shown, the newest: it has a dozen, and as many again after each replay.
MOST_TRIES = 200
# Characters of an id of an event, after its prefix.
_DIGITS = 13


@dataclass(frozen=True)
class Filter:
    """Which deliveries: each field that is empty asks for nothing. Times are UTC microseconds.

    `statuses`: the lowest and the highest status of the last answer.
    """

    endpoint_id: int = 0
    event_type: str = ""
    subject: str = ""
    state: State | None = None
    statuses: tuple[int, int] = (0, 0)
    since: int = 0
    until: int = 0


@dataclass(frozen=True)
class Cursor:
    """Where a page begins: after this event's delivery in this lane."""

    event_id: int = ID_LIMIT - 2
    lane_id: int = 0

    def __str__(self) -> str:
        return format_delivery_id(self.event_id, self.lane_id)


def read_cursor(text: str, field: str = "cursor") -> Cursor:
    """Return a cursor, or the key of a delivery, from its id; the first page for an empty text. Raises InvalidInput."""
    if not text:
        return Cursor()
    head, _, digits = text.partition("_")
    if head != "dlv" or len(digits) != 2 * _DIGITS:
        raise InvalidInput(field, f"{text!r} is not the id of a delivery.")
    return Cursor(*(parse_id("dlv", f"dlv_{part}", field) for part in (digits[:_DIGITS], digits[_DIGITS:])))


def list_deliveries(
    caller: Caller, wanted: Filter, cursor: Cursor, rows: int
) -> Operation[tuple[list[Document], Cursor | None]]:
    """Return a page of the deliveries that a caller sees, newest event first, and where to go on.

    It looks back a bounded way (admin/walk.py): a page may be short though there is more.
    """
    found, last = yield from find_deliveries(caller, wanted, cursor, rows)
    return [_document(row) for row in found], last


def find_deliveries(
    caller: Caller, wanted: Filter, cursor: Cursor, rows: int
) -> Operation[tuple[list[Row], Cursor | None]]:
    """Return the rows of such a page."""
    values = _values(caller, wanted) | {"at": cursor.event_id, "lane": cursor.lane_id}
    floor = first_id_of(wanted.since) if wanted.since else 0

    def part(before: int, since: int, rows: int) -> Operation[list[Row]]:
        bounds = {"before": before, "since": max(since, floor), "rows": rows}
        return (yield sql["deliveries_between"], values | bounds)

    before = min(cursor.event_id + 1, first_id_of(wanted.until) if wanted.until else ID_LIMIT - 1)
    found, last = yield from walk(Box.OUTBOX, before, rows, part, floor)
    if len(found) >= rows:
        return found, Cursor(found[-1]["id"], found[-1]["lane_id"])
    return found, Cursor(last, 0) if last else None


def get_delivery(caller: Caller, event_id: int, lane_id: int) -> Operation[Document]:
    """Return one delivery with its tries, oldest first; raises NotFound."""
    row = yield from _find(caller, event_id, lane_id)
    return _document(row) | {"attempts": (yield from tries_of(row))}


def tries_of(row: Row) -> Operation[list[Document]]:
    """Return the newest tries at the delivery of a row of any box, oldest of them first."""
    values = {"day": row["day"], "event_id": row["id"], "lane_id": row["lane_id"], "rows": MOST_TRIES}
    tries = yield sql["tries_of_delivery"], values
    return [attempt_document(one) | {"generation": one["generation"]} for one in reversed(tries)]


def resend(mailbox: Mailbox, caller: Caller, event_id: int, lane_id: int, now: int) -> Operation[int]:
    """Send a delivery once more, behind what is live; returns 0 for one that still waits. Raises NotFound."""
    row = yield from _find(caller, event_id, lane_id)
    sent = yield from mailbox.replay([(event_id, lane_id)])
    if sent:
        target = format_delivery_id(event_id, lane_id)
        yield from record(caller, "delivery.resend", target, now, shop_id=row["lane_shop_id"], detail=row["subject"])
    return sent


def resent_by(delivery: Document) -> Operation[dict[int, str]]:
    """Return who has begun which generation of a delivery; what a job has sent again is not among them."""
    rows = yield sql["resends_of"], {"target": delivery["id"], "rows": MOST_TRIES}
    found: dict[int, str] = {}
    since = ""
    for attempt in delivery["attempts"]:
        begun = [row["actor"] for row in rows if since < rfc3339(row["at"]) <= attempt["at"]]
        if begun and attempt["generation"]:
            found.setdefault(attempt["generation"], begun[-1])
        since = attempt["at"]
    return found


def waiting(lane_ids: Sequence[int], most: int) -> Operation[dict[int, int]]:
    """Return how many deliveries wait in each of these lanes; `most` stands for more."""
    rows = yield sql["waiting_of_lane"], [(lane_id, most) for lane_id in lane_ids], tuple
    return dict(rows)


def _find(caller: Caller, event_id: int, lane_id: int) -> Operation[Row]:
    rows = yield sql["one_delivery"], {"box": Box.OUTBOX, "event_id": event_id, "lane_id": lane_id}
    if not rows or not caller.sees(rows[0]["lane_shop_id"]):
        raise NotFound(f"There is no delivery {format_delivery_id(event_id, lane_id)}.")
    row: Row = rows[0]
    return row


def _values(caller: Caller, wanted: Filter) -> dict[str, Any]:
    return {
        "box": Box.OUTBOX,
        "type": wanted.event_type,
        "subject": wanted.subject,
        "shop_id": caller.shop_id if caller.shop_id != EVERY_SHOP else 0,
        "endpoint_id": wanted.endpoint_id,
        "state": -1 if wanted.state is None else int(wanted.state),
        "status_from": wanted.statuses[0],
        "status_to": wanted.statuses[1],
    }


def _document(row: Row) -> Document:
    return {
        "id": format_delivery_id(row["id"], row["lane_id"]),
        "event_id": format_id("evt", row["id"]),
        "endpoint_id": format_id("ep", row["endpoint_id"]) if row["endpoint_id"] else None,
        "url": redacted(row["url"]) if row["url"] else None,
        "shop_id": row["shop_id"],
        "event_type": row["type"],
        "subject": row["subject"],
        "test": row["data"] is not None,
        "created_at": rfc3339(row["created_at"]),
        "state": State(row["state"]).name.lower(),
        "reason": row["reason"],
        "tries": row["tries"],
        "replays": row["generation"],
        "next_attempt_at": next_try_at(row),
        "last_attempt": last_attempt(row),
    }
