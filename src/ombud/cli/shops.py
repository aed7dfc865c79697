"""`ombud shops`: the shops of an inbox."""

import json
from pathlib import Path

from ombud.cli.wiring import database_url, settings_of_environment
from ombud.db.connect import open_database
from ombud.errors import InvalidInput
from ombud.receiver.receiver import Receiver
from ombud.receiver.shops import add_shop, new_token


def run_shops_add(name: str, api_key_file: Path | None, database: str, *, as_json: bool) -> None:
    """Store a shop and print its token."""
    if api_key_file is not None and not api_key_file.is_file():
        raise InvalidInput("--api-key-file", f"--api-key-file: there is no file {api_key_file}.")
    settings = settings_of_environment()
    receiver = Receiver(open_database(database_url(database, settings)), settings)
    token, path = new_token(), None if api_key_file is None else str(api_key_file.absolute())
    try:
        receiver.database.write(lambda: add_shop(receiver.arrivals, name, token, path))
    finally:
        receiver.close()
    print(json.dumps({"name": name, "token": token}) if as_json else f"Its webhooks go to …/hooks/{token}")
