"""What the verbs share: settings, the database they name, and the sender on it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ombud.db.connect import database_path, open_database
from ombud.db.database import Database
from ombud.db.migrate import migrate, require_tables
from ombud.errors import ConfigurationError
from ombud.settings import Settings, read_settings

# The options --database and --data.
Place = tuple[str, Path | None]
# The databases in the folder of a demo: the sender's, which is the shop's as well, and the receiver's.
SENDER_FILE = "sender.db"
RECEIVER_FILE = "receiver.db"
SENDER_TABLES = ["ombud.mailbox", "ombud.sender"]


def settings_of_environment(**defaults: object) -> Settings:
    """Read the settings of this process; raises ConfigurationError."""
    return read_settings(os.environ, **defaults)


def database_url(option: str, settings: Settings, data: Path | None = None, file: str = SENDER_FILE) -> str:
    """Return the database that a verb was told to use: the file of --data, --database, or the setting."""
    if data is None:
        return option or settings.database_url
    if option:
        raise ConfigurationError("--database and --data name two databases. Keep one of them.")
    return sqlite_url(data / file)


@contextmanager
def admin_database(place: Place, settings: Settings) -> Iterator[Database]:
    """Open the database that a verb was told to use, with the tables of people, keys and alarms."""
    opened = open_database(database_url(place[0], settings, place[1]))
    try:
        migrate(opened, ["ombud.admin"])
        yield opened
    finally:
        opened.close()


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return f"sqlite:///{path.absolute()}"


def open_existing(url: str, packages: Sequence[str] = SENDER_TABLES) -> Database:
    """Open a database with the tables of these to look into; raises ConfigurationError instead of making them."""
    if url.startswith("sqlite:") and not (path := database_path(url)).is_file():
        raise ConfigurationError(f"There is no database {path}. Name it with --database sqlite:///FILE or --data DIR.")
    database = open_database(url)
    require_tables(database, packages)
    return database
