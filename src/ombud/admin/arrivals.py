"""Arrivals of the receiver, with what reading them found and what handlers made of it, as documents."""

from typing import Any

from ombud.admin.access import OPERATOR, Caller
from ombud.admin.events import Document, Page, attempt_document, last_attempt, next_try_at, rfc3339
from ombud.admin.inbox_search import EVERYTHING, Sought, find_arrivals, state_word
from ombud.admin.runs import reading_document, told_of_change
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import NotFound
from ombud.mailbox.ids import format_delivery_id, format_id
from ombud.mailbox.model import Box, State

sql = read_queries("ombud.admin")

# Rows of one subject among which what was told because of a look is found: it is written with the look and tells each
# handler once, and few webhooks about one subject come between.
LOOK_AHEAD_ROWS = 200


def list_arrivals(before: int, rows: int, wanted: Sought = EVERYTHING) -> Operation[Page]:
    """Return a page of arrivals older than an id, newest first, each with its read and its runs."""
    found, last = yield from find_arrivals(wanted, before, rows)
    documents = []
    for row in found:
        documents.append((yield from _arrival(row)))
    return documents, format_id("evt", last) if last else None


def get_arrival(event_id: int, caller: Caller = OPERATOR) -> Operation[Document]:
    """Return one arrival; raises NotFound for one that is not there, or not the caller's to see."""
    return (yield from _arrival((yield from find_arrival(caller, event_id))))


def find_arrival(caller: Caller, event_id: int) -> Operation[Row]:
    """Return the row of an arrival; raises NotFound for one that is not there, or not the caller's to see."""
    rows = yield sql["get_arrival"], {"box": Box.INBOX, "id": event_id}
    if not rows or not caller.sees(rows[0]["shop_id"]):
        raise NotFound(f"There is no arrival {format_id('evt', event_id)}.")
    row: Row = rows[0]
    return row


def brief_arrivals(before: int, rows: int, wanted: Sought = EVERYTHING) -> Operation[Page]:
    """Return a page as `list_arrivals` does, of each arrival only what stands in its own row: for long lists."""
    found, last = yield from find_arrivals(wanted, before, rows)
    return [_brief(row) for row in found], format_id("evt", last) if last else None


def _head(row: Row) -> Document:
    return {
        "id": format_id("evt", row["id"]),
        "shop": row["shop"],
        "event_type": row["type"],
        "subject": row["subject"] or None,
        "received_at": rfc3339(row["created_at"]),
        "note": row["data"],
        "state": state_word(row),
        "reason": row["reason"],
        "next_attempt_at": next_try_at(row),
    }


def _brief(row: Row) -> Document:
    return _head(row) | {"tries": row["tries"] or 0, "last_attempt": last_attempt(row)}


def runs_of(shop_id: int, subject: str, reading_id: int) -> Operation[list[Row]]:
    """Return what handlers were told because of a look, in the order in which it was written."""
    values = {"box": Box.CHANGES, "shop_id": shop_id, "subject": subject, "reading_id": reading_id}
    rows = yield sql["changes_after_reading"], values | {"rows": LOOK_AHEAD_ROWS}
    return [row for row in rows if told_of_change(row["data"]).get("reading") == reading_id]


def _arrival(row: Row) -> Operation[Document]:
    values = {"shop_id": row["shop_id"], "subject": row["subject"]}
    values |= {"event_id": row["id"], "created_at": row["created_at"]}
    readings = yield sql["reading_after"], values
    attempts = yield sql["attempts_of_event"], {"day": row["day"], "event_id": row["id"]}
    runs: list[Document] = []
    for reading in readings:
        runs = yield from _runs(row["shop_id"], row["subject"], reading["id"])
    return _head(row) | {
        "read": reading_document(readings[0]) if readings else None,
        "attempts": [attempt_document(attempt) for attempt in attempts],
        "runs": runs,
    }


def _runs(shop_id: int, subject: str, reading_id: int) -> Operation[list[Document]]:
    documents = []
    for row in (yield from runs_of(shop_id, subject, reading_id)):
        tries = yield sql["attempts_of_event"], {"day": row["day"], "event_id": row["event_id"]}
        documents.append(_run(row, tries))
    return documents


def _run(row: Row, attempts: list[Row]) -> dict[str, Any]:
    return {
        "id": format_delivery_id(row["event_id"], row["lane_id"]),
        "handler": row["handler"],
        "event_type": row["type"],
        "state": State(row["state"]).name.lower(),
        "reason": row["reason"],
        "attempts": [attempt_document(attempt) for attempt in attempts if attempt["lane_id"] == row["lane_id"]],
    }
