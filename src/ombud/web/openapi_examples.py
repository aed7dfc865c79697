"""An example of each answer of the sender's API, as it really is: a test asks and compares."""

from typing import Any

from ombud.web.openapi_shared_examples import ATTEMPT, TIME, WORK, page, replays

_ENDPOINT: dict[str, Any] = {
    "id": "ep_0c3k9w8t1r000",
    "shop_id": 1,
    "url": "https://example.com/webhooks",
    "event_types": ["order.new", "order.cancelled"],
    "description": "Our warehouse",
    "enabled": True,
    "headers": {},
    "strict": False,
    "only_200": False,
    "authority": None,
    "latest_only": False,
    "rate_per_minute": None,
    "retry": "",
    "signed": True,
    "previous_secret_until": None,
    "disabled_reason": None,
    "disabled_at": None,
    "sending_since": None,
    "created_at": TIME,
    "updated_at": TIME,
    "state": "open",
    "closed_since": None,
    "next_try_at": None,
}
_SECRET = {"secret": "whsec_shown once"}
_EVENT: dict[str, Any] = {
    "id": "evt_0c3k9w8t1r001",
    "shop_id": 1,
    "event_type": "order.new",
    "subject": "order/90017",
    "test": False,
    "created_at": TIME,
    "fan_out": 1,
}
_DELIVERY = {
    "id": "dlv_0c3k9w8t1r0010c3k9w8t1r002",
    "endpoint_id": "ep_0c3k9w8t1r000",
    "url": "https://example.com/…",
    "state": "done",
    "reason": None,
    "next_attempt_at": None,
    "attempts": [ATTEMPT],
}
_WAITING = _DELIVERY | {"state": "pending", "next_attempt_at": TIME, "attempts": []}
_WHY = {
    "endpoint_id": "ep_0c3k9w8t1r000",
    "url": "https://example.com/…",
    "delivery_id": _DELIVERY["id"],
    "verdict": "due",
    "why": "Due, and waits for a worker.",
    "next_try_at": TIME,
    "curl": "curl --http1.1 … 'https://example.com/webhooks?event_type=order.new&order_id=90017'",
}
_FOUND: dict[str, Any] = WORK | {
    "id": "dlv_0c3k9w8t1r0010c3k9w8t1r002",
    "event_id": "evt_0c3k9w8t1r001",
    "endpoint_id": "ep_0c3k9w8t1r000",
    "url": "https://example.com/…",
    "shop_id": 1,
    "test": False,
}
_ONE = _FOUND | {"last_attempt": None, "attempts": [ATTEMPT | {"generation": 0}]}
_DONE = {"delivered": 1, "failed": 0, "milliseconds": {"p50": 100, "p95": 100, "p99": 100}}
_FIGURES: dict[str, Any] = {
    "period": "24h",
    "accepted": 1,
    **_DONE,
    "waiting": 0,
    "oldest_due_seconds": 0.0,
    "points": [{"at": TIME, "accepted": 1, **_DONE, "waiting": 0, "oldest_due_seconds": 0.0}],
    "endpoints": [
        {
            "id": "ep_0c3k9w8t1r000",
            "shop_id": 1,
            "url": "https://example.com/…",
            "state": "open",
            "tries": 1,
            "failed": 0,
            "p95_milliseconds": 100,
            "waiting": 0,
            "last_try_at": TIME,
            "last_status": 200,
        }
    ],
}


# By method and path: what a route answers when all is well.
ANSWERS: dict[str, Any] = {
    "POST /v1/events": {
        "id": _EVENT["id"],
        "event_type": "order.new",
        "subject": "order/90017",
        "deliveries": 1,
    },
    "GET /v1/events": page(_EVENT | {"deliveries": {"pending": 0, "done": 1, "dead": 0, "skipped": 0}}),
    "GET /v1/events/{event_id}": _EVENT | {"deliveries": [_DELIVERY]},
    "GET /v1/events/{event_id}/explain": {
        "id": _EVENT["id"],
        "event_type": "order.new",
        "subject": "order/90017",
        "data": [_WHY],
    },
    "GET /v1/endpoints": page(_ENDPOINT),
    "POST /v1/endpoints": _ENDPOINT | _SECRET,
    "GET /v1/endpoints/{endpoint_id}": _ENDPOINT,
    "PATCH /v1/endpoints/{endpoint_id}": _ENDPOINT,
    "POST /v1/endpoints/{endpoint_id}/pause": _ENDPOINT | {"state": "paused"},
    "POST /v1/endpoints/{endpoint_id}/resume": _ENDPOINT,
    "POST /v1/endpoints/{endpoint_id}/restore": _ENDPOINT,
    "POST /v1/endpoints/{endpoint_id}/test": _EVENT | {"test": True, "deliveries": [_WAITING]},
    "POST /v1/endpoints/{endpoint_id}/secret": _ENDPOINT | _SECRET,
    "GET /v1/deliveries": page(_FOUND),
    "GET /v1/deliveries/{delivery_id}": _ONE,
    "POST /v1/deliveries/{delivery_id}/resend": _ONE | {"state": "pending", "next_attempt_at": TIME, "replays": 1},
    "GET /v1/overview": _FIGURES,
    **replays("deliveries", {"state": "dead", "status": "5xx", "until": TIME}),
}
