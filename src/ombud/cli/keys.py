"""`ombud keys`: bearer keys."""

import json
from pathlib import Path

from ombud.admin.keys import add_key, new_key
from ombud.cli.wiring import database_url, settings_of_environment
from ombud.clock import now_microseconds
from ombud.db.connect import open_database
from ombud.db.migrate import migrate


def run_keys_add(name: str, database: str, data: Path | None, *, as_json: bool) -> None:
    """Make a key, store its hash, print it."""
    opened = open_database(database_url(database, settings_of_environment(), data))
    try:
        migrate(opened, ["ombud.admin"])
        key = new_key()
        opened.write(lambda: add_key(name, key, now_microseconds()))
    finally:
        opened.close()
    print(json.dumps({"name": name, "api_key": key}) if as_json else key)
