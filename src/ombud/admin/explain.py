"""Why an event was sent to an endpoint, or was not: of each one of its shop, in words, with the request as curl."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ombud.admin.access import OPERATOR, Caller
from ombud.admin.events import Document, rfc3339, rfc3339_or_none
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput, KeyMissing, NotFound
from ombud.mailbox.ids import format_delivery_id, format_id
from ombud.mailbox.model import NEVER, Box, Delivery, State
from ombud.sender.curl import curl_of
from ombud.sender.deliver import request_of
from ombud.sender.destination import destination_of
from ombud.sender.endpoint import in_order
from ombud.sender.outbox import TEST_DATA
from ombud.sender.url import redacted
from ombud.sender.vault import Vault
from ombud.wire import OPERATIONAL_TYPES

sql = read_queries("ombud.admin")
sender_sql = read_queries("ombud.sender")

# Endpoints of one shop, deleted ones among them, of which is told; the newest.
ENDPOINTS = 200


class Why(NamedTuple):
    """A word for programs, a sentence for people, and when the next try is at the earliest (UTC microseconds)."""

    verdict: str
    words: str
    next_try_at: int | None = None


def explain_event(event_id: int, now: int, vault: Vault, caller: Caller = OPERATOR) -> Operation[Document]:
    """Return why an event was or was not sent to each endpoint that the caller sees; raises NotFound."""
    rows = yield sql["get_event"], {"box": Box.OUTBOX, "id": event_id}
    if not rows or not caller.sees(rows[0]["shop_id"]):
        raise NotFound(f"There is no event {format_id('evt', event_id)}.")
    event = rows[0]
    values = {"shop_id": event["shop_id"], "type": event["type"], "rows": ENDPOINTS}
    endpoints = yield sql["endpoints_for_event"], values
    deliveries = yield sql["deliveries_with_lanes"], {"day": event["day"], "event_id": event_id}
    by_endpoint = {row["endpoint_id"]: row for row in deliveries}
    documents = []
    for endpoint in endpoints:
        if caller.sees(endpoint["shop_id"]):
            delivery = by_endpoint.get(endpoint["id"])
            documents.append(_document(event, endpoint, delivery, why(event, endpoint, delivery, now)))
    requests = yield from _requests(event, endpoints, by_endpoint, vault)
    for document in documents:
        document["curl"] = requests.get(document["endpoint_id"])
    about = {"event_type": event["type"], "subject": event["subject"]}
    return {"id": format_id("evt", event_id), **about, "data": documents}


def why(event: Row, endpoint: Row, delivery: Row | None, now: int) -> Why:
    """Return why an endpoint was or was not sent an event. Pure."""
    return _never_written(event, endpoint) if delivery is None else _of_delivery(endpoint, delivery, now)


def _never_written(event: Row, endpoint: Row) -> Why:
    deleted_at = endpoint["deleted_at"]
    if event["data"] == TEST_DATA:
        return Why("other", "It is a test of another endpoint.")
    if deleted_at is not None and deleted_at <= event["created_at"]:
        return Why("deleted", f"The endpoint was deleted before, at {rfc3339(deleted_at)}.")
    if endpoint["created_at"] > event["created_at"]:
        return Why("later", f"The endpoint was added later, at {rfc3339(endpoint['created_at'])}.")
    if event["type"] in OPERATIONAL_TYPES and endpoint["wants"]:
        return Why("itself", "It hears nothing of itself, and this is about it; or it chose the type later.")
    chosen = ", ".join(in_order((endpoint["event_types"] or "").split(",")))
    if endpoint["wants"]:
        return Why("filter", f"The endpoint has chosen {event['type']} since; it had not when the event came.")
    return Why("filter", f"The endpoint does not want {event['type']}; it hears of {chosen}.")


def _of_delivery(endpoint: Row, delivery: Row, now: int) -> Why:
    reason = delivery["reason"] or ""
    match State(delivery["state"]):
        case State.DONE:
            return Why("sent", f"Acknowledged at try {delivery['tries']}.")
        case State.DEAD:
            return Why("dead", f"Given up after {delivery['tries']} tries: {reason} It can be replayed.")
        case State.SKIPPED:
            return _skipped(endpoint, reason)
        case State.PENDING:
            return _pending(endpoint, delivery, now)


def _skipped(endpoint: Row, reason: str) -> Why:
    if reason == "endpoint disabled" and endpoint["disabled_at"] is not None:
        return Why("disabled", f"{_disabled(endpoint)} Enable it and replay the delivery.")
    if reason.startswith("covered by "):
        return Why("covered", f"A newer event of the same type about the same product stands for it: {reason[11:]}.")
    return Why("skipped", f"Skipped: {reason}. It can be replayed.")


def _disabled(endpoint: Row) -> str:
    since = f" since {rfc3339(endpoint['disabled_at'])}" if endpoint["disabled_at"] is not None else ""
    by = f" {endpoint['disabled_reason']}" if endpoint["disabled_reason"] else ""
    return f"The endpoint has been disabled{since}.{by}"


def _pending(endpoint: Row, delivery: Row, now: int) -> Why:
    due_at, hold_until = delivery["due_at"], delivery["hold_until"]
    tried = f"Try {delivery['tries']} failed: {delivery['reason']} " if delivery["tries"] else ""
    if endpoint["deleted_at"] is not None:
        words = f"The endpoint was deleted at {rfc3339(endpoint['deleted_at'])}"
        return Why("deleted", f"{words}: the delivery is about to end as skipped.")
    if not endpoint["enabled"]:
        return Why("disabled", f"{_disabled(endpoint)} The delivery is about to end as skipped.")
    if hold_until == NEVER:
        return Why("paused", f"{tried}The endpoint is paused, until somebody resumes it.")
    if delivery["closed_at"] is not None:
        since, at = rfc3339(delivery["closed_at"]), max(due_at, hold_until)
        words = f"{tried}Held: every try has failed since {since}, so there is one at a time, of whatever waits."
        return Why("held", f"{words} Not before {rfc3339(at)}.", at)
    if due_at > now:
        return Why("retry", f"{tried}The next try is at {rfc3339(due_at)}.", due_at)
    return Why(*_of_due(endpoint, delivery, tried), due_at)


def _of_due(endpoint: Row, delivery: Row, tried: str) -> tuple[str, str]:
    if endpoint["rate_per_minute"] is not None:
        rate = endpoint["rate_per_minute"]
        return "rate", f"{tried}Due, and waits for its turn: {rate} a minute are sent at most."
    if delivery["lease_token"] is not None:
        return "in flight", f"{tried}In a worker's hands: under way, or next in its line."
    return "due", f"{tried}Due, and waits for a worker."


def _document(event: Row, endpoint: Row, delivery: Row | None, found: Why) -> Document:
    return {
        "endpoint_id": format_id("ep", endpoint["id"]),
        "url": redacted(endpoint["url"]),
        "delivery_id": None if delivery is None else format_delivery_id(event["id"], delivery["lane_id"]),
        "verdict": found.verdict,
        "why": found.words,
        "next_try_at": rfc3339_or_none(found.next_try_at),
        "curl": None,
    }


def _requests(
    event: Row, endpoints: Sequence[Row], deliveries: Mapping[int, Row], vault: Vault
) -> Operation[dict[str, str]]:
    """Return the requests as they would be made now, by their endpoints, where there is or was one to make."""
    lanes = {deliveries.get(row["id"], row)["lane_id"] for row in endpoints}
    facts = yield sender_sql["destination_facts"], [(lane_id,) for lane_id in sorted(lanes)]
    requests: dict[str, str] = {}
    for row in facts:
        delivery = Delivery(
            event["day"], event["shop_id"], event["id"], row["lane_id"], event["type"], event["subject"],
            event["data"], event["created_at"], 0, 0, 0, 0, None,
        )  # fmt: skip
        try:
            url, request = request_of(delivery, destination_of(row, vault))
        except (InvalidInput, KeyMissing):
            continue
        private = row["authority"] is not None
        requests[format_id("ep", row["endpoint_id"])] = curl_of(url, request, private_authority=private)
    return requests
