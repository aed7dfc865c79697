"""Arrivals of the receiver, with what reading them found and what handlers made of it, as documents."""

import json
from typing import Any

from ombud.admin.access import EVERY_SHOP, OPERATOR, Caller
from ombud.admin.events import Document, Page, attempt_document, rfc3339
from ombud.admin.walk import walk
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import NotFound
from ombud.mailbox.ids import format_id
from ombud.mailbox.model import Box, State

sql = read_queries("ombud.admin")

# Rows of one subject among which what was told because of a look is found: it is written with the look and tells each
# handler once, and few webhooks about one subject come between.
LOOK_AHEAD_ROWS = 200


def list_arrivals(before: int, rows: int, subject: str | None = None, shop_id: int = EVERY_SHOP) -> Operation[Page]:
    """Return a page of arrivals older than an id, newest first, of one shop or every one.

    Of one subject only when it is given.
    """

    def part(before: int, since: int, rows: int) -> Operation[list[Row]]:
        values = {"box": Box.INBOX, "before": before, "since": since, "rows": rows, "shop_id": shop_id}
        name = "list_arrivals" if subject is None else "list_arrivals_of_subject"
        return (yield sql[name], values | {"subject": subject})

    last: int | None
    if subject is None and shop_id != EVERY_SHOP:
        found, last = yield from walk(Box.INBOX, before, rows, part)
    else:
        found = yield from part(before, 0, rows)
        last = found[-1]["id"] if len(found) == rows else None
    documents = []
    for row in found:
        documents.append((yield from _arrival(row)))
    return documents, format_id("evt", last) if last else None


def get_arrival(event_id: int, caller: Caller = OPERATOR) -> Operation[Document]:
    """Return one arrival; raises NotFound for one that is not there, or not the caller's to see."""
    rows = yield sql["get_arrival"], {"box": Box.INBOX, "id": event_id}
    if not rows or not caller.sees(rows[0]["shop_id"]):
        raise NotFound(f"There is no arrival {format_id('evt', event_id)}.")
    return (yield from _arrival(rows[0]))


def runs_of(shop_id: int, subject: str, reading_id: int) -> Operation[list[Row]]:
    """Return what handlers were told because of a look, in the order in which it was written."""
    values = {"box": Box.CHANGES, "shop_id": shop_id, "subject": subject, "reading_id": reading_id}
    rows = yield sql["changes_after_reading"], values | {"rows": LOOK_AHEAD_ROWS}
    return [row for row in rows if _reading_of(row["data"]) == reading_id]


def _reading_of(data: str | None) -> Any:
    """Return which look a change came of; None when its data says nothing that can be read."""
    try:
        return json.loads(data or "{}").get("reading")
    except (ValueError, AttributeError):
        return None


def _arrival(row: Row) -> Operation[Document]:
    values = {"shop_id": row["shop_id"], "subject": row["subject"], "event_id": row["id"]}
    readings = yield sql["reading_after"], values
    attempts = yield sql["attempts_of_event"], {"day": row["day"], "event_id": row["id"]}
    runs: list[Document] = []
    for reading in readings:
        runs = yield from _runs(row["shop_id"], row["subject"], reading["id"])
    return {
        "id": format_id("evt", row["id"]),
        "shop": row["shop"],
        "event_type": row["type"],
        "subject": row["subject"] or None,
        "received_at": rfc3339(row["created_at"]),
        "note": row["data"],
        "state": "stored" if row["state"] is None else State(row["state"]).name.lower(),
        "reason": row["reason"],
        "read": _reading(readings[0]) if readings else None,
        "attempts": [attempt_document(attempt) for attempt in attempts],
        "runs": runs,
    }


def _runs(shop_id: int, subject: str, reading_id: int) -> Operation[list[Document]]:
    documents = []
    for row in (yield from runs_of(shop_id, subject, reading_id)):
        tries = yield sql["attempts_of_event"], {"day": row["day"], "event_id": row["event_id"]}
        documents.append(_run(row, tries))
    return documents


def _reading(row: Row) -> dict[str, Any]:
    return {
        "id": format_id("rd", row["id"]),
        "started_at": rfc3339(row["started_at"]),
        "status": row["status"],
        "milliseconds": row["milliseconds"],
    }


def _run(row: Row, attempts: list[Row]) -> dict[str, Any]:
    return {
        "handler": row["handler"],
        "event_type": row["type"],
        "state": State(row["state"]).name.lower(),
        "reason": row["reason"],
        "attempts": [attempt_document(attempt) for attempt in attempts if attempt["lane_id"] == row["lane_id"]],
    }
