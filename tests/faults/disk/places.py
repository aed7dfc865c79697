"""Folders of one campaign, used again and again: what a failure leaves in them can be looked at."""

from collections.abc import Mapping
from pathlib import Path

FILE = "ombud.db"


def empty(folder: Path) -> Path:
    """Make the folder, or remove what is in it."""
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    return folder


def put(files: Mapping[str, bytes], folder: Path) -> Path:
    """Have exactly these files in the folder."""
    empty(folder)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
