"""What the receiver's API answers, as schemas of the OpenAPI document."""

from typing import Annotated

from pydantic import Field

from ombud.admin.inbox_filter import ARRIVAL_STATES, ARRIVAL_TYPES, RUN_STATES
from ombud.web.openapi_parts import (
    Attempt,
    Count,
    CountedAttempt,
    DeliveryId,
    EventId,
    HttpStatus,
    LastAttempt,
    Milliseconds,
    Page,
    Shape,
    Tagged,
    Time,
    id_pattern,
    words,
)

ShopId = Annotated[str, Field(pattern=id_pattern("shop"))]
ArrivalType = Annotated[str, words(*ARRIVAL_TYPES)]
RunState = Annotated[str, words(*RUN_STATES)]
# By span of time, and by what.
Amounts = dict[str, dict[str, Count]]


class Read(Shape):
    """A look at the shop's API; `listed`: at a page of its list of products."""

    id: Annotated[str, Field(pattern=id_pattern("rd"))]
    started_at: Time
    status: HttpStatus | None
    milliseconds: Milliseconds | None
    listed: bool


class RunOfArrival(Shape):
    """A handler that was told because of an arrival."""

    id: DeliveryId
    handler: str
    event_type: str
    state: RunState
    reason: str | None
    attempts: list[Attempt]


class Arrival(Shape):
    """A webhook that arrived."""

    id: EventId
    shop: str
    event_type: ArrivalType
    subject: str | None
    received_at: Time
    note: str | None
    state: Annotated[str, words(*ARRIVAL_STATES)]
    reason: str | None
    next_attempt_at: Time | None
    read: Read | None
    attempts: list[Attempt]
    runs: list[RunOfArrival]


class Run(Shape):
    """A run of a handler, of a list."""

    id: DeliveryId
    shop: str
    handler: str
    event_type: str
    subject: str
    source: str | None
    created_at: Time
    state: RunState
    reason: str | None
    tries: Count
    replays: Count
    next_attempt_at: Time | None
    last_attempt: LastAttempt | None


class Answered(Shape):
    """A webhook that a run answers for."""

    id: EventId
    event_type: str
    received_at: Time


class ChangedField(Shape):
    """A field of the object that differs, by its path."""

    path: str
    before: str | None
    after: str | None


class OneRun(Run):
    """A run with what proves it, and what differs."""

    attempts: list[CountedAttempt]
    traceback: str | None
    read: Read | None
    arrivals: list[Answered]
    before: bool
    after: bool
    difference: list[ChangedField]


class Token(Shape):
    """A token, which is never shown again."""

    used_at: Time | None


class Waiting(Shape):
    """What waits."""

    reads: Count
    runs: Count


class Shop(Shape):
    """A shop of the inbox, of a list."""

    id: ShopId
    name: str
    tokens: list[Token]
    api_key_file: str | None
    reads_per_second: float | None
    paused_at: Time | None
    created_at: Time
    products_known_at: Time | None
    waiting: Waiting


class Source(Shape):
    """An address that webhooks came from."""

    address: str
    known: bool
    first_at: Time
    last_at: Time | None


class OneShop(Shop, Tagged):
    """A shop with what is counted for it."""

    learned: Amounts
    asked: Amounts
    compared: dict[str, Time | None]
    sources: list[Source]


class ShopWithToken(OneShop):
    """A shop with its new token, which is shown this once."""

    token: str


# By method and path: what a route answers when all is well.
SHAPES: dict[str, type[Shape]] = {
    "GET /v1/arrivals": Page[Arrival],
    "GET /v1/arrivals/{arrival_id}": Arrival,
    "POST /v1/arrivals/{arrival_id}/release": Arrival,
    "POST /v1/arrivals/{arrival_id}/retry": Arrival,
    "POST /v1/arrivals/{arrival_id}/skip": Arrival,
    "GET /v1/runs": Page[Run],
    "GET /v1/runs/{run_id}": OneRun,
    "POST /v1/runs/{run_id}/retry": OneRun,
    "POST /v1/runs/{run_id}/skip": OneRun,
    "GET /v1/shops": Page[Shop],
    "GET /v1/shops/{inbox_shop_id}": OneShop,
    "POST /v1/shops/{inbox_shop_id}/token": ShopWithToken,
    "POST /v1/shops/{inbox_shop_id}/pause": OneShop,
    "POST /v1/shops/{inbox_shop_id}/resume": OneShop,
    "POST /v1/shops/{inbox_shop_id}/end-token": OneShop,
}
