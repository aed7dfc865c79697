"""People who log in: made by a link that opens once, each with a role."""

import re
from dataclasses import dataclass

from ombud.admin.access import EVERY_SHOP, Caller, Role
from ombud.admin.audit_log import number_at, record
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.db.turns import lock
from ombud.errors import Conflict, Forbidden, InvalidInput, NotFound

sql = read_queries("ombud.admin", "people.sql")

# People of one installation that a page shows: a company's staff.
MOST_PEOPLE = 1_000
# What somebody reads whose password is another one.
NOT_TOGETHER = "This name and this password do not belong together."
_NAME = re.compile(r"(?! )[^\x00-\x1f\x7f\ud800-\udfff]{1,100}(?<! )")


@dataclass(frozen=True)
class Person:
    """Somebody who can log in. `shop_id`: the only shop they see, or EVERY_SHOP. `password` is an argon2id hash."""

    id: int
    name: str
    role: Role
    shop_id: int
    password: str
    created_at: int

    @property
    def caller(self) -> Caller:
        """Return who asks when this person does."""
        return Caller(self.name, self.shop_id)


def check_name(name: str) -> str:
    """Return a name that can be; raises InvalidInput."""
    if not _NAME.fullmatch(name):
        raise InvalidInput("name", "A name has 1 to 100 characters, and no control characters.")
    return name


def add_person(name: str, role: Role, shop_id: int, password: str, now: int) -> Operation[Person]:
    """Store somebody new; `password` is the hash. Raises InvalidInput for the name, Conflict when it is taken."""
    person = Person(number_at(now), check_name(name), role, shop_id, password, now)
    values = {"id": person.id, "login": name.casefold(), "name": name, "role": role, "shop_id": shop_id}
    if not (yield sql["insert_person"], values | {"password": password, "now": now}):
        raise Conflict(f"There is somebody named {name!r} already. Choose another name.")
    return person


def find_person(name: str) -> Operation[Person | None]:
    """Return the person of that name, whatever its case, or None; nobody has one that cannot be stored."""
    if not _NAME.fullmatch(name):
        return None
    rows = yield sql["person_by_login"], {"login": name.casefold()}
    return _person(rows[0]) if rows else None


def get_person(person_id: int) -> Operation[Person]:
    """Return a person; raises NotFound."""
    rows = yield sql["person_by_id"], {"id": person_id}
    if not rows:
        raise NotFound("There is no such person, or no longer.")
    return _person(rows[0])


def lock_people() -> Operation[None]:
    """Let nobody else change who is let in before the commit."""
    # All of them at once: somebody must be left who can let others in.
    yield from lock("people")


def lock_person(person_id: int) -> Operation[Person]:
    """Return a person whom nobody else changes before the commit; raises NotFound."""
    yield from lock_people()
    return (yield from get_person(person_id))


def lock_proved(person: Person) -> Operation[None]:
    """Let nobody change a person before the commit who has proved to be this one by the password that was read.

    Raises NotFound, or Forbidden when it is another one by now.
    """
    if (yield from lock_person(person.id)).password != person.password:
        raise Forbidden(NOT_TOGETHER)


def list_people() -> Operation[list[Person]]:
    """Return everybody, by name."""
    rows = yield sql["list_people"], {"most": MOST_PEOPLE}
    return [_person(row) for row in rows]


def anybody() -> Operation[bool]:
    """Return whether there is anybody who can log in."""
    rows = yield sql["count_people"], {}
    return bool(rows[0]["people"])


def change_role(caller: Caller, person_id: int, role: Role, shop_id: int, now: int) -> Operation[None]:
    """Give a person another role. Raises NotFound, or Conflict when nobody would be left to let others in."""
    person = yield from lock_person(person_id)
    yield sql["set_role"], {"id": person_id, "role": role, "shop_id": shop_id}
    yield from _check_owners()
    yield from record(caller, "person.role", person.name, now, detail=f"{person.role} → {role}")


def remove_person(caller: Caller, person_id: int, now: int) -> Operation[None]:
    """Let a person in no more, from their next request on. Raises NotFound, or Conflict for the last owner."""
    person = yield from lock_person(person_id)
    yield sql["delete_sessions_of_person"], {"person_id": person_id}
    yield sql["delete_links_of_person"], {"person_id": person_id}
    yield sql["delete_person"], {"id": person_id}
    yield from _check_owners()
    yield from record(caller, "person.remove", person.name, now, detail=person.role)


def change_password(person: Person, password: str, session: bytes, now: int) -> Operation[None]:
    """Store another hash; whoever is logged in elsewhere as this person is out, and links for them open nothing.

    Raises as `lock_proved` does.
    """
    yield from lock_proved(person)
    yield sql["set_password"], {"id": person.id, "password": password}
    yield sql["end_sessions_of_person"], {"person_id": person.id, "but": session, "now": now}
    yield sql["delete_links_of_person"], {"person_id": person.id}
    yield from record(person.caller, "person.password", person.name, now)


def _check_owners() -> Operation[None]:
    rows = yield sql["count_owners"], {}
    if not rows[0]["owners"]:
        raise Conflict("This is the last owner of every shop. Make somebody else an owner first.")


def _person(row: Row) -> Person:
    return Person(row["id"], row["name"], Role(row["role"]), row["shop_id"], row["password"], row["created_at"])


def shop_words(shop_id: int) -> str:
    """Return a shop as the audit log writes it."""
    return "every shop" if shop_id == EVERY_SHOP else f"shop {shop_id}"
