"""The GET that a shop sends: which event types there are, what each is about, and the URL that says so.

Source: the vendor's page on webhooks. A request carries the event type and one id, and nothing else.
"""

import re
from urllib.parse import unquote_plus

from ombud.errors import InvalidInput

USER_AGENT = "Quickbutik-Webhooks/1.0"

# What each event type is about. `order.new` means paid.
EVENT_TYPES = {
    "order.new": "order",
    "order.done": "order",
    "order.cancelled": "order",
    "product.add": "product",
    "product.update": "product",
    "product.delete": "product",
}
# What the sender says about itself to endpoints that have chosen it. No shop has these, and nobody can publish them.
OPERATIONAL_TYPES = {
    "endpoint.closed": "endpoint",
    "endpoint.failing": "endpoint",
    "endpoint.disabled": "endpoint",
    "endpoint.recovered": "endpoint",
    "delivery.dead": "delivery",
}
_KINDS = EVENT_TYPES | OPERATIONAL_TYPES
# What an endpoint may choose to hear of.
CHOICES = tuple(_KINDS)
# The parameter that carries its id.
PARAMETER_OF = {event_type: f"{kind}_id" for event_type, kind in EVENT_TYPES.items()}
PARAMETERS = frozenset({"event_type", "order_id", "product_id"})

# Ids of the real shop are decimal digits. Nothing in this set needs percent-encoding in a query (RFC 3986, 3.4).
OBJECT_ID = re.compile(r"[0-9A-Za-z_.:-]{1,64}")


def subject_of(event_type: str, object_id: str) -> str:
    """Return what an event is about: `order/90017`."""
    return f"{EVENT_TYPES[event_type]}/{object_id}"


def event_parameters(event_type: str, subject: str) -> str:
    """Return the two parameters of an event; raises InvalidInput for what no event can be, wherever it came from."""
    kind, _, object_id = subject.partition("/")
    if _KINDS.get(event_type) != kind:
        raise InvalidInput("event_type", f"{event_type!r} is no event of {subject!r}.")
    if not OBJECT_ID.fullmatch(object_id):
        raise InvalidInput(f"{kind}_id", "It is 1 to 64 of the characters 0-9 A-Z a-z _ . : -")
    return f"event_type={event_type}&{kind}_id={object_id}"


def event_url(url: str, event_type: str, subject: str) -> str:
    """Return the URL that delivers an event: the endpoint's own, byte for byte, and our two parameters behind it."""
    return joinable(url) + event_parameters(event_type, subject)


def joinable(url: str) -> str:
    """Return a URL, or the path and query of one, with what must stand before one more parameter."""
    _, mark, query = url.partition("?")
    if not mark:
        return f"{url}?"
    # A later ? is part of a value and joins nothing.
    return url if query == "" or query.endswith("&") else f"{url}&"


def reserved_parameter(query: str) -> str | None:
    """Return the first parameter of a query that a receiver could take for one of ours, or None.

    Names are compared as receivers decode them: percent-encoded, split at `;` too, cut at a NUL or a bracket, and by
    PHP, where `order.id`, `order id` and `order[id` all arrive as `order_id`
    (https://www.php.net/manual/en/language.variables.external.php). Express reads `[order_id]` as `order_id`.
    """
    for pair in re.split("[&;]", query):
        name = unquote_plus(pair.partition("=")[0])
        bare = name.partition("\0")[0].strip().lstrip("[").lower()
        as_array = re.split(r"[\[\]]", bare)[0]
        if any(re.sub(r"[. \[]", "_", reading) in PARAMETERS for reading in (bare, as_array)):
            return name
    return None
