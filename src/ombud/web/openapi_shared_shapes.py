"""What both APIs answer: people, keys, who changed what, alarms; as schemas of the OpenAPI documents."""

from typing import Annotated, Literal

from pydantic import Field

from ombud.admin.access import Role, Scope
from ombud.admin.alarms.causes import ALL_CAUSES
from ombud.admin.resending import KINDS
from ombud.web.openapi_parts import Count, Page, Shape, Tagged, Time, id_pattern, words

CauseName = Annotated[str, words(*ALL_CAUSES)]


class Person(Tagged):
    """Somebody who may log in."""

    id: Annotated[str, Field(pattern=id_pattern("prs"))]
    name: str
    role: Annotated[str, words(*Role)]
    shop_id: Annotated[int, Field(ge=0, description="The only shop they see, or 0 for every one.")]
    created_at: Time


class Link(Shape):
    """What opens once: whoever has it gets in."""

    link: str
    expires_at: Time


class InvitationLink(Link):
    """A link for somebody new."""

    role: Annotated[str, words(*Role)]
    shop_id: Count


class Key(Shape):
    """A key, without itself."""

    name: str
    scopes: list[Annotated[str, words(*Scope)]]
    shop_id: Annotated[int, Field(ge=0, description="The only shop it sees, or 0 for every one.")]
    created_at: Time
    last_used_at: Time | None


class KeyShownOnce(Key):
    """A new key, which is shown this once."""

    key: str


class Entry(Shape):
    """Who changed what."""

    id: Annotated[str, Field(pattern=id_pattern("log"))]
    at: Time
    actor: str
    action: str
    target: str
    shop_id: Count
    detail: str


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


class DryRun(Shape):
    """What a replay would find."""

    count: Count
    count_is_exact: bool


class Replay(Shape):
    """A job that does again what a filter finds."""

    id: Annotated[str, Field(pattern=id_pattern("rpl"))]
    of: Annotated[str, words(*(kind.kind for kind in KINDS.values()))]
    shop_id: Count | None
    made_by: str
    created_at: Time
    filter: dict[str, str]
    per_second: int
    count: Count
    count_is_exact: bool
    sent: Count
    state: Literal["running", "done", "cancelled"]
    stands_still: bool
    reached: Time | None
    ended_at: Time | None


# By method and path: what a route answers when all is well.
SHAPES: dict[str, type[Shape]] = {
    "GET /v1/people": Page[Person],
    "POST /v1/people": Person,
    "GET /v1/people/{person_id}": Person,
    "PATCH /v1/people/{person_id}": Person,
    "POST /v1/people/{person_id}/end-sessions": Person,
    "POST /v1/people/{person_id}/reset": Link,
    "POST /v1/invitations": InvitationLink,
    "GET /v1/keys": Page[Key],
    "POST /v1/keys": KeyShownOnce,
    "GET /v1/keys/{name}": Key,
    "GET /v1/audit": Page[Entry],
    "GET /v1/alarms": Page[Alarm],
    "GET /v1/alarm-channels": Page[AlarmChannel],
    "POST /v1/alarm-channels": AlarmChannel,
    "GET /v1/alarm-channels/{channel_id}": AlarmChannel,
    "PATCH /v1/alarm-channels/{channel_id}": AlarmChannel,
    "POST /v1/alarm-channels/{channel_id}/test": Tested,
    "POST /v1/replays/dry-run": DryRun,
    "POST /v1/replays": Replay,
    "GET /v1/replays": Page[Replay],
    "GET /v1/replays/{replay_id}": Replay,
    "POST /v1/replays/{replay_id}/cancel": Replay,
}
