"""From a database URL to an open database."""

from pathlib import Path
from urllib.parse import unquote

from ombud.db.database import Database
from ombud.db.sqlite import SqliteDatabase
from ombud.errors import ConfigurationError

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")


def database_path(url: str) -> Path:
    """Return the file of `sqlite:///ombud.db` (relative) or `sqlite:////var/lib/ombud.db` (absolute).

    Raises ConfigurationError for every other URL; the URL is not shown, it may hold a password.
    """
    path = unquote(url.removeprefix(_SQLITE))
    if not url.startswith(_SQLITE) or not path or path.endswith("/") or "?" in url:
        raise ConfigurationError(
            "The database URL cannot be used. It looks like sqlite:///ombud.db, like"
            " sqlite:////var/lib/ombud/ombud.db for an absolute path, or like postgresql://user:password@host/ombud."
        )
    return Path(path)


def is_postgres(url: str) -> bool:
    """Return whether this is the URL of a PostgreSQL database."""
    return url.startswith(_POSTGRES)


def open_database(url: str) -> Database:
    """Open the database of this URL; raises ConfigurationError, or StorageUnavailable when a server is away."""
    if not is_postgres(url):
        return SqliteDatabase(database_path(url))
    try:
        from ombud.db.postgres import PostgresDatabase  # noqa: PLC0415 - asyncpg belongs to an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"PostgreSQL needs {error.name}, which is not installed. Install it: pip install 'ombud[postgres]'"
        ) from None
    return PostgresDatabase(url)
