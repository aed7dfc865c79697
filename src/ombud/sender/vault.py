"""What of an endpoint is secret, as it is stored: its signing secrets and its headers, encrypted with a key file's key.

What is encrypted with is on record in the database, so that a wrong file is refused, and a key can be followed by
another one: `rotation.py`.
"""

import json
import logging
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ombud.db.database import Database
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.errors import ConfigurationError, InvalidInput, KeyMissing
from ombud.sender.encryption import Unreadable, decrypt, encrypt
from ombud.sender.headers import Headers
from ombud.sender.key_file import Key, make_key_file, read_key_file
from ombud.settings import Settings

log = logging.getLogger("ombud.sender")
sql = read_queries("ombud.sender")

# Endpoints whose headers, and whose secrets, are kept as they are used: each is decrypted once.
KEPT = 20_000
# Seconds between two looks into a key file that lacks a key: another process may have added it.
LOOK_SECONDS = 1.0
# How no headers are stored.
NO_HEADERS = "[]"
# In the order of the words of `destination_facts`.
SECRETS = ("secret", "previous_secret")


class Vault:
    """Encrypts and decrypts with the keys of one file. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """The file is read when it is needed."""
        self.path = path
        self._keys: dict[str, Key] = {}
        self._looked_at = float("-inf")
        self._headers_of = lru_cache(maxsize=KEPT)(self._read_headers)
        self._secrets_of = lru_cache(maxsize=KEPT)(self._read_secrets)

    @classmethod
    def of(cls, database: Database, settings: Settings) -> "Vault":
        """Return the vault of a database: with the file of the settings, else the one beside it."""
        return cls(Path(settings.encryption_key_file) if settings.encryption_key_file else database.key_file)

    def encrypted_secret(self, endpoint_id: int, secret: str | None, column: str = "secret") -> Operation[str | None]:
        """Return a signing secret as it is stored in a column; raises KeyMissing."""
        return None if secret is None else (yield from self._encrypted(endpoint_id, column, secret))

    def encrypted_headers(self, endpoint_id: int, headers: Headers) -> Operation[str]:
        """Return headers as they are stored; raises KeyMissing."""
        return (yield from self._encrypted(endpoint_id, "headers", json.dumps(headers))) if headers else NO_HEADERS

    def secrets(self, endpoint_id: int, stored: str | None) -> Sequence[str]:
        """Return the signing secrets, the newest first. `stored`: as in its column, after a blank the previous one.

        Raises InvalidInput for a row that another program has written, and KeyMissing.
        """
        return self._secrets_of(endpoint_id, stored) if stored else ()

    def headers(self, endpoint_id: int, stored: str) -> Headers:
        """Return the headers; raises InvalidInput for a row that another program has written, and KeyMissing."""
        return () if stored == NO_HEADERS else self._headers_of(endpoint_id, stored)

    def newest_key(self) -> Operation[Key]:
        """Return the key that is used from now on; the very first use makes its file. Raises KeyMissing."""
        rows = yield sql["encryption_keys"], {}
        return self.key(rows[0]["id"]) if rows else (yield from self._first_key())

    def forget(self) -> None:
        """Look into the file anew for the next key that is not known."""
        self._looked_at = float("-inf")

    def key(self, key_id: str) -> Key:
        """Return a key by its id; raises KeyMissing, also when it is to be read anew and cannot be."""
        if key_id not in self._keys:
            self._look(key_id)
        found = self._keys.get(key_id)
        if found is None:
            raise KeyMissing
        return found

    def reencrypted(self, key: Key, endpoint_id: int, column: str, stored: str | None) -> str | None:
        """Return what is stored in a column as it is with this key; what was plain text too.

        Raises KeyMissing, and Unreadable.
        """
        if stored is None or stored == NO_HEADERS:
            return stored
        place = _place(endpoint_id, column)
        plain = decrypt(self.key, stored, place) if stored.startswith("v1:") else stored
        return encrypt(key, plain, place)

    def _first_key(self) -> Operation[Key]:
        # Nobody else makes one meanwhile; who was faster has it on record by now.
        yield sql["lock_keys"], {}
        rows = yield sql["encryption_keys"], {}
        if rows:
            return self.key(rows[0]["id"])
        try:
            key = make_key_file(self.path)[0]
        except ConfigurationError as error:
            log.warning("%s", error)
            raise KeyMissing from error
        self._keys[key.id] = key
        plain = yield sql["any_plain"], {}
        yield sql["put_encryption_key"], {"number": 1, "id": key.id, "work": "scrub" if plain else ""}
        return key

    def _encrypted(self, endpoint_id: int, column: str, text: str) -> Operation[str]:
        # Before the lock: the very first use takes one that nobody shares.
        yield from self.newest_key()
        yield sql["share_keys"], {}
        return encrypt((yield from self.newest_key()), text, _place(endpoint_id, column))

    def _read_secrets(self, endpoint_id: int, stored: str) -> Sequence[str]:
        parts = zip(SECRETS, stored.split(" "), strict=False)
        return tuple(self._decrypted(endpoint_id, column, part) for column, part in parts)

    def _read_headers(self, endpoint_id: int, stored: str) -> Headers:
        text = self._decrypted(endpoint_id, "headers", stored)
        try:
            return tuple((str(name), str(value)) for name, value in json.loads(text))
        except (ValueError, TypeError):
            raise InvalidInput("headers", "The headers as they are stored are none. Enter them again.") from None

    def _decrypted(self, endpoint_id: int, column: str, stored: str) -> str:
        try:
            return decrypt(self.key, stored, _place(endpoint_id, column))
        except Unreadable as error:
            field = "headers" if column == "headers" else "secret"
            raise InvalidInput(field, f"The endpoint's {field} cannot be read: {error}. Enter it again.") from None

    def _look(self, key_id: str) -> None:
        now = time.monotonic()
        if now < self._looked_at + LOOK_SECONDS:
            return
        self._looked_at = now
        try:
            self._keys = {key.id: key for key in read_key_file(self.path)}
        except ConfigurationError as error:
            log.warning("%s", error)
        else:
            if key_id not in self._keys:
                log.warning("The key file %s lacks the key %s, with which secrets are encrypted.", self.path, key_id)


def _place(endpoint_id: int, column: str) -> str:
    return f"ombud endpoint.{column} {endpoint_id}"
