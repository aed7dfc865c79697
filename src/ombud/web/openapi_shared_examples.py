"""An example of each answer that both APIs give, as it really is: a test asks and compares."""

from typing import Any

TIME = "2026-11-02T08:14:05.123456Z"

_PERSON: dict[str, Any] = {
    "id": "prs_1q8z6k0v2m00c",
    "name": "Anna",
    "role": "editor",
    "shop_id": 0,
    "created_at": TIME,
}
_LINK = {"link": "https://ombud.example.com/set-up/opens-once", "expires_at": TIME}
_KEY: dict[str, Any] = {
    "name": "ERP",
    "scopes": ["events:write", "read"],
    "shop_id": 0,
    "created_at": TIME,
    "last_used_at": TIME,
}
_ENTRY: dict[str, Any] = {
    "id": "log_1q8z6k0v2m00d",
    "at": TIME,
    "actor": "Anna",
    "action": "endpoint.pause",
    "target": "ep_0c3k9w8t1r000",
    "shop_id": 1,
    "detail": "",
}
_ALARM: dict[str, Any] = {
    "id": "alm_1q8z6k0v2m004",
    "cause": "endpoint.failing",
    "about": "ep_0c3k9w8t1r000",
    "shop_id": 1,
    "since": TIME,
    "facts": {"endpoint_id": "ep_0c3k9w8t1r000", "url": "https://example.com/…"},
    "began_at": TIME,
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
    "created_at": TIME,
    "waiting": 0,
    "sent_at": None,
    "failing_since": None,
    "reason": None,
    "next_try_at": None,
}

# A try, of a delivery or of a run.
ATTEMPT = {"at": TIME, "status": 200, "milliseconds": 61, "outcome": "done", "reason": None, "late": False}
# What is told of a delivery and of a run alike.
WORK: dict[str, Any] = {
    "event_type": "order.new",
    "subject": "order/90017",
    "created_at": TIME,
    "state": "done",
    "reason": None,
    "tries": 1,
    "replays": 0,
    "next_attempt_at": None,
    "last_attempt": {"status": 200, "milliseconds": 61, "outcome": "done", "at": TIME},
}


def page(row: dict[str, Any]) -> dict[str, Any]:
    """Return the only page of a list with one row."""
    return {"data": [row], "next_cursor": None}


def replays(of: str, found: dict[str, str]) -> dict[str, Any]:
    """Return the answers of replays of one kind, with a filter of it."""
    replay: dict[str, Any] = {
        "id": "rpl_1q8z6k0v2m004",
        "of": of,
        "shop_id": None,
        "made_by": "ops",
        "created_at": TIME,
        "filter": found,
        "per_second": 50,
        "count": 4120,
        "count_is_exact": True,
        "sent": 0,
        "state": "running",
        "stands_still": False,
        "reached": None,
        "ended_at": None,
    }
    return {
        "POST /v1/replays/dry-run": {"count": 4120, "count_is_exact": True},
        "POST /v1/replays": replay,
        "GET /v1/replays": page(replay),
        "GET /v1/replays/{replay_id}": replay,
        "POST /v1/replays/{replay_id}/cancel": replay | {"state": "cancelled", "ended_at": TIME},
    }


# By method and path: what a route answers when all is well.
ANSWERS: dict[str, Any] = {
    "GET /v1/people": page(_PERSON),
    "POST /v1/people": _PERSON | {"name": "anna@example.com"},
    "GET /v1/people/{person_id}": _PERSON,
    "PATCH /v1/people/{person_id}": _PERSON,
    "POST /v1/people/{person_id}/end-sessions": _PERSON,
    "POST /v1/people/{person_id}/reset": _LINK,
    "POST /v1/invitations": {"role": "editor", "shop_id": 0} | _LINK,
    "GET /v1/keys": page(_KEY),
    "GET /v1/keys/{name}": _KEY,
    "POST /v1/keys": _KEY | {"last_used_at": None, "key": "ombud_shown once"},
    "GET /v1/audit": page(_ENTRY),
    "GET /v1/alarms": page(_ALARM),
    "GET /v1/alarm-channels": page(_CHANNEL),
    "POST /v1/alarm-channels": _CHANNEL,
    "GET /v1/alarm-channels/{channel_id}": _CHANNEL,
    "PATCH /v1/alarm-channels/{channel_id}": _CHANNEL,
    "POST /v1/alarm-channels/{channel_id}/test": {"sent": True, "reason": None},
}
