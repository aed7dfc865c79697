"""`ombud people`, and the link of a first start."""

import json
from pathlib import Path

from ombud.admin.access import OPERATOR, Role
from ombud.admin.links import PATH, add_link, add_reset, first_link, new_token
from ombud.admin.people import find_person
from ombud.cli.wiring import database_url, settings_of_environment
from ombud.db.connect import open_database
from ombud.db.database import Database
from ombud.db.migrate import migrate
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


def run_people_link(name: str, role: Role, database: str, data: Path | None, *, as_json: bool) -> None:
    """Print the path of a link that opens once: for somebody new, or for a new password of `name`."""
    opened = open_database(database_url(database, settings_of_environment(), data))
    token = new_token()
    try:
        migrate(opened, ["ombud.admin"])
        now = opened.clock()
        if name:
            person = opened.read(lambda: find_person(name))
            if person is None:
                raise NotFound(f"There is nobody named {name!r}.")
            opened.write(lambda: add_reset(OPERATOR, token, person, now))
        else:
            opened.write(lambda: add_link(OPERATOR, token, now, role))
    finally:
        opened.close()
    print(json.dumps({"path": PATH + token}) if as_json else f"Within a day, open on the panel: {PATH}{token}")
