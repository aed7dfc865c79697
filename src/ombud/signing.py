"""Signatures of webhooks, as Standard Webhooks has them, for a request that has no body. Pure; for both ends.

What is signed is `id.timestamp.GET target`: the two headers, and the method and target exactly as in the request line.
`docs/signing.md` has the canonical form and its vectors.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import TypeAlias

from ombud.errors import InvalidInput, InvalidSignature

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

# Seconds that the clocks of both sides, and the way between them, may differ.
TOLERANCE_SECONDS = 300
# Bytes of a secret: what is made here, and what Standard Webhooks takes.
SECRET_BYTES = 32
SHORTEST_SECRET_BYTES = 24
LONGEST_SECRET_BYTES = 64
# Signatures that are compared for one request: a sender has a new and an old secret, seldom more.
MOST_SIGNATURES = 16
# Keys whose half of the work is kept.
KEYS = 20_000
# What SHA-256 takes in at a time.
BLOCK_BYTES = 64

# HMAC-SHA256 with the key taken in: inner and outer hash.
Begun: TypeAlias = "tuple[hashlib._Hash, hashlib._Hash]"  # noqa: SLF001 - the name that its stubs have

_PREFIX = "whsec_"
_VERSION = "v1,"


def new_secret() -> str:
    """Return a random secret: `whsec_` and base 64, as receivers' libraries take it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


def read_secret(secret: str, field: str = "secret") -> bytes:
    """Return the key that a secret stands for; raises InvalidInput, which never shows it."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(field, f"A secret is {_PREFIX} and base 64.") from None
    if not SHORTEST_SECRET_BYTES <= len(key) <= LONGEST_SECRET_BYTES:
        raise InvalidInput(field, f"A secret has {SHORTEST_SECRET_BYTES} to {LONGEST_SECRET_BYTES} bytes.")
    return key


class Signer:
    """Signs with the same keys, the newest first, again and again."""

    __slots__ = ("_begun",)

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._begun = [_begun(key) for key in keys]

    def __bool__(self) -> bool:
        """Return whether there is a key."""
        return bool(self._begun)

    def sign(self, message_id: str, timestamp: int, target: str, method: str = "GET") -> str:
        """Return the value of `webhook-signature`: one signature for each key.

        `timestamp` is in whole seconds since 1970; `target` is the request target as it stands in the request line.
        """
        return self._signatures(_signed(message_id, timestamp, target, method))

    def sign_body(self, message_id: str, timestamp: int, body: bytes) -> str:
        """Return the value of `webhook-signature` for a request with a body, as Standard Webhooks has it."""
        return self._signatures(f"{message_id}.{timestamp}.".encode() + body)

    def _signatures(self, signed: bytes) -> str:
        return " ".join(map(_signature, self._begun, repeat(signed)))


def verify(
    keys: Sequence[bytes],
    headers: Mapping[str, str],
    target: str,
    now: float,
    *,
    method: str = "GET",
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> str:
    """Return the webhook's id when one of the keys has signed this request within the tolerance of `now` (since 1970).

    Names of headers are compared in any case. Raises InvalidSignature, which says what is missing or wrong.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    message_id, signatures = lower.get(ID_HEADER), lower.get(SIGNATURE_HEADER)
    timestamp = _seconds(lower.get(TIMESTAMP_HEADER))
    if not message_id or timestamp is None or not signatures:
        raise InvalidSignature(f"The headers {ID_HEADER}, {TIMESTAMP_HEADER} and {SIGNATURE_HEADER} must all be there.")
    if abs(now - timestamp) > tolerance_seconds:
        raise InvalidSignature(f"The timestamp is more than {tolerance_seconds:g} seconds away from this clock.")
    signed = _signed(message_id, timestamp, target, method)
    expected = [_signature(_begun(key), signed).encode() for key in keys]
    good = False
    for given in signatures.split(" ")[:MOST_SIGNATURES]:
        # Every one is compared, and whole, in a time that tells nothing.
        for one in expected:
            good |= hmac.compare_digest(given.encode("utf-8", "replace"), one)
    if not good:
        raise InvalidSignature("No signature fits. Check the secret, and that the target is as it was sent.")
    return message_id


def _signed(message_id: str, timestamp: int, target: str, method: str) -> bytes:
    # What cannot be encoded was not sent, and fits no signature.
    return f"{message_id}.{timestamp}.{method} {target}".encode("utf-8", "replace")


def _signature(begun: Begun, signed: bytes) -> str:
    """Return a signature with its version."""
    inner, outer = begun[0].copy(), begun[1].copy()
    inner.update(signed)
    outer.update(inner.digest())
    return _VERSION + binascii.b2a_base64(outer.digest(), newline=False).decode("ascii")


@lru_cache(maxsize=KEYS)
def _begun(key: bytes) -> Begun:
    """Return HMAC-SHA256 (RFC 2104, 2) with the key taken in: the half of the work that is the same every time."""
    block = (hashlib.sha256(key).digest() if len(key) > BLOCK_BYTES else key).ljust(BLOCK_BYTES, b"\0")
    return hashlib.sha256(bytes(byte ^ 0x36 for byte in block)), hashlib.sha256(bytes(byte ^ 0x5C for byte in block))


def _seconds(text: str | None) -> int | None:
    """Return a timestamp in its one spelling: another one would not be what was signed."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > len(str(1 << 63)):
        return None
    return int(text) if str(int(text)) == text else None
