"""The keys of a demo, kept in its folder so that every start has the same ones."""

import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ombud.admin.keys import new_key
from ombud.errors import ConfigurationError
from ombud.receiver.shops import new_token

FILE = "credentials.json"
# Random bytes of the pretend shop's key.
SHOP_KEY_BYTES = 24


def new_shop_key() -> str:
    """Return an API key for the pretend shop."""
    return "shop_" + secrets.token_urlsafe(SHOP_KEY_BYTES)


_MAKERS: dict[str, Callable[[], str]] = {
    "api_key": new_key,
    "shop_key": new_shop_key,
    "hook_token": new_token,
    "set_up_token": new_token,
}


def keep_credentials(folder: Path) -> dict[str, str]:
    """Return the keys of a demo folder, made at its first start; the file is readable by its owner alone."""
    path = folder / FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        credentials = json.loads(path.read_text("utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"Cannot use the folder {folder}: {error}. Name another with --data.") from error
    if not isinstance(credentials, dict) or not all(isinstance(value, str) for value in credentials.values()):
        raise ConfigurationError(f"{path} does not hold a demo's keys. Remove it, or name another folder with --data.")
    missing = {name: make() for name, make in _MAKERS.items() if name not in credentials}
    if missing:
        credentials |= missing
        _write_private(path, json.dumps(credentials, indent=2) + "\n")
    return credentials


def _write_private(path: Path, text: str) -> None:
    """Write a whole file or none: a kill in the middle leaves the old one."""
    draft = path.with_suffix(".new")
    try:
        with suppress(FileNotFoundError):
            draft.unlink()
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise ConfigurationError(f"Cannot write {path}: {error}. Name another folder with --data.") from error
