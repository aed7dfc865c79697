"""Bearer keys of the REST API: made here, shown once, stored as a hash."""

import hashlib
import re
import secrets

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.errors import Conflict, InvalidInput

sql = read_queries("ombud.admin")

PREFIX = "ombud_"
# Random bytes of a key.
KEY_BYTES = 32
_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,100}")


def new_key() -> str:
    """Return a key that nobody can guess; its prefix lets secret scanners find it."""
    return PREFIX + secrets.token_urlsafe(KEY_BYTES)


def key_hash(key: str) -> bytes:
    """Return what is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


def add_key(name: str, key: str, now: int) -> Operation[None]:
    """Store a key under a name. Raises InvalidInput for the name, Conflict when it is taken."""
    if not _NAME.fullmatch(name):
        raise InvalidInput("name", "A key's name has 1 to 100 characters, none of them a control character.")
    rows = yield sql["insert_key"], {"hash": key_hash(key), "name": name, "now": now}
    if not rows:
        raise Conflict(f"There is a key named {name!r} already. Choose another name.")


def find_key(key: str) -> Operation[str | None]:
    """Return the name of a key, or None for a key that is not ours. The hash makes the look-up time tell nothing."""
    rows = yield sql["find_key"], {"hash": key_hash(key)}
    return rows[0]["name"] if rows else None


def replace_key(name: str, key: str, now: int) -> Operation[None]:
    """Make a name stand for this key, whatever it stood for before."""
    yield sql["delete_key"], {"name": name}
    yield from add_key(name, key, now)
