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
    # What SQLite takes for no file at all would lose all that was acknowledged.
    if not url.startswith(_SQLITE) or not path or path.endswith("/") or "?" in url or path == ":memory:":
        raise ConfigurationError(
            "The database URL cannot be used. It looks like sqlite:///ombud.db, or sqlite:////var/lib/ombud/ombud.db"
            " for an absolute path, or postgresql://user@host/database."
        )
    return Path(path)


def is_postgres(url: str) -> bool:
    """Return whether this is the URL of a PostgreSQL database."""
    return url.startswith(_POSTGRES)


def open_database(url: str) -> Database:
    """Open the database of this URL; raises ConfigurationError, or StorageUnavailable when it may work later."""
    if is_postgres(url):
        return _open_postgres(url)
    return SqliteDatabase(database_path(url))


def _open_postgres(url: str) -> Database:
    try:
        # Not in the base install.
        from ombud.db.postgres import PostgresDatabase  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise ConfigurationError("PostgreSQL needs one more package: pip install 'ombud[postgres]'") from None
    return PostgresDatabase(url)
