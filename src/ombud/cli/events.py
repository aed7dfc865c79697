"""`ombud events`: what a sender has accepted, and what became of it."""

import json
from pathlib import Path
from typing import Any

from ombud.admin.events import Document, get_event, list_events
from ombud.cli.wiring import database_url, open_existing, settings_of_environment
from ombud.mailbox.ids import ID_LIMIT, parse_id


def run_events(event_id: str, database: str, data: Path | None, limit: int, *, as_json: bool) -> None:
    """Print the latest events, or one with its deliveries and attempts."""
    opened = open_existing(database_url(database, settings_of_environment(), data))
    try:
        if event_id:
            number = parse_id("evt", event_id, "EVENT_ID")
            event = opened.read(lambda: get_event(number))
            print(json.dumps(event, indent=2) if as_json else _story(event))
        else:
            events = opened.read(lambda: list_events(ID_LIMIT - 1, limit))
            print(json.dumps({"data": events}, indent=2) if as_json else _table(events))
    finally:
        opened.close()


def _table(events: list[Document]) -> str:
    if not events:
        return "No events yet. Publish one: POST /v1/events, or pay an order in the shop."
    return "\n".join(
        f"{event['created_at'][:23]}Z  {event['id']}  {event['event_type']:<15}  {event['subject']:<16}  "
        + _counts(event)
        for event in events
    )


def _counts(event: Document) -> str:
    counts = [f"{count} {state}" for state, count in event["deliveries"].items() if count]
    return ", ".join(counts) or "no endpoint wants it"


def _story(event: Document) -> str:
    lines = [f"{event['id']}  {event['event_type']}  {event['subject']}  accepted {event['created_at']}"]
    for delivery in event["deliveries"]:
        lines.append(f"  {delivery['url']}  {delivery['state']}{_why(delivery)}")
        lines += [
            f"    {attempt['at']}  {attempt['status'] or '---'}  {attempt['milliseconds']} ms"
            f"  {attempt['outcome']}{_why(attempt)}"
            for attempt in delivery["attempts"]
        ]
    return "\n".join(lines)


def _why(document: dict[str, Any]) -> str:
    return f": {document['reason']}" if document["reason"] else ""
