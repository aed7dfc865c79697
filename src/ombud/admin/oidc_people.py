"""People who are let in by an OpenID provider: known by its name for them, invited by their address."""

import re

from ombud.admin.access import EVERY_SHOP, Caller, Role
from ombud.admin.audit_log import record
from ombud.admin.people import Person, add_person, find_person, get_person, lock_people, sql
from ombud.db.operation import Operation
from ombud.errors import Conflict, Forbidden, InvalidInput

# What is stored as the password of somebody who has none: no hash, so nothing matches it.
NO_PASSWORD = ""
# What providers and people write as an address; whether it is one, the provider knows. Characters.
LONGEST_NAME = 100
ADDRESS_PATTERN = r"^[!#-&(-;=?A-~]+@[0-9A-Za-z.-]+\.[0-9A-Za-z-]+$"

_NOBODY = "Nobody is invited by the address {}. Ask an owner of this installation."


def add_address(caller: Caller, address: str, role: Role, shop_id: int, now: int) -> Operation[Person]:
    """Let somebody in by the provider, once it says that this address is theirs. Raises InvalidInput, Conflict."""
    if not re.fullmatch(ADDRESS_PATTERN, address) or len(address) > LONGEST_NAME:
        raise InvalidInput("address", "It is an e-mail address: anna@example.com.")
    person = yield from add_person(address, role, shop_id, NO_PASSWORD, now)
    yield from record(caller, "person.address", address, now, detail=role)
    return person


def let_in_by(subject: str, address: str, domain: tuple[str, Role] | None, now: int) -> Operation[Person]:
    """Return the person whom a provider calls `subject`, with this verified address. Raises Forbidden.

    The first time it is who was invited by the address and has never come in another way; from then on the provider's
    name decides, so an address that is given to somebody else opens nothing. `domain`: whoever has an address there
    needs no invitation, and gets that role.
    """
    # Who comes in twice at once, in two windows, is one person.
    yield from lock_people()
    rows = yield sql["person_by_subject"], {"subject": subject}
    if rows:
        return (yield from get_person(rows[0]["id"]))
    person = yield from find_person(address)
    if person is None and domain is not None and address.rpartition("@")[2].casefold() == domain[0]:
        try:
            person = yield from add_person(address, domain[1], EVERY_SHOP, NO_PASSWORD, now)
        except (InvalidInput, Conflict) as error:
            raise Forbidden(str(error)) from None
        yield from record(person.caller, "person.add", person.name, now, detail=f"{domain[1]}, by domain")
    if person is None or person.password != NO_PASSWORD:
        raise Forbidden(_NOBODY.format(address))
    if not (yield sql["bind_subject"], {"id": person.id, "subject": subject}):
        raise Forbidden(_NOBODY.format(address))
    yield from record(person.caller, "person.bind", person.name, now)
    return person
