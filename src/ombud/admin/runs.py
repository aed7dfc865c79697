"""Runs of handlers as documents: which change they are for, what proves it, and what differs in the object."""

import json
from dataclasses import asdict
from typing import Any

from ombud.admin.access import Caller
from ombud.admin.deliveries import tries_of
from ombud.admin.difference import difference
from ombud.admin.events import Document, Page, last_attempt, next_try_at, rfc3339
from ombud.admin.inbox_search import EVERYTHING, Sought, find_runs, sql, state_word
from ombud.db.operation import Operation, Row
from ombud.errors import NotFound
from ombud.mailbox.ids import format_delivery_id, format_id
from ombud.mailbox.model import Box, State
from ombud.receiver.documents import unpack

# Webhooks that a run answers for and that are shown, the oldest.
MOST_ARRIVALS = 100
# Handlers and shops to choose from.
MOST_NAMES = 500


def list_runs(before: int, rows: int, wanted: Sought = EVERYTHING) -> Operation[Page]:
    """Return a page of runs of changes older than an id, newest first, and where to go on."""
    found, last = yield from find_runs(wanted, before, rows)
    return [run_document(row) for row in found], format_id("evt", last) if last else None


def get_run(caller: Caller, event_id: int, lane_id: int) -> Operation[Document]:
    """Return a run with its tries, the read that proves it, the webhooks that it answers for, and the difference.

    Raises NotFound for one that is not there, or not the caller's to see.
    """
    row = yield from find_run(caller, event_id, lane_id)
    told = told_of_change(row["data"])
    attempts = yield from tries_of(row)
    readings = yield sql["reading"], {"shop_id": row["shop_id"], "id": told.get("reading", 0)}
    traces = yield sql["trace_of"], {"event_id": event_id, "lane_id": lane_id}
    before, after = yield from _documents(row, told)
    return run_document(row) | {
        "attempts": attempts,
        "traceback": traces[0]["text"] if traces else None,
        "read": reading_document(readings[0]) if readings else None,
        "arrivals": (yield from _arrivals(row, told, readings[0]["event_id"] if readings else 0)),
        "before": before is not None,
        "after": after is not None,
        "difference": [asdict(field) for field in difference(before, after)],
    }


def find_run(caller: Caller, event_id: int, lane_id: int) -> Operation[Row]:
    """Return the row of a run; raises NotFound."""
    rows = yield sql["one_run"], {"box": Box.CHANGES, "event_id": event_id, "lane_id": lane_id}
    if not rows or not caller.sees(rows[0]["shop_id"]):
        raise NotFound(f"There is no run {format_delivery_id(event_id, lane_id)}.")
    row: Row = rows[0]
    return row


def told_of_change(data: str | None) -> dict[str, Any]:
    """Return what a change says of itself; nothing when it cannot be read."""
    try:
        told = json.loads(data or "{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def handler_names() -> Operation[list[str]]:
    """Return the names of all handlers that were ever here."""
    return [row["name"] for row in (yield sql["handler_names"], {"rows": MOST_NAMES})]


def shop_names(caller: Caller) -> Operation[list[tuple[int, str]]]:
    """Return number and name of each shop that a caller sees."""
    rows = yield sql["shop_names"], {"shop_id": caller.shop_id, "rows": MOST_NAMES}
    return [(row["id"], row["name"]) for row in rows]


def reading_document(row: Row) -> Document:
    """Return a look at the shop's API as a document."""
    return {
        "id": format_id("rd", row["id"]),
        "started_at": rfc3339(row["started_at"]),
        "status": row["status"],
        "milliseconds": row["milliseconds"],
        "listed": bool(row["listed"]),
    }


def run_document(row: Row) -> Document:
    """Return a run as a document."""
    source = told_of_change(row["data"]).get("source")
    return {
        "id": format_delivery_id(row["id"], row["lane_id"]),
        "shop": row["shop"],
        "handler": row["handler"],
        "event_type": row["type"],
        "subject": row["subject"],
        "source": source if isinstance(source, str) else None,
        "created_at": rfc3339(row["created_at"]),
        "state": state_word(row),
        "reason": row["reason"],
        "tries": row["tries"],
        "replays": row["generation"],
        "next_attempt_at": next_try_at(row),
        "last_attempt": last_attempt(row),
    }


def _arrivals(row: Row, told: dict[str, Any], until: int) -> Operation[list[Document]]:
    """Return the webhooks that had come when the read began, since the one of the read before."""
    arrival = told.get("arrival", 0)
    values = {"shop_id": row["shop_id"], "subject": row["subject"], "box": Box.INBOX, "rows": MOST_ARRIVALS}
    values |= {"after": told.get("after", arrival - 1), "until": until or arrival}
    rows = yield sql["arrivals_since"], values
    return [
        {"id": format_id("evt", one["id"]), "event_type": one["type"], "received_at": rfc3339(one["created_at"])}
        for one in rows
    ]


def _documents(row: Row, told: dict[str, Any]) -> Operation[tuple[dict[str, Any] | None, dict[str, Any] | None]]:
    """Return the object before and after: for a run that has ended as it was known, else as its handler knows it."""
    before = told.get("known")
    if row["state"] in (State.PENDING, State.DEAD):
        values = {"shop_id": row["shop_id"], "handler_id": row["handler_id"], "subject": row["subject"]}
        finished = yield sql["finished_with"], values
        before = finished[0]["applied_version"] if finished else before
    return (yield from _document(row, before)), (yield from _document(row, told.get("version")))


def _document(row: Row, version: Any) -> Operation[dict[str, Any] | None]:
    if not isinstance(version, str):
        return None
    rows = yield sql["body_of"], {"shop_id": row["shop_id"], "version": version}
    return unpack(rows[0]["body"]) if rows else None
