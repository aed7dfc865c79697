"""Bearer keys of the REST API: made here, shown once, stored as a hash."""

import hashlib
import re
import secrets
from collections.abc import Sequence

from ombud.admin.access import ALL_SCOPES, EVERY_SHOP, OPERATOR, Caller, Scope, read_scopes
from ombud.admin.audit_log import record
from ombud.admin.events import Document, rfc3339, rfc3339_or_none
from ombud.admin.people import shop_words
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.db.texts import check_text
from ombud.errors import Conflict, InvalidInput, NotFound

sql = read_queries("ombud.admin", "people.sql")

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


def add_key(
    name: str,
    key: str,
    now: int,
    scopes: Sequence[Scope] = ALL_SCOPES,
    shop_id: int = EVERY_SHOP,
    caller: Caller = OPERATOR,
) -> Operation[None]:
    """Store a key under a name: for these scopes, in one shop or every one.

    Raises InvalidInput for the name, Conflict when it is taken.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput("name", "A key's name has 1 to 100 characters, none of them a control character.")
    if Scope.PEOPLE in scopes and shop_id != EVERY_SHOP:
        raise InvalidInput("scopes", f"{Scope.PEOPLE} is for keys of every shop: people and keys belong to all.")
    values = {"hash": key_hash(key), "name": name, "now": now, "scopes": " ".join(scopes), "shop_id": shop_id}
    if not (yield sql["insert_key"], values):
        raise Conflict(f"There is a key named {name!r} already. Choose another name.")
    yield from record(
        caller, "key.add", name, now, shop_id=shop_id, detail=f"{' '.join(scopes)}, {shop_words(shop_id)}"
    )


def find_key(key: str) -> Operation[Caller | None]:
    """Return who asks with a key, or None for one that is not ours. The hash makes the look-up time tell nothing."""
    rows = yield sql["find_key"], {"hash": key_hash(key)}
    if not rows:
        return None
    row = rows[0]
    return Caller(row["name"], row["shop_id"], frozenset(read_scopes(row["scopes"])))


def revoke_key(caller: Caller, name: str, now: int) -> Operation[None]:
    """Let this key open nothing any more, within a second; raises NotFound."""
    rows = yield sql["delete_key"], {"name": name}
    if not rows:
        raise NotFound(f"There is no key named {name!r}.")
    yield from record(caller, "key.revoke", name, now, shop_id=rows[0]["shop_id"])


def replace_key(name: str, key: str, now: int) -> Operation[None]:
    """Make a name stand for this key, whatever it stood for before."""
    if (yield from find_key(key)) == Caller(name, EVERY_SHOP, frozenset(ALL_SCOPES)):
        return
    yield sql["delete_key"], {"name": name}
    yield from add_key(name, key, now)


def use_key(name: str, at: int) -> Operation[None]:
    """Note that a key was used."""
    yield sql["use_key"], {"name": name, "at": at}


def list_keys(rows: int, after: str = "") -> Operation[list[Document]]:
    """Return keys by name, without the keys themselves."""
    found = yield sql["list_keys"], {"after": check_text(after, "cursor"), "rows": rows}
    return [_key(row) for row in found]


def get_key(name: str) -> Operation[Document]:
    """Return one of them; raises NotFound."""
    rows = yield sql["get_key"], {"name": check_text(name, "name")}
    if not rows:
        raise NotFound(f"There is no key named {name!r}.")
    return _key(rows[0])


def _key(row: Row) -> Document:
    return {
        "name": row["name"],
        "scopes": row["scopes"].split(),
        "shop_id": row["shop_id"],
        "created_at": rfc3339(row["created_at"]),
        "last_used_at": rfc3339_or_none(row["last_used_at"]),
    }
