"""What ids and cursors in paths and queries look like, and where an id leads, for the OpenAPI document."""

from typing import Any

from ombud.web.bodies import optional
from ombud.web.openapi_parts import id_pattern

# Prefix and numbers of an id, by the name of its parameter.
_IDS = {
    "event_id": ("evt", 1),
    "endpoint_id": ("ep", 1),
    "delivery_id": ("dlv", 2),
    "replay_id": ("rpl", 1),
    "arrival_id": ("evt", 1),
    "run_id": ("dlv", 2),
    "inbox_shop_id": ("shop", 1),
    "person_id": ("prs", 1),
    "channel_id": ("alc", 1),
}
# What the cursor of a list is, by its path.
_CURSORS = {
    "/v1/events": ("evt", 1),
    "/v1/endpoints": ("ep", 1),
    "/v1/deliveries": ("dlv", 2),
    "/v1/replays": ("rpl", 1),
    "/v1/arrivals": ("evt", 1),
    "/v1/runs": ("evt", 1),
    "/v1/audit": ("log", 1),
    "/v1/alarms": ("alm", 1),
    "/v1/alarm-channels": ("alc", 1),
}
# Which parameter the id in an answer is for, and where in the answer it is.
LINKS = {
    "POST /v1/endpoints": ("endpoint_id", "$response.body#/id"),
    "POST /v1/events": ("event_id", "$response.body#/id"),
    "POST /v1/replays": ("replay_id", "$response.body#/id"),
    "POST /v1/people": ("person_id", "$response.body#/id"),
    "POST /v1/keys": ("name", "$response.body#/name"),
    "POST /v1/alarm-channels": ("channel_id", "$response.body#/id"),
}


def describe_parameter(path: str, parameter: dict[str, Any]) -> None:
    """Add what an id, a cursor or an If-Match looks like to a parameter of a path's operation."""
    if parameter["in"] == "path" and parameter["name"] in _IDS:
        parameter["schema"]["pattern"] = id_pattern(*_IDS[parameter["name"]])
    if parameter["name"] == "if-match":
        # A header is a text, or not there; what this one looks like is HTTP's own (RFC 9110, 13.1.1).
        parameter["schema"] = {"type": "string"}
    if parameter["name"] == "cursor" and path in _CURSORS:
        parameter["schema"]["pattern"] = optional(id_pattern(*_CURSORS[path]))
