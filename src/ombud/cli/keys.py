"""`ombud keys`: bearer keys."""

import json

from ombud.admin.access import OPERATOR, read_scopes
from ombud.admin.keys import add_key, list_keys, new_key, revoke_key
from ombud.cli.wiring import Place, admin_database, settings_of_environment

# More keys than anybody reads.
MOST_KEYS = 10_000


def run_keys_add(name: str, scopes: str, shop: int, place: Place, *, as_json: bool) -> None:
    """Make a key, store its hash, print it. `place`: the options --database and --data."""
    chosen = read_scopes(scopes)
    with admin_database(place, settings_of_environment()) as database:
        key = new_key()
        database.write(lambda: add_key(name, key, database.clock(), chosen, shop))
    print(json.dumps({"name": name, "api_key": key}) if as_json else key)


def run_keys_list(place: Place, *, as_json: bool) -> None:
    """Print what the keys may do and when they were last used."""
    with admin_database(place, settings_of_environment()) as database:
        keys = database.read(lambda: list_keys(MOST_KEYS))
    if as_json:
        print(json.dumps(keys))
        return
    for key in keys:
        where = f"shop {key['shop_id']}" if key["shop_id"] else "every shop"
        print(f"{key['name']}  {' '.join(key['scopes'])}  {where}  last used: {key['last_used_at'] or 'never'}")


def run_keys_revoke(name: str, place: Place) -> None:
    """Let a key open nothing any more."""
    with admin_database(place, settings_of_environment()) as database:
        database.write(lambda: revoke_key(OPERATOR, name, database.clock()))
