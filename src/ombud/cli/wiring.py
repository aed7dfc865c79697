"""What the verbs share: settings, the database they name, and the sender on it."""

import asyncio
import os
from pathlib import Path

from ombud.db.connect import database_path, open_database
from ombud.db.migrate import require_tables
from ombud.db.sqlite import Database
from ombud.errors import ConfigurationError
from ombud.sender.sender import Sender
from ombud.settings import Settings, read_settings

# The sender's and the shop's database in the folder of a demo.
SENDER_FILE = "sender.db"
SENDER_TABLES = ["ombud.mailbox", "ombud.sender"]


def settings_of_environment(**defaults: object) -> Settings:
    """Read the settings of this process; raises ConfigurationError."""
    return read_settings(os.environ, **defaults)


def database_url(option: str, settings: Settings, data: Path | None = None) -> str:
    """Return the database that a verb was told to use: --data, --database, or the setting."""
    if data is None:
        return option or settings.database_url
    if option:
        raise ConfigurationError("--database and --data name two databases. Keep one of them.")
    return sqlite_url(data / SENDER_FILE)


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return f"sqlite:///{path.absolute()}"


def open_existing(url: str) -> Database:
    """Open a database to look into; raises ConfigurationError instead of making an empty one."""
    path = database_path(url)
    if not path.is_file():
        raise ConfigurationError(f"There is no database {path}. Name it with --database sqlite:///FILE or --data DIR.")
    database = open_database(url)
    require_tables(database, SENDER_TABLES)
    return database


class Standby:
    """No work in this process: it only serves."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Wait for `stop`."""
        await self._stopped.wait()

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()


def performing(sender: Sender) -> Sender | Standby:
    """Return what works beside the web servers: the sender, unless the settings leave that to another process."""
    return sender if sender.settings.perform == "here" else Standby()
