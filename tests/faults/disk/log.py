"""What SQLite did to the files of one folder, in order, and what was answered in between.

The trace that a simulated machine (machine.py) lives through, up to the moment when its power is cut.
"""

import itertools
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

# What the workload stores and asks for again: `row 17`, `event 90`.
Key: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Created:
    """A new file under a name; another one of that name may have been there before."""

    file: int
    name: str


@dataclass(frozen=True, slots=True)
class Written:
    file: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncated:
    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Synced:
    """The file's data is on disk now, unless the sync did not work."""

    file: int
    worked: bool = True


@dataclass(frozen=True, slots=True)
class Deleted:
    name: str


@dataclass(frozen=True, slots=True)
class FolderSynced:
    """Names that were made and removed are on disk now."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """From here on these must survive everything."""

    keys: frozenset[Key]


Entry: TypeAlias = Created | Written | Truncated | Synced | Deleted | FolderSynced | Acknowledged


class Log:
    """The entries so far. A file is a number: its name may go to another one."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        # False: the process that did all this is dead, and what is still called is only the test's tidying up.
        self.alive = True
        self._names: dict[str, int] = {}
        self._files = itertools.count(1)

    def opened(self, name: str) -> int:
        """Return the number of the file that has this name now."""
        if name not in self._names:
            self._names[name] = next(self._files)
            self.add(Created(self._names[name], name))
        return self._names[name]

    def deleted(self, name: str) -> None:
        if self.alive:
            del self._names[name]
            self.add(Deleted(name))

    def acknowledged(self, keys: Iterable[Key]) -> None:
        self.add(Acknowledged(frozenset(keys)))

    def add(self, entry: Entry) -> None:
        if self.alive:
            self.entries.append(entry)

    def save(self, path: Path) -> None:
        """Write an entry a line, for whoever wants to know what led to a loss."""
        lines = [f"{number} {type(entry).__name__} {asdict(entry)}" for number, entry in enumerate(self.entries)]
        path.write_text("\n".join(lines) + "\n")
