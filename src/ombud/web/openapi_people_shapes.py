"""What both APIs answer about people, keys and who changed what, as schemas of the OpenAPI document."""

from typing import Annotated

from pydantic import Field

from ombud.admin.access import Role, Scope
from ombud.web.openapi_parts import Count, Page, Shape, Tagged, Time, id_pattern, words


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
}
