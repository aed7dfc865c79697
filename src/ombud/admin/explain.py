"""Why an event was sent to an endpoint, or was not: of each one of its shop, in words, with the request as curl."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from ombud.admin.access import OPERATOR, Caller, Scope
from ombud.admin.events import Document, rfc3339_or_none
from ombud.admin.why import Why, why
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput, KeyMissing, NotFound
from ombud.mailbox.ids import format_delivery_id, format_id
from ombud.mailbox.model import Box
from ombud.sender.curl import curl_of
from ombud.sender.destination import Destinations
from ombud.sender.url import redacted
from ombud.sender.vault import Vault

sql = read_queries("ombud.admin")
sender_sql = read_queries("ombud.sender")

# Endpoints of one shop, deleted ones among them, of which is told; the newest.
ENDPOINTS = 200


class Explained(NamedTuple):
    """One endpoint, and why it was sent an event, or was not."""

    document: Document
    lane_id: int
    why: Why


def explain_event(event_id: int, now: int, vault: Vault, caller: Caller = OPERATOR) -> Operation[Document]:
    """Return why an event was or was not sent to each endpoint that the caller sees; raises NotFound.

    The request is there for who may change endpoints.
    """
    event, found = yield from explained(event_id, now, caller)
    # They show tokens, as they go over the wire.
    requests = (yield from _requests(event, found, vault)) if Scope.ENDPOINTS in caller.scopes else {}
    documents = [one.document | {"curl": requests.get(one.document["endpoint_id"])} for one in found]
    about = {"event_type": event["type"], "subject": event["subject"]}
    return {"id": format_id("evt", event_id), **about, "data": documents}


def explained(event_id: int, now: int, caller: Caller) -> Operation[tuple[Row, list[Explained]]]:
    """Return an event and what is to be said of its endpoints, without the requests; raises NotFound."""
    rows = yield sql["get_event"], {"box": Box.OUTBOX, "id": event_id}
    if not rows or not caller.sees(rows[0]["shop_id"]):
        raise NotFound(f"There is no event {format_id('evt', event_id)}.")
    event = rows[0]
    values = {"shop_id": event["shop_id"], "type": event["type"], "rows": ENDPOINTS}
    endpoints = yield sql["endpoints_for_event"], values
    deliveries = yield sql["deliveries_with_lanes"], {"day": event["day"], "event_id": event_id}
    by_endpoint = {row["endpoint_id"]: row for row in deliveries}
    found = []
    for endpoint in endpoints:
        if caller.sees(endpoint["shop_id"]):
            delivery = by_endpoint.get(endpoint["id"])
            reason = why(event, endpoint, delivery, now)
            lane_id = (delivery or endpoint)["lane_id"]
            found.append(Explained(_document(event, endpoint, delivery, reason), lane_id, reason))
    return event, found


def _document(event: Row, endpoint: Row, delivery: Row | None, found: Why) -> Document:
    return {
        "endpoint_id": format_id("ep", endpoint["id"]),
        "url": redacted(endpoint["url"]),
        "delivery_id": None if delivery is None else format_delivery_id(event["id"], delivery["lane_id"]),
        "verdict": found.verdict,
        "why": found.words,
        "next_try_at": rfc3339_or_none(found.next_try_at),
    }


def _requests(event: Row, found: Sequence[Explained], vault: Vault) -> Operation[dict[str, str]]:
    """Return the requests as they would be made now, by their endpoints, where there is or was one to make."""
    facts = yield sender_sql["destination_facts"], [(lane_id,) for lane_id in sorted(one.lane_id for one in found)]
    requests: dict[str, str] = {}
    destinations = Destinations(vault)
    for row in facts:
        try:
            to = destinations.read(row)
            request = to.request(event["id"], event["type"], event["subject"], int(time.time()))
        except (InvalidInput, KeyMissing):
            continue
        private = row["authority"] is not None
        requests[format_id("ep", row["endpoint_id"])] = curl_of(to.prepared.url, request, private_authority=private)
    return requests
