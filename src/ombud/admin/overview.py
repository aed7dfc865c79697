"""What is going on, for a person who looks at both sides at once: documents in which no secret is left.

Everything is bounded: a page shows the newest, however much there is, and is asked for every other second.
"""

from collections.abc import Sequence
from typing import Any

from ombud.admin.arrivals import LOOK_AHEAD_ROWS, runs_of
from ombud.admin.endpoints import shown_endpoint
from ombud.admin.events import Document, attempt_document, next_try_at, rfc3339
from ombud.admin.inbox_search import NEWEST, Sought, find_arrivals, state_word
from ombud.admin.redacted import shown_note, without_secrets
from ombud.db.database import Database
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.mailbox.ids import COUNTER_BITS, ID_LIMIT, NODE_BITS, format_delivery_id, format_id, parse_id
from ombud.mailbox.model import Box, State
from ombud.sender.endpoint import Endpoint
from ombud.sender.endpoints import Endpoints
from ombud.sender.url import redacted

sql = read_queries("ombud.admin")

# Rows of a list; deliveries of an event, and tries at each, that are shown of it.
ROWS = 50
DELIVERIES = 20
ATTEMPTS = 5
# The newest events among which an endpoint's last delivery is looked for.
LOOK_BACK_EVENTS = 500
# Lanes of a box whose waiting work is looked at, those first that must be looked at first.
LANES = 50
# Seconds that due work may wait before somebody should wonder: a performer looks every 2 s at the latest.
WAIT_SECONDS = 5.0

# What is below the milliseconds in an id: two processes that make ids at the same moment differ in it.
_BELOW_TIME = NODE_BITS + COUNTER_BITS


def sender_overview(endpoints: Endpoints) -> Operation[Document]:
    """Return the endpoints, each with its last delivery, and the newest events with deliveries and attempts."""
    found = yield from endpoints.list(ID_LIMIT - 1, ROWS)
    rows = yield sql["newest_of_lanes"], {"box": Box.OUTBOX, "events": LOOK_BACK_EVENTS}
    newest = {row["lane_id"]: row for row in rows}
    documents = []
    for endpoint in found:
        documents.append((yield from _endpoint(endpoint, newest.get(endpoint.lane_id))))
    return {"endpoints": documents, "events": (yield from _events())}


def receiver_overview() -> Operation[Document]:
    """Return the newest arrivals, each with the read that covers it and the runs that came of it."""
    rows, _ = yield from find_arrivals(Sought(), NEWEST, ROWS)
    documents = []
    for row in rows:
        documents.append((yield from _arrival(row)))
    return {"arrivals": documents}


def stories(events: Sequence[Document]) -> Operation[list[Document]]:
    """Return for each event of a sender what a receiver made of it; runs on the receiver's database.

    The wire carries no event id, so event and arrival meet by type, subject and order: an event's arrival is the first
    one of its type and subject that was received after the event was created. Two events that are alike may so share
    one arrival, when the first was delivered late.
    """
    found = []
    for event in events:
        since = parse_id("evt", event["id"]) >> _BELOW_TIME << _BELOW_TIME
        values = {"box": Box.INBOX, "type": event["event_type"], "subject": event["subject"]}
        values |= {"since": since, "rows": LOOK_AHEAD_ROWS}
        rows = yield sql["first_arrival"], values
        found.append({"event": event, "arrival": (yield from _arrival(rows[0])) if rows else None})
    return found


def waiting_seconds(box: Box, now: int) -> Operation[float]:
    """Return for how long the oldest due work of a box has waited; 0.0 when none is due."""
    rows = yield sql["oldest_due"], {"box": box, "now": now, "lanes": LANES}
    due_at = rows[0]["due_at"]
    return max(0, now - due_at) / 1_000_000 if due_at is not None else 0.0


def is_performed(database: Database, box: Box) -> bool:
    """Return whether a process performs this box now: it has the seat, where there is only one.

    Where every process may, nobody is taken to only while due work waits and no lane is leased.
    """
    if not database.exclusive:
        return database.read(lambda: seems_performed(box, database.clock()))
    seat = database.seat(box.name.lower())
    try:
        return not seat.try_take()
    finally:
        seat.close()


def seems_performed(box: Box, now: int) -> Operation[bool]:
    """Return whether nothing says that nobody performs this box, where every process may."""
    if (yield from waiting_seconds(box, now)) <= WAIT_SECONDS:
        return True
    return bool((yield sql["leased_now"], {"box": box, "now": now}))


def _endpoint(endpoint: Endpoint, newest: Row | None) -> Operation[Document]:
    document = shown_endpoint(endpoint)
    document |= {"description": without_secrets(endpoint.edit.description), "headers": list(document["headers"])}
    if newest is None:
        return document | {"last_delivery": None}
    delivery = yield from _work(newest)
    return document | {"last_delivery": delivery | {"event_type": newest["type"], "subject": newest["subject"]}}


def _events() -> Operation[list[Document]]:
    rows = yield sql["overview_events"], {"box": Box.OUTBOX, "rows": ROWS}
    documents = []
    for row in rows:
        documents.append((yield from _event(row)))
    return documents


def _event(row: Row) -> Operation[Document]:
    values = {"day": row["day"], "event_id": row["id"], "rows": DELIVERIES}
    rows = yield sql["deliveries_of_event"], values
    deliveries = []
    for delivery in rows:
        names = {
            "id": format_delivery_id(delivery["event_id"], delivery["lane_id"]),
            "endpoint_id": format_id("ep", delivery["endpoint_id"]) if delivery["endpoint_id"] else None,
            "url": redacted(delivery["url"]) if delivery["url"] else None,
        }
        deliveries.append(names | (yield from _work(delivery)))
    return {
        "id": format_id("evt", row["id"]),
        "shop_id": row["shop_id"],
        "event_type": row["type"],
        "subject": row["subject"],
        "created_at": rfc3339(row["created_at"]),
        "fan_out": row["fan_out"],
        "deliveries": deliveries,
    }


def _arrival(row: Row) -> Operation[Document]:
    reading = yield from _reading(row)
    runs: list[Document] = []
    if reading is not None:
        runs = yield from _runs(row, reading["id"])
    stored: dict[str, Any] = {"reason": None, "next_attempt_at": None, "tries": 0, "attempts": []}
    return {
        "id": format_id("evt", row["id"]),
        "shop": without_secrets(row["shop"]),
        "event_type": row["type"],
        "subject": row["subject"] or None,
        "received_at": rfc3339(row["created_at"]),
        "note": shown_note(row["data"]),
        **(stored if row["state"] is None else (yield from _work({**row, "event_id": row["id"]}))),
        "state": state_word(row),
        "read": None if reading is None else {name: reading[name] for name in ("status", "milliseconds")},
        "runs": runs,
    }


def _reading(row: Row) -> Operation[Row | None]:
    if not row["subject"]:
        return None
    values = {"shop_id": row["shop_id"], "subject": row["subject"]}
    values |= {"event_id": row["id"], "created_at": row["created_at"]}
    rows = yield sql["reading_after"], values
    return rows[0] if rows else None


def _runs(row: Row, reading_id: int) -> Operation[list[Document]]:
    rows = yield from runs_of(row["shop_id"], row["subject"], reading_id)
    runs = []
    for run in rows:
        names = {"handler": without_secrets(run["handler"]), "event_type": run["type"]}
        runs.append(names | (yield from _work(run)))
    return runs


def _work(row: Row) -> Operation[dict[str, Any]]:
    """Return where a delivery stands, and its last tries, oldest of them first."""
    key = {name: row[name] for name in ("day", "event_id", "lane_id")}
    rows = yield sql["latest_attempts"], key | {"rows": ATTEMPTS}
    attempts = [attempt_document(attempt) for attempt in reversed(rows)]
    return {
        "state": State(row["state"]).name.lower(),
        "reason": without_secrets(row["reason"]),
        "next_attempt_at": next_try_at(row),
        "tries": row["tries"],
        "attempts": [attempt | {"reason": without_secrets(attempt["reason"])} for attempt in attempts],
    }
