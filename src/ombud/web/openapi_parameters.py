"""What the parameters of paths and queries may be, for the OpenAPI document: the rules are where they are read."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ombud.web.openapi_parts import id_pattern

# What grammars of our own are called, where a pattern would not do: ombud.sender.url, and certificates in PEM.
URL_FORMAT, PEM_FORMAT = "webhook-url", "pem"
# An e-mail address of ombud.admin.alarms.channel, and a name of the time zone database.
ADDRESS_FORMAT, ZONE_FORMAT = "e-mail-address", "time-zone"
# A `date-time` that has passed, since 1970.
PAST_FORMAT = "past-date-time"
# 24 to 64 bytes in base 64.
_FOUR = "[A-Za-z0-9+/]{4}"
_END = "([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)"
SECRET_PATTERN = f"^(whsec_)?({_FOUR}){{8,20}}({_END}|{_FOUR}([A-Za-z0-9+/]{{2}}==)?)?$"
# A time, or nothing.
TIME = {"anyOf": [{"const": ""}, {"type": "string", "format": "date-time"}]}
# What a database can keep (ombud.db.texts).
STORABLE = "^[^\\u0000]*$"

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


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Behind the bounds of an integer: it is whole as JSON Schema counts, so 7.0 is one, too.
AS_WHOLE = BeforeValidator(_whole)
Whole = Annotated[int, AS_WHOLE]


def described(words: str, **schema: Any) -> Any:
    """Return a field of a model with what the OpenAPI document says of it; it is checked elsewhere, in better words."""
    return Field(description=words, json_schema_extra=schema)


def without_defaults(schema: dict[str, Any]) -> None:
    """Have a schema say nothing of defaults, where they stand for what is left out."""
    for field in schema["properties"].values():
        field.pop("default", None)


def optional(pattern: str) -> str:
    """Return a pattern that an empty text matches, too."""
    return f"^({pattern[1:-1]})?$"


def describe_parameter(path: str, parameter: dict[str, Any]) -> None:
    """Add what an id, a cursor or an If-Match looks like to a parameter of a path's operation."""
    if parameter["in"] == "path" and parameter["name"] in _IDS:
        parameter["schema"]["pattern"] = id_pattern(*_IDS[parameter["name"]])
    if parameter["name"] == "if-match":
        # A header is a text, or not there; what this one looks like is HTTP's own (RFC 9110, 13.1.1).
        parameter["schema"] = {"type": "string"}
    if parameter["name"] == "cursor" and path in _CURSORS:
        parameter["schema"]["pattern"] = optional(id_pattern(*_CURSORS[path]))
