"""An example of each answer of the receiver's API, as it really is: a test asks and compares."""

from typing import Any

from ombud.web.openapi_shared_examples import ATTEMPT, TIME, WORK, page, replays

_RUN = {
    "id": "dlv_0c3k9w8t1r0050c3k9w8t1r006",
    "handler": "ship",
    "event_type": "order.new",
    "state": "done",
    "reason": None,
    "attempts": [ATTEMPT | {"status": None}],
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
_CHANGE: dict[str, Any] = WORK | {
    "id": _RUN["id"],
    "shop": "shop",
    "handler": "ship",
    "source": "webhook",
    "last_attempt": WORK["last_attempt"] | {"status": None},
}
_ONE_RUN = _CHANGE | {
    "last_attempt": None,
    "attempts": [ATTEMPT | {"status": None, "generation": 0}],
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
    "refused_minutes": {"hour": 0, "day": 0, "week": 0, "month": 0},
    "restless_fields": {"hour": [], "day": ["views"], "week": ["views"], "month": ["views"]},
    "compared": {"orders": TIME, "products": TIME},
    "sources": [{"address": "192.0.2.7", "known": True, "first_at": TIME, "last_at": TIME}],
}
_AGAIN = {"state": "pending", "next_attempt_at": TIME}

# By method and path: what a route answers when all is well.
ANSWERS: dict[str, Any] = {
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
    **replays("runs", {"state": "dead", "handler": "ship", "until": TIME}),
}
