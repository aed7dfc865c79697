"""What was read of rows that seldom change, for as long as their version is the same."""

from typing import Generic, TypeVar

from ombud.db.operation import Operation, Statement

K = TypeVar("K")
V = TypeVar("V")

# Entries that are kept: more than lanes can be owned.
KEPT = 20_000


class Memory(Generic[K, V]):
    """For transactions that write, of which several may be under way."""

    def __init__(self, version: Statement | None) -> None:
        """`version` returns one number, another one after each change. Without it nothing is remembered."""
        self._version = version
        # As one: threads may ask at the same time.
        self._state: tuple[int | None, dict[K, V]] = (None, {})

    def current(self) -> Operation[dict[K, V]]:
        """Return what is known and holds now. What is read from here on may be added, and is remembered.

        Whoever asks once there has been a change is given another one: what is added too late is never seen.
        """
        if self._version is None:
            return {}
        ((version,),) = yield self._version, {}, tuple
        of, known = self._state
        if version != of or len(known) > KEPT:
            known = {}
            self._state = (version, known)
        return known
