"""Encryption of one column of one row: AES-256-GCM (NIST SP 800-38D), bound to its place. Pure but for the nonce.

What is stored is `v1:`, the id of the key, `:`, and in base 64 the nonce with what was encrypted. Row and column are
authenticated with it: in another row it opens nothing.
"""

import base64
import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ombud.errors import OmbudError
from ombud.sender.key_file import Key

# Random for each text; of 2^32 texts under one key two may share one, of all secrets of all endpoints none will.
NONCE_BYTES = 12

_VERSION = "v1"


class Unreadable(OmbudError):
    """What is stored cannot be decrypted."""


def marker(key_id: str) -> str:
    """Return how everything begins that is encrypted with a key."""
    return f"{_VERSION}:{key_id}:"


def encrypt(key: Key, text: str, place: str) -> str:
    """Return a text as it is stored at a place: printable, without blanks."""
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key.secret).encrypt(nonce, text.encode(), place.encode())
    return marker(key.id) + base64.urlsafe_b64encode(nonce + sealed).decode("ascii")


def decrypt(key_of: Callable[[str], Key], stored: str, place: str) -> str:
    """Return the text; `key_of` returns a key by its id, or raises.

    Raises Unreadable when it was not encrypted, not for this place, or was changed since.
    """
    version, _, rest = stored.partition(":")
    key_id, _, data = rest.partition(":")
    if version != _VERSION or not data:
        raise Unreadable("it was stored by another program, and in plain text")
    key = key_of(key_id)
    try:
        sealed = base64.b64decode(data, altchars=b"-_", validate=True)
        return AESGCM(key.secret).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode()).decode()
    except (InvalidTag, ValueError):
        raise Unreadable("it was changed by another program, or moved here from another row") from None
