"""What a client sends about endpoints, as it comes: types only. What can be accepted is for EndpointEdit to say."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ombud.sender.endpoint import HIGHEST_RATE, EndpointEdit
from ombud.sender.endpoints import LONGEST_OVERLAP_SECONDS, OVERLAP_SECONDS, TEST_OBJECT_ID
from ombud.sender.outbox import DEFAULT_SHOP_ID, LARGEST_SHOP_ID
from ombud.settings import RETRY_PRESETS
from ombud.wire import CHOICES, EVENT_TYPES

EventTypes = Annotated[list[str], Field(description=f"Which of: {', '.join(CHOICES)}.")]
HeaderMap = Annotated[dict[str, str], Field(description="Your own, in each request.", examples=[{"X-Key": "…"}])]
Strict = Annotated[bool, Field(description="Send the vendor's headers alone: not yours, no signature.")]
Only200 = Annotated[bool, Field(description="Nothing but 200 acknowledges, no other 2xx.")]
Authority = Annotated[str | None, Field(description="PEM: the only authority whose certificates hold.")]
LatestOnly = Annotated[bool, Field(description="Of what waits about one product, only the newest of each type.")]
Rate = Annotated[int | None, Field(description=f"Deliveries at most, 1 to {HIGHEST_RATE}; null: no limit.")]
RetryPreset = Annotated[str, Field(description=f"Empty for the usual schedule, or {', '.join(RETRY_PRESETS)}.")]
ShopId = Annotated[int, Field(ge=0, le=LARGEST_SHOP_ID, description="0 listens to every shop. Default: the key's.")]
SendSince = Annotated[str | None, Field(description="Send also what has happened since then, as far as it is kept.")]
GivenSecret = Annotated[str | None, Field(description="`whsec_` and base 64; without it a new one is made.")]


class NewEndpoint(BaseModel):
    """An endpoint to be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Annotated[str, Field(examples=["https://example.com/webhooks"])]
    event_types: EventTypes = list(EVENT_TYPES)
    description: str = ""
    enabled: bool = True
    headers: HeaderMap = {}
    strict: Strict = False
    only_200: Only200 = False
    authority: Authority = None
    latest_only: LatestOnly = False
    rate_per_minute: Rate = None
    retry: RetryPreset = ""
    shop_id: ShopId = DEFAULT_SHOP_ID
    secret: GivenSecret = None
    send_since: SendSince = None

    @property
    def named_shop(self) -> int | None:
        """The shop that the body names, if it does."""
        return self.shop_id if "shop_id" in self.model_fields_set else None

    def edit(self) -> EndpointEdit:
        """Return what is asked for."""
        return EndpointEdit(**choices(self.model_dump(exclude={"shop_id", "secret", "send_since"})))


class EndpointChanges(BaseModel):
    """What to change of an endpoint; what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = ""
    event_types: EventTypes = []
    description: str = ""
    enabled: bool = True
    headers: HeaderMap = {}
    strict: Strict = False
    only_200: Only200 = False
    authority: Authority = None
    latest_only: LatestOnly = False
    rate_per_minute: Rate = None
    retry: RetryPreset = ""


class TestEvent(BaseModel):
    """What to try an endpoint with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    event_type: Annotated[str | None, Field(description="The first that it wants, unless another is said.")] = None
    object_id: Annotated[str, Field(description="The id of the order or the product.")] = TEST_OBJECT_ID


class NewSecret(BaseModel):
    """How to go over to a new secret."""

    model_config = ConfigDict(extra="forbid", strict=True)

    secret: GivenSecret = None
    overlap_seconds: Annotated[
        int, Field(ge=0, le=LONGEST_OVERLAP_SECONDS, description="How long the one before is good as well.")
    ] = OVERLAP_SECONDS


def choices(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields of a body as EndpointEdit has them."""
    if "headers" in fields:
        fields["headers"] = tuple(fields["headers"].items())
    return fields
