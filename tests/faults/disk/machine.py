"""A simulated machine: its files as the kernel shows them and as they are on disk, and what a power cut leaves of them.

The rules are the harshest that a disk may keep to: before a sync any part of what was written may be there, in any
order, torn anywhere; after it all is. A failed sync is worse: the kernel forgets what was to be written, so that a
later sync that works proves nothing of it, yet reads go on showing it (https://lwn.net/Articles/752063/).
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.faults.disk.log import (
    Acknowledged,
    Created,
    Deleted,
    Entry,
    FolderSynced,
    Key,
    Synced,
    Truncated,
    Written,
)

# Bytes that the kernel writes together.
PAGE = 4096
# How much of what was not synced reaches the disk: nothing, something, everything.
SHARES = (0.0, 0.2, 0.5, 0.8, 1.0)
# How often a write that reaches the disk is torn.
TORN = 0.3


@dataclass
class _File:
    seen: bytearray = field(default_factory=bytearray)
    on_disk: bytearray = field(default_factory=bytearray)
    pending: list[Written | Truncated] = field(default_factory=list)
    # Numbers of pages that the kernel shows and will not write, after a sync that failed.
    forgotten: set[int] = field(default_factory=set)

    def change(self, entry: Written | Truncated) -> None:
        # Who writes to a page makes the kernel write all of it.
        for page in sorted(self.forgotten & set(_pages(entry))):
            self.forgotten.remove(page)
            self.pending.append(self._page(entry.file, page))
        _apply(entry, self.seen)
        self.forgotten.difference_update(range(len(self.seen) // PAGE + 1, max(self.forgotten, default=0) + 1))
        self.pending.append(entry)

    def sync(self, worked: bool) -> None:
        for entry in self.pending:
            if worked:
                _apply(entry, self.on_disk)
            elif isinstance(entry, Written):
                self.forgotten.update(_pages(entry))
        self.pending.clear()

    def after_power_cut(self, chance: random.Random) -> bytes:
        left, share = bytearray(self.on_disk), chance.choice(SHARES)
        for page in sorted(self.forgotten):
            if chance.random() < share:
                _apply(self._page(0, page), left)
        for entry in self.pending:
            if chance.random() < share:
                _apply(_torn(entry, chance), left)
        return bytes(left)

    def _page(self, file: int, page: int) -> Written:
        return Written(file, page * PAGE, bytes(self.seen[page * PAGE : (page + 1) * PAGE]))


class Machine:
    """Lives through entries; afterwards its power can be cut any number of times."""

    def __init__(self) -> None:
        self.acknowledged: set[Key] = set()
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        self._names_on_disk: dict[str, int] = {}
        self._pending_names: list[Created | Deleted] = []

    def live(self, entries: Iterable[Entry]) -> None:
        """Go on through these entries."""
        for entry in entries:
            match entry:
                case Created() | Deleted():
                    _rename(entry, self._names)
                    self._pending_names.append(entry)
                    if isinstance(entry, Created):
                        self._files[entry.file] = _File()
                case Written() | Truncated():
                    self._files[entry.file].change(entry)
                case Synced():
                    self._files[entry.file].sync(entry.worked)
                case FolderSynced():
                    self._names_on_disk = dict(self._names)
                    self._pending_names.clear()
                case Acknowledged():
                    self.acknowledged |= entry.keys

    def after_restart(self) -> dict[str, bytes]:
        """Return the files as a new process sees them."""
        return {name: bytes(self._files[file].seen) for name, file in self._names.items()}

    def after_power_cut(self, chance: random.Random) -> dict[str, bytes]:
        """Return the files as they may be found when the power is back."""
        names, share = dict(self._names_on_disk), chance.choice(SHARES)
        for entry in self._pending_names:
            if chance.random() < share:
                _rename(entry, names)
        return {name: self._files[file].after_power_cut(chance) for name, file in names.items()}


def _rename(entry: Created | Deleted, names: dict[str, int]) -> None:
    if isinstance(entry, Created):
        names[entry.name] = entry.file
    else:
        names.pop(entry.name, None)


def _pages(entry: Written | Truncated) -> range:
    if isinstance(entry, Truncated):
        return range(entry.size // PAGE, entry.size // PAGE + 1)
    return range(entry.offset // PAGE, (entry.offset + len(entry.data) - 1) // PAGE + 1)


def _apply(entry: Written | Truncated, content: bytearray) -> None:
    if isinstance(entry, Truncated):
        del content[entry.size :]
        content.extend(bytes(entry.size - len(content)))
    else:
        # A hole reads as zeros.
        content.extend(bytes(max(0, entry.offset - len(content))))
        content[entry.offset : entry.offset + len(entry.data)] = entry.data


def _torn(entry: Written | Truncated, chance: random.Random) -> Written | Truncated:
    if isinstance(entry, Truncated) or chance.random() >= TORN:
        return entry
    return Written(entry.file, entry.offset, entry.data[: chance.randrange(len(entry.data))])
