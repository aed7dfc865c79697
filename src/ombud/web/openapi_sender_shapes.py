"""What the sender's API answers, as schemas of the OpenAPI document."""

from typing import Literal

from ombud.admin.why import Verdict
from ombud.web.openapi_parts import (
    AnyType,
    Attempt,
    Count,
    CountedAttempt,
    DeliveryId,
    EndpointId,
    EventId,
    EventType,
    HttpStatus,
    LastAttempt,
    Milliseconds,
    Page,
    Shape,
    State,
    Tagged,
    Time,
)

Health = Literal["open", "closed", "paused", "disabled"]


class Accepted(Shape):
    """An event that is stored."""

    id: EventId
    event_type: EventType
    subject: str
    deliveries: Count


class AcceptedTogether(Shape):
    """Events of an array, in its order."""

    events: list[Accepted]


class AcceptedLines(Shape):
    """Events of lines."""

    stored: Count
    deliveries: Count


class Counts(Shape):
    """Deliveries by state."""

    pending: Count
    done: Count
    dead: Count
    skipped: Count


class _Event(Shape):
    id: EventId
    shop_id: Count
    event_type: AnyType
    subject: str
    test: bool
    created_at: Time
    fan_out: Count


class CountedEvent(_Event):
    """An event of a list."""

    deliveries: Counts


class Delivery(Shape):
    """A delivery of an event."""

    id: DeliveryId
    endpoint_id: EndpointId | None
    url: str | None
    state: State
    reason: str | None
    next_attempt_at: Time | None
    attempts: list[Attempt]


class Event(_Event):
    """An event with its deliveries."""

    deliveries: list[Delivery]


class Why(Shape):
    """Why an event was sent to an endpoint, or was not."""

    endpoint_id: EndpointId
    url: str
    delivery_id: DeliveryId | None
    verdict: Verdict
    why: str
    next_try_at: Time | None
    curl: str | None


class Explanation(Shape):
    """Why an event was sent to each endpoint, or was not."""

    id: EventId
    event_type: AnyType
    subject: str
    data: list[Why]


class Endpoint(Tagged):
    """An endpoint."""

    id: EndpointId
    shop_id: Count
    url: str
    event_types: list[AnyType]
    description: str
    enabled: bool
    headers: dict[str, str]
    strict: bool
    only_200: bool
    authority: str | None
    latest_only: bool
    rate_per_minute: int | None
    retry: str
    signed: bool
    previous_secret_until: Time | None
    disabled_reason: str | None
    disabled_at: Time | None
    sending_since: Time | None
    created_at: Time
    updated_at: Time
    state: Health
    closed_since: Time | None
    next_try_at: Time | None


class EndpointWithSecret(Endpoint):
    """An endpoint with its new secret, which is shown this once."""

    secret: str


class FoundDelivery(Shape):
    """A delivery of a list."""

    id: DeliveryId
    event_id: EventId
    endpoint_id: EndpointId | None
    url: str | None
    shop_id: Count
    event_type: AnyType
    subject: str
    test: bool
    created_at: Time
    state: State
    reason: str | None
    tries: Count
    replays: Count
    next_attempt_at: Time | None
    last_attempt: LastAttempt | None


class OneDelivery(FoundDelivery):
    """A delivery with its tries."""

    attempts: list[CountedAttempt]


class Quantiles(Shape):
    """Milliseconds within which half, 95 % and 99 % of the tries ended."""

    p50: Milliseconds | None
    p95: Milliseconds | None
    p99: Milliseconds | None


class _Tries(Shape):
    accepted: Count
    delivered: Count
    failed: Count
    milliseconds: Quantiles


class Point(_Tries):
    """What was in a part of the period."""

    at: Time
    waiting: Count | None
    oldest_due_seconds: float | None


class EndpointFigures(Shape):
    """How an endpoint does."""

    id: EndpointId
    shop_id: Count
    url: str
    state: Health
    tries: Count
    failed: Count
    p95_milliseconds: Milliseconds | None
    waiting: Count
    last_try_at: Time | None
    last_status: HttpStatus | None


class Overview(_Tries):
    """How the sender does."""

    period: str
    waiting: Count
    oldest_due_seconds: float
    points: list[Point]
    endpoints: list[EndpointFigures]


# What `POST /v1/events` answers: to one, to an array, and to lines.
ACCEPTED: tuple[type[Shape], ...] = (Accepted, AcceptedTogether, AcceptedLines)
# By method and path: what a route answers when all is well.
SHAPES: dict[str, type[Shape]] = {
    "GET /v1/events": Page[CountedEvent],
    "GET /v1/events/{event_id}": Event,
    "GET /v1/events/{event_id}/explain": Explanation,
    "GET /v1/endpoints": Page[Endpoint],
    "POST /v1/endpoints": EndpointWithSecret,
    "GET /v1/endpoints/{endpoint_id}": Endpoint,
    "PATCH /v1/endpoints/{endpoint_id}": Endpoint,
    "POST /v1/endpoints/{endpoint_id}/pause": Endpoint,
    "POST /v1/endpoints/{endpoint_id}/resume": Endpoint,
    "POST /v1/endpoints/{endpoint_id}/restore": Endpoint,
    "POST /v1/endpoints/{endpoint_id}/test": Event,
    "POST /v1/endpoints/{endpoint_id}/secret": EndpointWithSecret,
    "GET /v1/deliveries": Page[FoundDelivery],
    "GET /v1/deliveries/{delivery_id}": OneDelivery,
    "POST /v1/deliveries/{delivery_id}/resend": OneDelivery,
    "GET /v1/overview": Overview,
}
