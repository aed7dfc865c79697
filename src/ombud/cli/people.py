"""`ombud people`, and the link of a first start."""

import json

from ombud.admin.access import OPERATOR, Role
from ombud.admin.links import PATH, add_link, add_reset, first_link, new_token
from ombud.admin.people import find_person
from ombud.cli.wiring import Place, admin_database, settings_of_environment
from ombud.db.database import Database
from ombud.errors import InvalidInput, NotFound


def first_path(database: Database, token: str) -> str | None:
    """Return the path at which the first person makes their account with this token; None when there is one already."""
    return PATH + token if database.write(lambda: first_link(token, database.clock())) else None


def set_up(base: str, first: str | None) -> dict[str, str]:
    """Return the line's entry of the link of a first start; none when somebody can log in."""
    return {} if first is None else {"set_up": base + first}


def read_role(text: str) -> Role:
    """Return a role by its name; raises InvalidInput."""
    try:
        return Role(text)
    except ValueError:
        raise InvalidInput("--role", f"--role: {text!r} is not one of: {', '.join(Role)}.") from None


def run_people_link(name: str, role: Role, place: Place, *, as_json: bool) -> None:
    """Print the path of a link that opens once: for somebody new, or for a new password of `name`."""
    token = new_token()
    with admin_database(place, settings_of_environment()) as database:
        now = database.clock()
        if name:
            person = database.read(lambda: find_person(name))
            if person is None:
                raise NotFound(f"There is nobody named {name!r}.")
            database.write(lambda: add_reset(OPERATOR, token, person, now))
        else:
            database.write(lambda: add_link(OPERATOR, token, now, role))
    print(json.dumps({"path": PATH + token}) if as_json else f"Within a day, open on the panel: {PATH}{token}")
