"""What PostgreSQL's errors mean here: not now, try again, never, or a mistake of the operation.

The codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import ssl
from urllib.parse import urlsplit

import asyncpg

from ombud.errors import ConfigurationError, StorageUnavailable

# Deadlock, serialization failure: the transaction is undone, and works when it is repeated.
_REPEATABLE = {"40001", "40P01"}
# Connection trouble; no memory, disk or connection left; shutdown, restart, timeout; the disk; damaged data.
_UNAVAILABLE_CLASSES = {"08", "53", "57", "58", "F0", "XX"}
# Waited too long for a lock; idle for too long in a transaction; the server is read-only.
_UNAVAILABLE = {"55P03", "25P03", "25006"}
# Text that UTF-8 can hold and PostgreSQL cannot: the NUL character.
_NUL = "22021"
# Who may not enter, or not here: password, role, database, privilege.
_REFUSED_CLASSES = {"28", "3D", "42"}
_PLAIN_MISTAKES = (asyncpg.ClientConfigurationError, ssl.SSLError, ValueError)


class Trouble(StorageUnavailable):
    """The transaction came to nothing, whatever its operations meant. `again`: it may work when it is repeated now."""

    def __init__(self, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.again = again


def trouble_of(error: BaseException, *, lost: bool = False) -> Trouble | None:
    """Return what an error of a step means for its transaction; None when it is a mistake of the operation.

    `lost`: the connection is closed. What was not committed is undone then.
    """
    state = getattr(error, "sqlstate", None) or ""
    stale_plan = isinstance(error, asyncpg.InvalidCachedStatementError | asyncpg.OutdatedSchemaCacheError)
    again = state in _REPEATABLE or stale_plan
    if again or lost or is_unavailable(error):
        return Trouble(
            f"The database cannot take this now ({reason_of(error)}); nothing was stored.", again=again or lost
        )
    return None


def is_unavailable(error: BaseException) -> bool:
    """Whether an error says "not now" instead of "never"."""
    state = getattr(error, "sqlstate", None) or ""
    return (
        isinstance(error, OSError | asyncpg.TargetServerAttributeNotMatched)
        or state in _UNAVAILABLE
        or state[:2] in _UNAVAILABLE_CLASSES
    )


def mistake_of(error: Exception) -> Exception:
    """Return a mistake of an operation in words of ours where PostgreSQL's are obscure."""
    surrogate = isinstance(error.__cause__, UnicodeEncodeError)
    if surrogate or getattr(error, "sqlstate", None) == _NUL:
        return ValueError("A text holds a NUL character or half a surrogate pair, which PostgreSQL cannot keep.")
    return error


def opening_error(error: Exception, name: str) -> Exception:
    """Return what to raise when a database cannot be opened; never shows its password."""
    state = getattr(error, "sqlstate", None) or ""
    if isinstance(error, _PLAIN_MISTAKES) or state[:2] in _REFUSED_CLASSES:
        return ConfigurationError(f"Cannot open {name}: {reason_of(error)}.")
    if is_unavailable(error):
        return StorageUnavailable(f"Cannot open {name} now: {reason_of(error)}. Try again.")
    return error


def reason_of(error: BaseException) -> str:
    """Return an error as half a sentence. Details are left out: they may quote what people stored."""
    text = str(error.args[0]) if error.args and isinstance(error.args[0], str) else str(error)
    lines = text.strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def name_of(url: str) -> str:
    """Return what messages call the database of a URL: host and name, neither user nor password.

    Raises ConfigurationError.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError(
            "The database URL cannot be read. It looks like postgresql://user:password@host:5432/ombud"
        ) from None
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"
