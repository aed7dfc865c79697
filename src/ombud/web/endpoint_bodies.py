"""What a client sends about endpoints, as it comes: types only. What can be accepted is for EndpointEdit to say."""

from typing import Annotated, Any

from pydantic import Field

from ombud.sender.endpoint import HIGHEST_RATE, LONGEST_AUTHORITY, LONGEST_DESCRIPTION, EndpointEdit
from ombud.sender.endpoints import LONGEST_OVERLAP_SECONDS, OVERLAP_SECONDS, TEST_OBJECT_ID
from ombud.sender.headers import LONGEST_NAME, LONGEST_VALUE, MOST_HEADERS, name_pattern, value_pattern
from ombud.sender.outbox import DEFAULT_SHOP_ID, LARGEST_SHOP_ID
from ombud.sender.url import LONGEST_URL
from ombud.settings import RETRY_PRESETS
from ombud.web.bodies import (
    AS_WHOLE,
    PAST_FORMAT,
    PEM_FORMAT,
    SECRET_PATTERN,
    STORABLE,
    URL_FORMAT,
    Body,
    Changes,
    Whole,
    described,
)
from ombud.web.openapi_parts import OBJECT_ID_PATTERN
from ombud.wire import CHOICES, EVENT_TYPES

Url = Annotated[
    str,
    described("Where events go.", format=URL_FORMAT, maxLength=LONGEST_URL, examples=["https://example.com/webhooks"]),
]
EventTypes = Annotated[
    list[str],
    described(f"Which of: {', '.join(CHOICES)}.", minItems=1, items={"type": "string", "enum": list(CHOICES)}),
]
Description = Annotated[str, described("For people.", maxLength=LONGEST_DESCRIPTION, pattern=STORABLE)]
HeaderMap = Annotated[
    dict[str, str],
    described(
        "Your own, in each request.",
        examples=[{"X-Key": "…"}],
        maxProperties=MOST_HEADERS,
        propertyNames={"pattern": name_pattern(), "maxLength": LONGEST_NAME},
        additionalProperties={"type": "string", "pattern": value_pattern(), "maxLength": LONGEST_VALUE},
    ),
]
Strict = Annotated[bool, Field(description="Send the vendor's headers alone: not yours, no signature.")]
Only200 = Annotated[bool, Field(description="Nothing but 200 acknowledges, no other 2xx.")]
Authority = Annotated[
    str | None,
    described("PEM: the only authority whose certificates hold.", format=PEM_FORMAT, maxLength=LONGEST_AUTHORITY),
]
LatestOnly = Annotated[bool, Field(description="Of what waits about one product, only the newest of each type.")]
Rate = Annotated[
    Whole | None,
    described(f"Deliveries at most, 1 to {HIGHEST_RATE}; null: no limit.", minimum=1, maximum=HIGHEST_RATE),
]
RetryPreset = Annotated[
    str,
    described(f"Empty for the usual schedule, or {', '.join(RETRY_PRESETS)}.", enum=["", *RETRY_PRESETS]),
]
ShopId = Annotated[
    int, Field(ge=0, le=LARGEST_SHOP_ID, description="0 listens to every shop. Default: the key's."), AS_WHOLE
]
SendSince = Annotated[
    str | None,
    described("Send also what has happened since then, as far as it is kept.", format=PAST_FORMAT),
]
GivenSecret = Annotated[
    str | None,
    described("`whsec_` and base 64; without it a new one is made.", pattern=SECRET_PATTERN),
]


class _Choices(Body):
    """What can be changed later."""

    url: Url = ""
    event_types: EventTypes = Field(list(EVENT_TYPES))
    description: Description = ""
    enabled: bool = True
    headers: HeaderMap = Field({})
    strict: Strict = False
    only_200: Only200 = False
    authority: Authority = None
    latest_only: LatestOnly = False
    rate_per_minute: Rate = None
    retry: RetryPreset = ""


class NewEndpoint(_Choices):
    """An endpoint to be."""

    url: Url
    shop_id: ShopId = DEFAULT_SHOP_ID
    secret: GivenSecret = None
    send_since: SendSince = None

    def edit(self) -> EndpointEdit:
        """Return what is asked for."""
        return EndpointEdit(**choices(self.model_dump(exclude={"shop_id", "secret", "send_since"})))


class EndpointChanges(_Choices, Changes):
    """What to change of an endpoint; what is left out stays."""


class TestEvent(Body):
    """What to try an endpoint with."""

    event_type: Annotated[
        str | None, described("The first that it wants, unless another is said.", enum=[*EVENT_TYPES, None])
    ] = None
    object_id: Annotated[str, described("The id of the order or the product.", pattern=OBJECT_ID_PATTERN)] = (
        TEST_OBJECT_ID
    )


class NewSecret(Body):
    """How to go over to a new secret."""

    secret: GivenSecret = None
    overlap_seconds: Annotated[
        int, Field(ge=0, le=LONGEST_OVERLAP_SECONDS, description="How long the one before is good as well."), AS_WHOLE
    ] = OVERLAP_SECONDS


def choices(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields of a body as EndpointEdit has them."""
    if "headers" in fields:
        fields["headers"] = tuple(fields["headers"].items())
    return fields
