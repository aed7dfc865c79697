"""An example of each answer of one of the two APIs, as it really is: a test asks and compares."""

from typing import Any

from ombud.web.openapi_shared_examples import TIME, page

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
_ATTEMPT = {"at": TIME, "status": 200, "milliseconds": 61, "outcome": "done", "reason": None, "late": False}
_DELIVERY = {
    "id": "dlv_0c3k9w8t1r0010c3k9w8t1r002",
    "endpoint_id": "ep_0c3k9w8t1r000",
    "url": "https://example.com/…",
    "state": "done",
    "reason": None,
    "next_attempt_at": None,
    "attempts": [_ATTEMPT],
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
_RUN = {
    "id": "dlv_0c3k9w8t1r0050c3k9w8t1r006",
    "handler": "ship",
    "event_type": "order.new",
    "state": "done",
    "reason": None,
    "attempts": [_ATTEMPT | {"status": None}],
}
_FOUND: dict[str, Any] = {
    "id": "dlv_0c3k9w8t1r0010c3k9w8t1r002",
    "event_id": "evt_0c3k9w8t1r001",
    "endpoint_id": "ep_0c3k9w8t1r000",
    "url": "https://example.com/…",
    "shop_id": 1,
    "event_type": "order.new",
    "subject": "order/90017",
    "test": False,
    "created_at": TIME,
    "state": "done",
    "reason": None,
    "tries": 1,
    "replays": 0,
    "next_attempt_at": None,
    "last_attempt": {"status": 200, "milliseconds": 61, "outcome": "done", "at": TIME},
}
_ONE = _FOUND | {"last_attempt": None, "attempts": [_ATTEMPT | {"generation": 0}]}
_REPLAY: dict[str, Any] = {
    "id": "rpl_1q8z6k0v2m004",
    "shop_id": None,
    "made_by": "ops",
    "created_at": TIME,
    "filter": {"state": "dead", "status": "5xx", "until": TIME},
    "per_second": 50,
    "count": 4120,
    "count_is_exact": True,
    "sent": 0,
    "state": "running",
    "stands_still": False,
    "reached": None,
    "ended_at": None,
}
_ARRIVAL: dict[str, Any] = {
    "id": "evt_0c3k9w8t1r003",
    "shop": "shop",
    "event_type": "order.new",
    "subject": "order/90017",
    "received_at": TIME,
    "note": None,
    "state": "done",
    "reason": None,
    "next_attempt_at": None,
    "read": {"id": "rd_0c3k9w8t1r004", "started_at": TIME, "status": 200, "milliseconds": 48, "listed": False},
    "attempts": [],
    "runs": [_RUN],
}
_CHANGE: dict[str, Any] = {
    "id": _RUN["id"],
    "shop": "shop",
    "handler": "ship",
    "event_type": "order.new",
    "subject": "order/90017",
    "source": "webhook",
    "created_at": TIME,
    "state": "done",
    "reason": None,
    "tries": 1,
    "replays": 0,
    "next_attempt_at": None,
    "last_attempt": {"status": None, "milliseconds": 61, "outcome": "done", "at": TIME},
}
_ONE_RUN = _CHANGE | {
    "last_attempt": None,
    "attempts": [_ATTEMPT | {"status": None, "generation": 0}],
    "traceback": None,
    "read": _ARRIVAL["read"],
    "arrivals": [{"id": _ARRIVAL["id"], "event_type": "order.new", "received_at": TIME}],
    "before": False,
    "after": True,
    "difference": [{"path": "status", "before": None, "after": "1"}],
}
_SHOP: dict[str, Any] = {
    "id": "shop_0c3k9w8t1r007",
    "name": "shop",
    "tokens": [{"used_at": TIME}],
    "api_key_file": None,
    "reads_per_second": None,
    "paused_at": None,
    "created_at": TIME,
    "products_known_at": TIME,
    "waiting": {"reads": 0, "runs": 0},
}
_ONE_SHOP = _SHOP | {
    "learned": {"hour": {"order webhook": 12}, "day": {"order reconcile": 1}, "week": {}, "month": {}},
    "asked": {"hour": {"order": 12, "lists": 24}, "day": {}, "week": {}, "month": {}},
    "compared": {"orders": TIME, "products": TIME},
    "sources": [{"address": "192.0.2.7", "known": True, "first_at": TIME, "last_at": TIME}],
}
_AGAIN = {"state": "pending", "next_attempt_at": TIME}

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
    "POST /v1/replays/dry-run": {"count": 4120, "count_is_exact": True},
    "POST /v1/replays": _REPLAY,
    "GET /v1/replays": page(_REPLAY),
    "GET /v1/replays/{replay_id}": _REPLAY,
    "POST /v1/replays/{replay_id}/cancel": _REPLAY | {"state": "cancelled", "ended_at": TIME},
    "GET /v1/overview": _FIGURES,
    "GET /v1/arrivals": page(_ARRIVAL),
    "GET /v1/arrivals/{arrival_id}": _ARRIVAL,
    "POST /v1/arrivals/{arrival_id}/release": _ARRIVAL | _AGAIN,
    "POST /v1/arrivals/{arrival_id}/retry": _ARRIVAL | _AGAIN,
    "POST /v1/arrivals/{arrival_id}/skip": _ARRIVAL | {"state": "skipped", "reason": "skipped by hand"},
    "GET /v1/shops": page(_SHOP),
    "GET /v1/shops/{inbox_shop_id}": _ONE_SHOP,
    "POST /v1/shops/{inbox_shop_id}/token": _ONE_SHOP | {"tokens": [{"used_at": None}] * 2, "token": "shown once"},
    "POST /v1/shops/{inbox_shop_id}/end-token": _ONE_SHOP,
    "POST /v1/shops/{inbox_shop_id}/pause": _ONE_SHOP | {"paused_at": TIME},
    "POST /v1/shops/{inbox_shop_id}/resume": _ONE_SHOP,
    "GET /v1/runs": page(_CHANGE),
    "GET /v1/runs/{run_id}": _ONE_RUN,
    "POST /v1/runs/{run_id}/retry": _ONE_RUN | _AGAIN | {"replays": 1},
    "POST /v1/runs/{run_id}/skip": _ONE_RUN | {"state": "skipped", "reason": "skipped by hand"},
}
