"""`ombud secrets`: the key file that opens what is secret in a sender's database."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ombud.cli.wiring import database_url, open_existing, settings_of_environment
from ombud.sender.rotation import Rotation
from ombud.sender.vault import Vault

Place = tuple[str, Path | None]


def run_rotate_key(place: Place, *, prepare: bool, as_json: bool) -> None:
    """Encrypt everything with another key, or only put one into the file. `place`: --database and --data."""
    with _opened(place) as (rotation, vault):
        key = rotation.add_key() if prepare else rotation.rotate()
    if as_json:
        print(json.dumps({"key": key.id, "file": str(vault.path), "used": not prepare}))
    elif prepare:
        print(f"The key {key.id} is in {vault.path}. Bring the file to the other hosts, then rotate the key.")
    else:
        print(
            f"Every secret is encrypted with the key {key.id} of {vault.path}. The keys below it open older backups of"
            " the database: delete their lines when you keep none."
        )


def run_scrub(place: Place) -> None:
    """Write the files of the database again."""
    with _opened(place) as (rotation, _):
        rotation.scrub()
    print("The files of the database are written again; nothing that was deleted is left in them.")


@contextmanager
def _opened(place: Place) -> Iterator[tuple[Rotation, Vault]]:
    settings = settings_of_environment()
    opened = open_existing(database_url(place[0], settings, place[1]))
    vault = Vault.of(opened, settings)
    try:
        yield Rotation(opened, vault), vault
    finally:
        opened.close()
