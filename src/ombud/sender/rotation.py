"""The keys of a database: checked at the start, and followed by others. What is encrypted is encrypted anew in steps.

A kill in between leaves what is left to do on record, and the next start does it. Both keys open what is theirs
meanwhile, and whoever delivers goes on.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from ombud.db.database import Database
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import ConfigurationError, KeyMissing, StorageUnavailable
from ombud.sender.encryption import Unreadable, marker
from ombud.sender.key_file import Key, add_key, make_key_file, read_key_file
from ombud.sender.vault import SECRETS, Vault

log = logging.getLogger("ombud.sender")
sql = read_queries("ombud.sender")

# Endpoints that one step encrypts anew: its commit stays short.
STEP_ENDPOINTS = 100


class Rotation:
    """What is done with the keys of one database. Blocks; at the start and in commands."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def prepare(self) -> None:
        """Have the key file there and right, and everything encrypted with its newest key.

        The very first start makes the file. Raises ConfigurationError when it is missing, wrong, or open to others.
        """
        self._check()
        newest = self._rewrite()
        if newest["work"] == "scrub" and not self._scrub():
            log.warning(
                "secrets stood in %s in plain text, and what was replaced may still be in its files. Run"
                " `ombud secrets scrub` when there is time: it writes them all again.",
                self._database.name,
            )
        elif newest["work"]:
            self._database.write(partial(_end, newest["number"]))

    def add_key(self) -> Key:
        """Put a key into the file that is not used yet, so that the file can be brought to other hosts first."""
        self.prepare()
        return self._unused() or add_key(self._vault.path)

    def rotate(self) -> Key:
        """Encrypt with another key from now on, and everything anew: the file's unused one, or one that is made.

        The file keeps the old one: whatever was saved of the database needs it.
        """
        key = self.add_key()
        self._vault.forget()
        self._database.write(lambda: self._begin(key))
        self.prepare()
        return key

    def scrub(self) -> None:
        """Write the files of the database again, without what was once stored in plain text, whatever their size.

        Raises StorageUnavailable when others do not let it.
        """
        self._check()
        newest = self._rewrite()
        self._database.scrub("endpoint", whatever_size=True)
        self._database.write(partial(_end, newest["number"]))

    def _check(self) -> None:
        path = self._vault.path
        if not self._database.read(_keys):
            make_key_file(path)
            with suppress(KeyMissing):  # another node was faster, with another key: told below
                self._database.write(self._vault.newest_key)
        rows = self._database.read(_keys)
        there = {key.id for key in read_key_file(path)}
        missing = ", ".join(row["id"] for row in rows if row["id"] not in there)
        if missing:
            raise ConfigurationError(
                f"The key file {path} is not the one of {self._database.name}: it lacks {missing}, with which secrets"
                " there are encrypted. Put the right file back, or name it with OMBUD_ENCRYPTION_KEY_FILE."
            )

    def _scrub(self) -> bool:
        try:
            return self._database.scrub("endpoint")
        except StorageUnavailable:
            return False

    def _unused(self) -> Key | None:
        used = {row["id"] for row in self._database.read(_keys)}
        newest = read_key_file(self._vault.path)[0]
        return None if newest.id in used else newest

    def _begin(self, key: Key) -> Operation[None]:
        yield sql["lock_keys"], {}
        rows = yield sql["encryption_keys"], {}
        if rows[0]["id"] != key.id:
            yield (
                sql["put_encryption_key"],
                {"number": rows[0]["number"] + 1, "id": key.id, "work": rows[0]["work"] or "encrypt"},
            )

    def _rewrite(self) -> Row:
        """Encrypt with the newest key what is not; returns its row, as it was."""
        newest = self._database.read(_keys)[0]
        after: int | None = 0 if newest["work"] else None
        while after is not None:
            after = self._database.write(partial(self._step, newest["id"], after))
        return newest

    def _step(self, key_id: str, after: int) -> Operation[int | None]:
        yield sql["share_keys"], {}
        if (yield sql["encryption_keys"], {})[0]["id"] != key_id:
            return None
        key = self._vault.key(key_id)
        asked = {"after": after, "marker": f"{marker(key_id)}%", "rows": STEP_ENDPOINTS}
        rows: Sequence[Row] = yield sql["not_yet_encrypted"], asked
        for row in rows:
            try:
                anew = {
                    name: self._vault.reencrypted(key, row["id"], name, row[name]) for name in (*SECRETS, "headers")
                }
            except (KeyMissing, Unreadable) as error:
                log.warning("an endpoint (%s) keeps what cannot be read: %s", row["id"], error)
                continue
            yield sql["put_encrypted"], {"id": row["id"], **anew}
        return rows[-1]["id"] if len(rows) == STEP_ENDPOINTS else None


def _keys() -> Operation[Sequence[Row]]:
    return (yield sql["encryption_keys"], {})


def _end(number: int) -> Operation[None]:
    yield sql["end_of_rewriting"], {"number": number}
    yield sql["drop_encryption_keys"], {"number": number}
