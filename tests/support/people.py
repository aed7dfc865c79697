"""People for tests of the panel: somebody who is logged in, without the time that a password takes."""

import re
from functools import partial
from html import unescape

from ombud.admin.access import EVERY_SHOP, Role
from ombud.admin.links import new_token
from ombud.admin.people import Person, add_person, find_person
from ombud.admin.sessions import begin_session
from ombud.db.database import Writer
from ombud.db.migrate import migrate
from ombud.web.gate import Sessions


def somebody(people: Writer, role: Role = Role.OWNER, shop_id: int = EVERY_SHOP, name: str = "") -> Person:
    """Return a person of this role, made when there is none of that name. Their password opens nothing."""
    database, name = people.database, name or f"{role} {shop_id}"
    migrate(database, ["ombud.admin"])
    found = database.read(lambda: find_person(name))
    return found or database.write(lambda: add_person(name, role, shop_id, "no hash", database.clock()))


def log_in(people: Writer, role: Role = Role.OWNER, shop_id: int = EVERY_SHOP, name: str = "") -> dict[str, str]:
    """Return the cookie of a browser in which a person is logged in."""
    person, token = somebody(people, role, shop_id, name), new_token()
    now = people.database.clock()
    people.database.write(partial(begin_session, person, token, b"", ("127.0.0.1", "a test"), now))
    return {cookie_name(people): token}


def cookie_name(people: Writer, *, secure: bool = False) -> str:
    """Return what the session's cookie is called."""
    return Sessions(people).name(secure=secure)


def version_on(page: str) -> dict[str, str]:
    """Return the field of a form by which it is known what its reader has seen: the first one of a page."""
    [etag, *_] = re.findall(r'name="etag" value="([^"]+)"', page)
    return {"etag": unescape(etag)}
