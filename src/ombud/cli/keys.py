"""`ombud keys`: bearer keys."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ombud.admin.access import OPERATOR, read_scopes
from ombud.admin.keys import add_key, list_keys, new_key, revoke_key
from ombud.cli.wiring import database_url, settings_of_environment
from ombud.db.connect import open_database
from ombud.db.database import Database
from ombud.db.migrate import migrate

# More keys than anybody reads.
MOST_KEYS = 10_000


def run_keys_add(name: str, scopes: str, shop: int, place: tuple[str, Path | None], *, as_json: bool) -> None:
    """Make a key, store its hash, print it. `place`: the options --database and --data."""
    chosen = read_scopes(scopes)
    with _opened(place) as database:
        key = new_key()
        database.write(lambda: add_key(name, key, database.clock(), chosen, shop))
    print(json.dumps({"name": name, "api_key": key}) if as_json else key)


def run_keys_list(place: tuple[str, Path | None], *, as_json: bool) -> None:
    """Print what the keys may do and when they were last used."""
    with _opened(place) as database:
        keys = database.read(lambda: list_keys(MOST_KEYS))
    if as_json:
        print(json.dumps(keys))
        return
    for key in keys:
        where = f"shop {key['shop_id']}" if key["shop_id"] else "every shop"
        print(f"{key['name']}  {' '.join(key['scopes'])}  {where}  last used: {key['last_used_at'] or 'never'}")


def run_keys_revoke(name: str, place: tuple[str, Path | None]) -> None:
    """Let a key open nothing any more."""
    with _opened(place) as database:
        database.write(lambda: revoke_key(OPERATOR, name, database.clock()))


@contextmanager
def _opened(place: tuple[str, Path | None]) -> Iterator[Database]:
    opened = open_database(database_url(place[0], settings_of_environment(), place[1]))
    try:
        migrate(opened, ["ombud.admin"])
        yield opened
    finally:
        opened.close()
