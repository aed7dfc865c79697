"""The shops of an inbox: each has a token in its hook's URL, a lane for its reader, and its API key elsewhere."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import NamedTuple

from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.db.turns import lock
from ombud.errors import ConfigurationError, Conflict, InvalidInput
from ombud.mailbox.mailbox import Mailbox

sql = read_queries("ombud.receiver")

# What is locked by whoever adds a shop, gives one a token, pauses or resumes one, or says which handlers there are:
# each must see what the one before has done.
SHOPS = "shops of the inbox"
# The one shop of an installation that names its token in the environment.
DEFAULT_NAME = "shop"
# Random bytes of a token: whoever knows it can make us read our own shop, and nothing more.
TOKEN_BYTES = 24
_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,100}")
_TOKEN = re.compile(r"[0-9A-Za-z_.~-]{8,200}")


@dataclass(frozen=True)
class Shop:
    """A shop whose webhooks arrive here. `api_key_file` is null when the environment has the key.

    `reads_per_second` is null when the inbox's setting counts. While it is paused, webhooks are stored and wait.
    """

    id: int
    name: str
    api_key_file: str | None
    reader_lane_id: int
    baseline_at: int | None
    reads_per_second: float | None = None
    paused_at: int | None = None  # UTC microseconds


class TokenOfShop(NamedTuple):
    """The shop that a token names. In UTC microseconds: since when it is here, when the last use
    of the token was noted, and the time now.
    """

    shop_id: int
    name: str
    created_at: int
    reader_lane_id: int
    used_at: int | None
    now: int


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def add_shop(arrivals: Mailbox, name: str, token: str, api_key_file: str | None) -> Operation[Shop]:
    """Store a shop. Raises InvalidInput for its name or token, Conflict when one of them is taken."""
    if not _NAME.fullmatch(name):
        raise InvalidInput("name", "A shop's name has 1 to 100 characters, none of them a control character.")
    check_token(token)
    yield from lock(SHOPS)
    rows = yield sql["shop_named"], {"name": name}
    if rows:
        raise Conflict(f"There is a shop named {name!r} already. Choose another name.")
    yield from require_own(token, None)
    shop_id = arrivals.ids.next()
    lane_id = yield from arrivals.add_lane(shop_id, shop_id)
    yield (
        sql["insert_shop"],
        {
            "id": shop_id,
            "name": name,
            "token_hash": token_hash(token),
            "api_key_file": api_key_file,
            "reader_lane_id": lane_id,
            "now": arrivals.clock(),
        },
    )
    return Shop(shop_id, name, api_key_file, lane_id, None)


def keep_default_shop(arrivals: Mailbox, token: str) -> Operation[Shop]:
    """Return the shop of the environment's token, made at the first start.

    Beside a new token the one before stays valid until the next. Raises ConfigurationError for one that cannot be used.
    """
    try:
        check_token(token)
        yield from lock(SHOPS)
        rows = yield sql["shop_named"], {"name": DEFAULT_NAME}
        if not rows:
            return (yield from add_shop(arrivals, DEFAULT_NAME, token, None))
        yield from require_own(token, rows[0]["id"])
    except (Conflict, InvalidInput) as error:
        raise ConfigurationError(f"OMBUD_TOKEN: {error}") from error
    if rows[0]["token_hash"] != token_hash(token):
        yield sql["set_token"], {"id": rows[0]["id"], "token_hash": token_hash(token)}
    return read_shop(rows[0])


def list_shops() -> Operation[list[Shop]]:
    """Return every shop."""
    rows = yield sql["list_shops"], {}
    return [read_shop(row) for row in rows]


def check_token(token: str) -> None:
    """Raise InvalidInput for a token that could be guessed, or that a URL cannot carry as it is."""
    if not _TOKEN.fullmatch(token):
        raise InvalidInput("token", "A token has 8 to 200 of the characters 0-9 A-Z a-z _ . ~ -")


def read_shop(row: Row) -> Shop:
    """Return the shop of a row, or of the facts of a reader's lane."""
    return Shop(
        row["id"],
        row["name"],
        row["api_key_file"],
        row["reader_lane_id"],
        row["baseline_at"],
        row["reads_per_second"],
        row["paused_at"],
    )


def require_own(token: str, shop_id: int | None) -> Operation[None]:
    """Raise Conflict when another shop has this token."""
    found = yield from find_shop_of_token(token_hash(token))
    if found is not None and found.shop_id != shop_id:
        raise Conflict("Another shop has this token. Choose another one.")


def find_shop_of_token(digest: bytes) -> Operation[TokenOfShop | None]:
    """Return the shop of a token by its hash.

    Nobody can choose the hash of a guess, so the time of the look-up tells nothing; what was found is compared once
    more, in a time that does not depend on it.
    """
    rows = yield sql["shop_of_token"], {"token_hash": digest}
    for row in rows:
        if hmac.compare_digest(bytes(row["token_hash"]), digest):
            return TokenOfShop(
                row["id"], row["name"], row["created_at"], row["reader_lane_id"], row["used_at"], row["now"]
            )
    return None
