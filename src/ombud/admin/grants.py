"""Keys and people managed by a key: it gives nobody, and takes from nobody, more than it may do itself.

Whoever gets a link or a key has what it opens. So a key that could invite an owner would be one.
"""

from collections.abc import Collection, Mapping, Sequence

from ombud.admin.access import EVERY_SHOP, Caller, Role, Scope
from ombud.admin.audit_log import record
from ombud.admin.edits import check_match
from ombud.admin.events import Document, rfc3339
from ombud.admin.keys import add_key, get_key, revoke_key
from ombud.admin.links import add_link, add_reset
from ombud.admin.oidc_people import add_address
from ombud.admin.people import Person, change_role, get_person, lock_person, remove_person, sql
from ombud.db.operation import Operation
from ombud.errors import Conflict, Forbidden
from ombud.mailbox.ids import format_id

PREFIX = "prs"

# What a person of a role can do, in scopes of keys.
SCOPES_OF: Mapping[Role, frozenset[Scope]] = {
    Role.READER: frozenset({Scope.READ}),
    Role.EDITOR: frozenset({Scope.READ, Scope.EVENTS, Scope.ENDPOINTS}),
    Role.OWNER: frozenset(Scope),
}


def check_operator(caller: Caller) -> None:
    """Raise Forbidden unless a key sees every shop: people and keys belong to the installation."""
    if caller.shop_id != EVERY_SHOP:
        raise Forbidden(f"This is for keys of every shop; this key is for shop {caller.shop_id} alone.")


def grant_key(
    caller: Caller, name: str, key: str, scopes: Sequence[Scope], shop_id: int, now: int
) -> Operation[Document]:
    """Store a key, and return what it is. Raises Forbidden for more than the caller has, and as `add_key` does."""
    _check(caller, scopes)
    yield from add_key(name, key, now, scopes, shop_id, caller)
    return (yield from get_key(name))


def take_key(caller: Caller, name: str, now: int) -> Operation[None]:
    """Revoke a key. Raises NotFound, Forbidden for one that may more than the caller, Conflict for the caller's own."""
    key = yield from get_key(name)
    _check(caller, [Scope(scope) for scope in key["scopes"]])
    if name == caller.name:
        raise Conflict("This is the key that asks, and nothing may be left to ask with. Revoke it with another one.")
    yield from revoke_key(caller, name, now)


def invite(caller: Caller, token: str, role: Role, shop_id: int, now: int) -> Operation[None]:
    """Store a link for somebody new. Raises Forbidden for a role that may more than the caller."""
    _check(caller, SCOPES_OF[role])
    yield from add_link(caller, token, now, role, shop_id)


def add_by_address(caller: Caller, address: str, role: Role, shop_id: int, now: int) -> Operation[Person]:
    """Let somebody in by an OpenID provider. Raises as `invite` does, and InvalidInput, Conflict for the address."""
    _check(caller, SCOPES_OF[role])
    return (yield from add_address(caller, address, role, shop_id, now))


def reset(caller: Caller, token: str, person_id: int, now: int) -> Operation[None]:
    """Store a link for a new password: whoever has it is that person. Raises as `invite` does, or NotFound."""
    person = yield from _person(caller, person_id)
    yield from add_reset(caller, token, person, now)


def change_person(
    caller: Caller, person_id: int, role: Role | None, shop_id: int | None, match: str | None, now: int
) -> Operation[Person]:
    """Give somebody another role or shop; None leaves it. Raises NotFound, Forbidden, Outdated, Conflict."""
    person = yield from _person(caller, person_id)
    role = role or person.role
    _check(caller, SCOPES_OF[role])
    # What would be refused anyway is told so, whatever the version (RFC 9110, 13.2.1).
    _check_version(person, match)
    yield from change_role(caller, person_id, role, person.shop_id if shop_id is None else shop_id, now)
    return (yield from get_person(person_id))


def remove(caller: Caller, person_id: int, match: str | None, now: int) -> Operation[None]:
    """Let somebody in no more. Raises as `change_person` does."""
    _check_version((yield from _person(caller, person_id)), match)
    yield from remove_person(caller, person_id, now)


def end_sessions(caller: Caller, person_id: int, now: int) -> Operation[Person]:
    """Log somebody out everywhere. Raises NotFound, Forbidden."""
    person = yield from _person(caller, person_id)
    yield sql["end_sessions_of_person"], {"person_id": person_id, "but": b"", "now": now}
    yield from record(caller, "person.end_sessions", person.name, now)
    return person


def etag_of_person(person: Person) -> str:
    """Return the tag of what can be changed of a person."""
    return f'"{person.role}-{person.shop_id:x}"'


def person_document(person: Person) -> Document:
    """Return a person in the shape of the REST API."""
    return {
        "id": format_id(PREFIX, person.id),
        "name": person.name,
        "role": person.role.value,
        "shop_id": person.shop_id,
        "created_at": rfc3339(person.created_at),
    }


def _person(caller: Caller, person_id: int) -> Operation[Person]:
    person = yield from lock_person(person_id)
    _check(caller, SCOPES_OF[person.role])
    return person


def _check_version(person: Person, match: str | None) -> None:
    check_match(match, etag_of_person(person), person.name)


def _check(caller: Caller, scopes: Collection[Scope]) -> None:
    check_operator(caller)
    missing = [scope for scope in Scope if scope in scopes and scope not in caller.scopes]
    if missing:
        raise Forbidden(f"This key lacks {', '.join(missing)}, and can neither give that nor take it from others.")
