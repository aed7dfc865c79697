"""What the schemas of answers in the OpenAPI documents are made of. They describe; nothing is made by them."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ombud.admin.delivery_filter import STATES
from ombud.wire import CHOICES, EVENT_TYPES

T = TypeVar("T")

# One id of ids.py: 13 digits of Crockford's base 32, of which the first is below 8.
_DIGITS = "[0-7][0-9a-hjkmnp-tv-z]{12}"
OBJECT_ID_PATTERN = "^[0-9A-Za-z_.:-]{1,64}$"


def id_pattern(prefix: str, numbers: int = 1) -> str:
    """Return what ids of a kind look like, as a regular expression of ECMA 262."""
    return f"^{prefix}_{_DIGITS * numbers}$"


def _id(prefix: str, numbers: int = 1) -> Any:
    return Field(pattern=id_pattern(prefix, numbers))


def words(*choices: str) -> Any:
    """Return a field that is one of these words."""
    return Field(json_schema_extra={"enum": list(choices)})


Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[int, Field(ge=0)]
EventId = Annotated[str, _id("evt")]
EndpointId = Annotated[str, _id("ep")]
DeliveryId = Annotated[str, _id("dlv", 2)]
State = Annotated[str, words(*STATES)]
EventType = Annotated[str, words(*EVENT_TYPES)]
# Also what the sender says about itself.
AnyType = Annotated[str, words(*CHOICES)]
HttpStatus = Annotated[int, Field(ge=100, le=999)]


class Shape(BaseModel):
    """An object with these fields, all of them and no others."""

    model_config = ConfigDict(extra="forbid")


class Tagged(Shape):
    """What can be changed, and is answered with its ETag."""


class Page(Shape, Generic[T]):
    """A page of a list."""

    data: list[T]
    next_cursor: Annotated[str | None, Field(description="Where the next page begins: send it as `cursor`.")]


class Attempt(Shape):
    """A try and its result."""

    at: Time
    status: HttpStatus | None
    milliseconds: Milliseconds | None
    outcome: str
    reason: str | None
    late: bool


class CountedAttempt(Attempt):
    """A try; `generation` counts how often the delivery had been sent again by then."""

    generation: Count


class LastAttempt(Shape):
    """The last try."""

    status: HttpStatus | None
    milliseconds: Milliseconds | None
    outcome: str
    at: Time
