"""What requests bring, for the OpenAPI document: examples, and the schema where there is no model of FastAPI's."""

from typing import Any

from ombud.sender.outbox import LARGEST_SHOP_ID, LONGEST_EVENT_KEY
from ombud.web.openapi_parts import OBJECT_ID_PATTERN
from ombud.wire import EVENT_TYPES, PARAMETER_OF, PARAMETERS

# Ids may be numbers as well: as many digits as an id has characters.
_LEAST_ID_NUMBER, _LARGEST_ID_NUMBER = 1 - 10**63, 10**64 - 1

_OBJECT_ID = {
    "anyOf": [
        {"type": "string", "pattern": OBJECT_ID_PATTERN},
        {"type": "integer", "minimum": _LEAST_ID_NUMBER, "maximum": _LARGEST_ID_NUMBER},
    ]
}
_COMMON = {
    "event_key": {
        "description": "What makes publishing idempotent: the same key is the same event.",
        "anyOf": [{"type": "string", "minLength": 1, "maxLength": LONGEST_EVENT_KEY}, {"type": "null"}],
    },
    "shop_id": {
        "description": "Default: the key's shop.",
        "type": "integer",
        "minimum": 1,
        "maximum": LARGEST_SHOP_ID,
    },
}


def _event(parameter: str) -> dict[str, Any]:
    """Return the schema of an event about an order or a product."""
    types = [event_type for event_type in EVENT_TYPES if PARAMETER_OF[event_type] == parameter]
    [other] = PARAMETERS - {"event_type", parameter}
    return {
        "type": "object",
        "required": ["event_type", parameter],
        "additionalProperties": False,
        "properties": {"event_type": {"enum": types}, parameter: _OBJECT_ID, other: {"type": "null"}, **_COMMON},
    }


# An event as a publisher writes it (ombud.web.intake.EventBody).
EVENT: dict[str, Any] = {"oneOf": [_event("order_id"), _event("product_id")]}

# What a route takes.
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/events": {
        "examples": {
            "one": {"value": {"event_type": "order.new", "order_id": "90017", "event_key": "order-90017-paid"}},
            "several": {
                "value": [
                    {"event_type": "order.done", "order_id": 90017},
                    {"event_type": "product.update", "product_id": "7"},
                ]
            },
        }
    },
    "POST /v1/endpoints": {
        "example": {
            "url": "https://example.com/webhooks",
            "event_types": ["order.new", "order.cancelled"],
            "description": "Our warehouse",
        }
    },
    "PATCH /v1/endpoints/{endpoint_id}": {"example": {"description": "Our new warehouse"}},
    "POST /v1/endpoints/{endpoint_id}/test": {"example": {"event_type": "order.new", "object_id": "90017"}},
    "POST /v1/replays/dry-run": {"example": {"state": "dead", "since": "2026-11-02T08:00:00Z"}},
    "POST /v1/replays": {"example": {"state": "dead", "status": "5xx", "per_second": 50}},
    "POST /v1/people": {"example": {"address": "anna@example.com", "role": "editor"}},
    "POST /v1/invitations": {"example": {"role": "editor"}},
    "PATCH /v1/people/{person_id}": {"example": {"role": "reader", "shop_id": 7}},
    "POST /v1/keys": {"example": {"name": "ERP", "scopes": ["events:write", "read"]}},
    "POST /v1/endpoints/{endpoint_id}/secret": {"example": {"overlap_seconds": 3600}},
    "POST /v1/alarm-channels": {
        "example": {
            "kind": "webhook",
            "target": "https://example.com/hooks/of-the-team",
            "name": "The team's channel",
            "quiet_hours": "22:00-07:00",
        }
    },
    "PATCH /v1/alarm-channels/{channel_id}": {"example": {"quiet_hours": None}},
}
# The same of the receiver's, where a route of the same name takes something else.
INBOX_BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/replays/dry-run": {"example": {"of": "runs", "state": "dead", "handler": "ship"}},
    "POST /v1/replays": {"example": {"of": "arrivals", "state": "held", "per_second": 10}},
}
