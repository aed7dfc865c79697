"""What both APIs answer about alarms, as schemas of the OpenAPI documents."""

from typing import Annotated, Literal

from pydantic import Field

from ombud.admin.alarms.causes import ALL_CAUSES
from ombud.web.openapi_parts import Count, Page, Shape, Tagged, Time, id_pattern, words

CauseName = Annotated[str, words(*ALL_CAUSES)]


class Alarm(Shape):
    """Something that is wrong, or was."""

    id: Annotated[str, Field(pattern=id_pattern("alm"))]
    cause: CauseName
    about: str
    shop_id: Count
    since: Time
    facts: dict[str, str | int]
    began_at: Time
    ended_at: Time | None


class AlarmChannel(Tagged):
    """Where somebody is told, and how the way there does."""

    id: Annotated[str, Field(pattern=id_pattern("alc"))]
    shop_id: Count
    kind: Literal["email", "webhook"]
    target: str
    name: str
    causes: list[CauseName]
    language: Literal["en", "sv"]
    zone: str
    quiet_hours: str | None
    enabled: bool
    created_at: Time
    waiting: Count
    sent_at: Time | None
    failing_since: Time | None
    reason: str | None
    next_try_at: Time | None


class Tested(Shape):
    """What came of a test."""

    sent: bool
    reason: str | None


# By method and path: what a route answers when all is well.
SHAPES: dict[str, type[Shape]] = {
    "GET /v1/alarms": Page[Alarm],
    "GET /v1/alarm-channels": Page[AlarmChannel],
    "POST /v1/alarm-channels": AlarmChannel,
    "GET /v1/alarm-channels/{channel_id}": AlarmChannel,
    "PATCH /v1/alarm-channels/{channel_id}": AlarmChannel,
    "POST /v1/alarm-channels/{channel_id}/test": Tested,
}
