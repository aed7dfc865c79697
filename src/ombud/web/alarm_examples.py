"""An example of each request and answer about alarms, as they really are: a test sends and compares them."""

from typing import Any

_TIME = "2026-11-02T08:14:05.123456Z"

_ALARM: dict[str, Any] = {
    "id": "alm_1q8z6k0v2m004",
    "cause": "endpoint.failing",
    "about": "ep_0c3k9w8t1r000",
    "shop_id": 1,
    "since": _TIME,
    "facts": {"endpoint_id": "ep_0c3k9w8t1r000", "url": "https://example.com/…"},
    "began_at": _TIME,
    "ended_at": None,
}
_CHANNEL: dict[str, Any] = {
    "id": "alc_1q8z6k0v2m005",
    "shop_id": 0,
    "kind": "webhook",
    "target": "https://hooks.example.com/…",
    "name": "The team's channel",
    "causes": ["endpoint.failing", "endpoint.disabled"],
    "language": "en",
    "zone": "Europe/Stockholm",
    "quiet_hours": "22:00-07:00",
    "enabled": True,
    "created_at": _TIME,
    "waiting": 0,
    "sent_at": None,
    "failing_since": None,
    "reason": None,
    "next_try_at": None,
}

# By method and path: what a route answers when all is well, and what it takes.
ANSWERS: dict[str, Any] = {
    "GET /v1/alarms": {"data": [_ALARM], "next_cursor": None},
    "GET /v1/alarm-channels": {"data": [_CHANNEL], "next_cursor": None},
    "POST /v1/alarm-channels": _CHANNEL,
    "GET /v1/alarm-channels/{channel_id}": _CHANNEL,
    "PATCH /v1/alarm-channels/{channel_id}": _CHANNEL,
    "POST /v1/alarm-channels/{channel_id}/test": {"sent": True, "reason": None},
}
BODIES: dict[str, dict[str, Any]] = {
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
