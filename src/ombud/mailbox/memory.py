"""What was read of rows that seldom change, for as long as their version is the same."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from ombud.db.operation import Operation, Statement

K = TypeVar("K")
V = TypeVar("V")

# Entries that are kept: more than lanes can be owned.
KEPT = 20_000


class Memory(Generic[K, V]):
    """Filled and asked in write transactions, of which there is one at a time where there is a version."""

    def __init__(self, version: Statement | None) -> None:
        """`version` returns one number, another one after each change. Without it nothing is remembered."""
        self._version = version
        self._of: int | None = None
        self._known: dict[K, V] = {}

    def current(self) -> Operation[Mapping[K, V]]:
        """Return what is known and holds, as this transaction stands."""
        if self._version is None:
            return {}
        ((version,),) = yield self._version, {}, tuple
        if version != self._of or len(self._known) > KEPT:
            self._known, self._of = {}, version
        return self._known

    def keep(self, entries: Mapping[K, V]) -> None:
        """Remember what was read in this transaction since it has asked."""
        if self._version is not None:
            self._known.update(entries)
