"""Events of the sender, with their deliveries and every attempt, as documents."""

from datetime import datetime
from typing import Any

from ombud.admin.access import EVERY_SHOP, OPERATOR, Caller
from ombud.admin.walk import walk
from ombud.clock import microseconds_of, utc
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput, NotFound
from ombud.mailbox.ids import ID_LIMIT, format_delivery_id, format_id
from ombud.mailbox.model import Box, State
from ombud.sender.outbox import TEST_DATA
from ombud.sender.url import redacted

sql = read_queries("ombud.admin")

Document = dict[str, Any]
# Documents, and where the next page begins, if there is one.
Page = tuple[list[Document], str | None]

# No limit, as a number.
ALL_ROWS = ID_LIMIT - 1


def rfc3339(microseconds: int) -> str:
    """Return a time as the API writes it: UTC, with microseconds."""
    return utc(microseconds).isoformat(timespec="microseconds").replace("+00:00", "Z")


def rfc3339_or_none(microseconds: int | None) -> str | None:
    """Return a time as the API writes it, None for none."""
    return None if microseconds is None else rfc3339(microseconds)


def parse_time(text: str, field: str) -> int:
    """Return UTC microseconds of a time in RFC 3339 with its offset; raises InvalidInput."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None or microseconds_of(time) < 0:
        raise InvalidInput(field, "It is a time with its offset, such as 2026-11-26T08:00:00Z.")
    return microseconds_of(time)


def list_events(before: int, rows: int) -> Operation[list[Document]]:
    """Return events older than an id, newest first, each with its deliveries counted by state."""
    found = yield sql["list_events"], {"box": Box.OUTBOX, "before": before, "rows": rows}
    return [_counted(row) for row in found]


def list_events_of_shop(shop_id: int, before: int, rows: int) -> Operation[Page]:
    """Return a page of a shop's events older than an id, newest first, counting deliveries to its own endpoints."""

    def part(before: int, since: int, rows: int) -> Operation[list[Row]]:
        values = {"box": Box.OUTBOX, "before": before, "since": since, "rows": rows, "shop_id": shop_id}
        return (yield sql["list_events_of_shop"], values)

    found, last = yield from walk(Box.OUTBOX, before, rows, part)
    return [_counted(row) for row in found], format_id("evt", last) if last else None


def get_event(event_id: int, caller: Caller = OPERATOR) -> Operation[Document]:
    """Return one event with the deliveries that the caller sees, and their attempts; raises NotFound."""
    rows = yield sql["get_event"], {"box": Box.OUTBOX, "id": event_id}
    if not rows or not caller.sees(rows[0]["shop_id"]):
        raise NotFound(f"There is no event {format_id('evt', event_id)}.")
    key = {"day": rows[0]["day"], "event_id": event_id}
    deliveries = yield sql["deliveries_of_event"], key | {"rows": ALL_ROWS}
    attempts = yield sql["attempts_of_event"], key
    shown = [
        _delivery(row, [attempt for attempt in attempts if attempt["lane_id"] == row["lane_id"]])
        for row in deliveries
        if caller.sees(row["lane_shop_id"])
    ]
    fan_out = rows[0]["fan_out"] if caller.shop_id == EVERY_SHOP else len(shown)
    return _event(rows[0]) | {"fan_out": fan_out, "deliveries": shown}


def _counted(row: Row) -> Document:
    return _event(row) | {"deliveries": {state.name.lower(): row[state.name.lower()] for state in State}}


def _event(row: Row) -> Document:
    return {
        "id": format_id("evt", row["id"]),
        "shop_id": row["shop_id"],
        "event_type": row["type"],
        "subject": row["subject"],
        "test": row["data"] == TEST_DATA,
        "created_at": rfc3339(row["created_at"]),
        "fan_out": row["fan_out"],
    }


def _delivery(row: Row, attempts: list[Row]) -> Document:
    return {
        "id": format_delivery_id(row["event_id"], row["lane_id"]),
        "endpoint_id": format_id("ep", row["endpoint_id"]) if row["endpoint_id"] else None,
        "url": redacted(row["url"]) if row["url"] else None,
        "state": State(row["state"]).name.lower(),
        "reason": row["reason"],
        "next_attempt_at": next_try_at(row),
        "attempts": [attempt_document(attempt) for attempt in attempts],
    }


def next_try_at(row: Row) -> str | None:
    """Return when a delivery is tried again; None for one that does not wait, and for none."""
    return rfc3339(row["due_at"]) if row["state"] == State.PENDING else None


def last_attempt(row: Row) -> Document | None:
    """Return the last try that the row of a delivery has brought along."""
    if row["at"] is None:
        return None
    return {name: row[name] for name in ("status", "milliseconds", "outcome")} | {"at": rfc3339(row["at"])}


def attempt_document(row: Row) -> Document:
    """Return a try as a document."""
    return {
        "at": rfc3339(row["at"]),
        "status": row["status"],
        "milliseconds": row["milliseconds"],
        "outcome": row["outcome"],
        "reason": row["reason"],
        "late": bool(row["late"]),
    }
