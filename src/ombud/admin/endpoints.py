"""Endpoints as documents: what was chosen, and how they do."""

from collections.abc import Sequence

from ombud.admin.events import Document, rfc3339, rfc3339_or_none
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.mailbox.ids import format_id, time_of_id
from ombud.mailbox.model import NEVER, Box
from ombud.sender.endpoint import Endpoint
from ombud.sender.url import redacted

sql = read_queries("ombud.admin")


def endpoint_documents(endpoints: Sequence[Endpoint], *, whole: bool) -> Operation[list[Document]]:
    """Return endpoints in the shape of the REST API, with how they do.

    `whole`: with all of their URLs and headers, for who may change them. A secret is never among it.
    """
    asked = [(endpoint.shop_id, endpoint.id, int(Box.OUTBOX)) for endpoint in endpoints]
    lanes: dict[int, list[Row]] = {endpoint.id: [] for endpoint in endpoints}
    for row in (yield sql["lanes_of_endpoints"], asked):
        lanes[row["endpoint_id"]].append(row)
    chosen = endpoint_document if whole else shown_endpoint
    return [chosen(endpoint) | _health(endpoint, lanes[endpoint.id]) for endpoint in endpoints]


def shown_endpoint(endpoint: Endpoint) -> Document:
    """Return the same, but of its URL where it leads, and of its headers their names: both hold tokens."""
    shown = {"url": redacted(endpoint.edit.url), "headers": {name: "…" for name, _ in endpoint.edit.headers}}
    return endpoint_document(endpoint) | shown


def endpoint_document(endpoint: Endpoint) -> Document:
    """Return what was chosen for an endpoint."""
    edit = endpoint.edit
    return {
        "id": format_id("ep", endpoint.id),
        "shop_id": endpoint.shop_id,
        "url": edit.url,
        "event_types": list(edit.event_types),
        "description": edit.description,
        "enabled": edit.enabled,
        "headers": dict(edit.headers),
        "strict": edit.strict,
        "only_200": edit.only_200,
        "authority": edit.authority,
        "latest_only": edit.latest_only,
        "rate_per_minute": edit.rate_per_minute,
        "retry": edit.retry,
        "signed": endpoint.signed and not edit.strict,
        "previous_secret_until": rfc3339_or_none(endpoint.previous_until),
        "disabled_reason": endpoint.disabled_reason,
        "disabled_at": rfc3339_or_none(endpoint.disabled_at),
        "sending_since": None if endpoint.backfill_id is None else rfc3339(time_of_id(endpoint.backfill_id)),
        "created_at": rfc3339(endpoint.created_at),
        "updated_at": rfc3339(endpoint.updated_at),
    }


def _health(endpoint: Endpoint, lanes: Sequence[Row]) -> Document:
    """Return `state` (open, closed, paused or disabled), since when it is closed, and when it is tried again."""
    paused = any(lane["hold_until"] == NEVER for lane in lanes)
    closed = [lane for lane in lanes if lane["closed_at"] is not None]
    state = "disabled" if not endpoint.edit.enabled else "paused" if paused else "closed" if closed else "open"
    return {
        "state": state,
        "closed_since": rfc3339(min(lane["closed_at"] for lane in closed)) if closed else None,
        "next_try_at": rfc3339(min(lane["hold_until"] for lane in closed)) if state == "closed" else None,
    }
