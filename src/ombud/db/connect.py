"""From a database URL to an open database."""

from pathlib import Path
from urllib.parse import unquote

from ombud.db.database import Database
from ombud.db.sqlite import SqliteDatabase
from ombud.errors import ConfigurationError

_SQLITE = "sqlite:///"


def database_path(url: str) -> Path:
    """Return the file of `sqlite:///ombud.db` (relative) or `sqlite:////var/lib/ombud.db` (absolute).

    Raises ConfigurationError for every other URL; the URL is not shown, it may hold a password.
    """
    path = unquote(url.removeprefix(_SQLITE))
    if not url.startswith(_SQLITE) or not path or path.endswith("/") or "?" in url:
        raise ConfigurationError(
            "The database URL cannot be used: this version keeps its data in SQLite."
            " It looks like sqlite:///ombud.db, or sqlite:////var/lib/ombud/ombud.db for an absolute path."
        )
    return Path(path)


def open_database(url: str) -> Database:
    """Open the database of this URL; raises ConfigurationError."""
    return SqliteDatabase(database_path(url))
