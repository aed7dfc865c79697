"""The shop's API key. What is stored is the SHA-256 of what a request must carry: Basic authentication of `KEY:KEY`.

Real keys hold any character, so the decoded text is compared whole and never split at a colon. A key is long and
random, which is why a plain hash is enough.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput

sql = read_queries("ombud.shop")

# Characters; the real ones have 32.
LONGEST_KEY = 200


def set_key(shop_id: int, key: str) -> Operation[None]:
    """Store a key's hash in place of the one before. Raises InvalidInput for a key that no request could carry."""
    yield sql["set_key_hash"], _account(shop_id, key)


def set_first_key(shop_id: int, key: str) -> Operation[bool]:
    """Store a key's hash unless the shop has a key; returns whether it was stored. Raises as `set_key` does."""
    return bool((yield sql["set_first_key_hash"], _account(shop_id, key)))


def read_key_hash(shop_id: int) -> Operation[str | None]:
    """Return the stored hash, or None while the shop has no key."""
    rows = yield sql["get_key_hash"], {"shop_id": shop_id}
    return str(rows[0]["key_hash"]) if rows else None


def opens(headers: Mapping[str, str], key_hash: str | None) -> bool:
    """Return whether a request carries the key, in constant time."""
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic" or key_hash is None:
        return False
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(_digest(given), key_hash)


def _account(shop_id: int, key: str) -> dict[str, int | str]:
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable() or key != key.strip():
        raise InvalidInput("key", f"A key is 1 to {LONGEST_KEY} printable characters without spaces around them.")
    return {"shop_id": shop_id, "key_hash": _digest(f"{key}:{key}".encode())}


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
