"""Links that open once: the first start's, an invitation, a forgotten password. Stored as a hash, and they expire."""

import hashlib
import secrets
from dataclasses import dataclass

from ombud.admin.access import EVERY_SHOP, Caller, Role
from ombud.admin.audit_log import record
from ombud.admin.people import Person, add_person, anybody, change_password, get_person, lock_people, shop_words
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import NotFound

sql = read_queries("ombud.admin", "people.sql")

# Random bytes of what opens a door.
TOKEN_BYTES = 32
# Microseconds that a link opens: somebody is meant to use it today.
LINK_LIFE = 24 * 3_600 * 1_000_000
# Below this, everything on the panel's site is a link's page.
PATH = "/set-up/"

_GONE = "This link was used, or is older than a day. Ask an owner for another, or run: ombud people link"


@dataclass(frozen=True)
class Link:
    """What a link opens: a new account of this role, or a new password for `person`."""

    role: Role
    shop_id: int
    person: Person | None


def new_token() -> str:
    """Return what nobody can guess."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


def add_link(
    caller: Caller, token: str, now: int, role: Role = Role.OWNER, shop_id: int = EVERY_SHOP
) -> Operation[None]:
    """Store a link for somebody new."""
    yield from _insert(token, role, shop_id, None, now)
    yield from record(caller, "person.invite", role, now, detail=shop_words(shop_id))


def add_reset(caller: Caller, token: str, person: Person, now: int) -> Operation[None]:
    """Store a link by which a person chooses a new password."""
    yield from _insert(token, person.role, person.shop_id, person.id, now)
    yield from record(caller, "person.reset", person.name, now)


def first_link(token: str, now: int) -> Operation[bool]:
    """Store the link of a first start; returns whether it opens, which it does until there is somebody."""
    yield from lock_people()
    if (yield from anybody()):
        return False
    yield from _insert(token, Role.OWNER, EVERY_SHOP, None, now)
    return True


def look_at(token: str, now: int) -> Operation[Link]:
    """Return what a link opens and leave it closed; raises NotFound."""
    rows = yield sql["find_link"], {"hash": token_hash(token), "now": now}
    return (yield from _link(rows))


def use(token: str, name: str, password: str, now: int) -> Operation[Person]:
    """Open a link, for good: make the person, or change the password; `password` is the hash.

    Raises NotFound for a link that opens nothing, InvalidInput or Conflict for the name; then it stays.
    """
    yield from lock_people()
    rows = yield sql["take_link"], {"hash": token_hash(token), "now": now}
    link = yield from _link(rows)
    if link.person is not None:
        yield from change_password(link.person, password, b"", now)
        return (yield from get_person(link.person.id))
    first = not (yield from anybody())
    person = yield from add_person(name, link.role, link.shop_id, password, now)
    yield sql["delete_first_links"], {"now": now, "owners_too": int(first)}
    yield from record(person.caller, "person.add", name, now, detail=link.role)
    return person


def _insert(token: str, role: Role, shop_id: int, person_id: int | None, now: int) -> Operation[None]:
    values = {"hash": token_hash(token), "role": role, "shop_id": shop_id, "person_id": person_id, "now": now}
    yield sql["insert_link"], values | {"expires_at": now + LINK_LIFE}


def _link(rows: list[Row]) -> Operation[Link]:
    if not rows:
        raise NotFound(_GONE)
    row = rows[0]
    person = None
    if row["person_id"] is not None:
        person = yield from get_person(row["person_id"])
    return Link(Role(row["role"]), row["shop_id"], person)
