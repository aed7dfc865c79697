"""The key file: what opens the secrets in a database, kept outside of it. One key a line, the newest first."""

import base64
import binascii
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ombud.errors import ConfigurationError

# Lets scanners of leaked secrets find one.
PREFIX = "ombudkey_"
# AES-256.
KEY_BYTES = 32
# Hexadecimal digits of a key's id, the beginning of its SHA-256: enough to tell keys, and nothing leads back.
ID_DIGITS = 16
# A file of a thousand keys is another file.
LARGEST_FILE_BYTES = 65_536

_HEAD = "# Keys of Ombud, the newest first. They open the secrets in its database: never keep them with its backups."


@dataclass(frozen=True, slots=True)
class Key:
    """A key, and what it is called in the database."""

    id: str
    secret: bytes = field(repr=False)


def read_key_file(path: Path) -> tuple[Key, ...]:
    """Return the keys, the newest first.

    Raises ConfigurationError when the file is missing, not private, or none of ours; it never shows a key.
    """
    lines = [line.strip() for line in _read(path).split("\n")]
    keys = [_key(path, line) for line in lines if line and not line.startswith("#")]
    if not keys:
        raise ConfigurationError(f"The key file {path} holds no key. Put the right file in its place.")
    return tuple(dict.fromkeys(keys))


def make_key_file(path: Path) -> tuple[Key, ...]:
    """Return the keys of the file, made with one if it is missing; raises ConfigurationError."""
    if not path.exists():
        draft = _write_draft(path, [_line(secrets.token_bytes(KEY_BYTES))])
        try:
            # Whole or not at all, and whoever comes second takes the file of the first.
            with suppress(FileExistsError):
                os.link(draft, path)
        except OSError as error:
            raise _unwritable(path, error) from error
        finally:
            draft.unlink()
        with _folder_of(path) as folder:
            os.fsync(folder)
    return read_key_file(path)


def add_key(path: Path) -> Key:
    """Put a new key before the others; raises ConfigurationError."""
    real = path.resolve()
    read_key_file(real)  # of one that is missing, the folder may be, too
    with _folder_of(real) as folder:
        # Whoever comes second keeps the key of the first. The folder's lock, since the file is another one after each.
        fcntl.flock(folder, fcntl.LOCK_EX)
        old = read_key_file(real)
        secret = secrets.token_bytes(KEY_BYTES)
        draft = _write_draft(real, [_line(secret), *(_line(key.secret) for key in old)])
        draft.replace(real)
        os.fsync(folder)
        return read_key_file(real)[0]


def _read(path: Path) -> str:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            _refuse_open(path, found)
            return file.read(LARGEST_FILE_BYTES).decode("ascii")
    except FileNotFoundError:
        raise ConfigurationError(
            f"The key file {path} is missing, and the secrets in the database are encrypted with it. Put it back from"
            " its backup, or name it with OMBUD_ENCRYPTION_KEY_FILE. Without it they must all be entered again."
        ) from None
    except UnicodeDecodeError:
        pass
    except OSError as error:
        raise ConfigurationError(f"The key file {path} cannot be read: {error.strerror}.") from None
    # Raised after its cause is gone: the error of a decoder holds all that it was given.
    raise ConfigurationError(f"{path} is no key file of Ombud. Put the right file in its place.")


def _refuse_open(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(f"The key file {path} is not a file.")
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigurationError(f"The key file {path} belongs to another user. Run: chown {os.geteuid()} {path}")
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise ConfigurationError(f"The key file {path} is open to others (mode {mode:04o}). Run: chmod 600 {path}")


def _key(path: Path, line: str) -> Key:
    try:
        secret = base64.b64decode(line.removeprefix(PREFIX), altchars=b"-_", validate=True)
    except binascii.Error:
        secret = b""
    if not line.startswith(PREFIX) or len(secret) != KEY_BYTES:
        raise ConfigurationError(f"{path} is no key file of Ombud, or was cut. Put the right file in its place.")
    return Key(hashlib.sha256(secret).hexdigest()[:ID_DIGITS], secret)


def _line(secret: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(secret).decode("ascii")


def _write_draft(path: Path, lines: Iterable[str]) -> Path:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write("\n".join([_HEAD, *lines, ""]))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _unwritable(path, error) from error
    return draft


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"The key file {path} cannot be written: {error.strerror}. Name another place with OMBUD_ENCRYPTION_KEY_FILE."
    )


@contextmanager
def _folder_of(path: Path) -> Iterator[int]:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)
