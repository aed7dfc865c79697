"""Diaries: what each process of a campaign did, line by line. A line once written outlives its writer."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

# What happened (`what`), when (`at`: monotonic nanoseconds, one clock for all processes), and the rest.
Line: TypeAlias = dict[str, Any]


class Diary:
    """The diary of one process. Each line is one write to the end of a file of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file = os.open(folder / f"{name}.diary", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, what: str, **rest: Any) -> None:
        os.write(self._file, json.dumps({"what": what, "at": time.monotonic_ns(), **rest}).encode() + b"\n")


def read(folder: Path, name: str = "*") -> Iterator[Line]:
    """Return all lines of all diaries of a campaign, or of one of them, that are written to their end."""
    for path in sorted(folder.glob(f"{name}.diary")):
        # A write over a page's border can be read when half of it is there.
        *whole, _ = path.read_text().split("\n")
        for line in whole:
            yield json.loads(line)
