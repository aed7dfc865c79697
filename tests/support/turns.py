"""Turns: tests run beside each other, but one that measures time has the machine to itself."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """What one of a run's processes shares with the others: a lock on a file that all of them have.

    Each holds it together with the others until it comes to its first test that runs alone: those come last in every
    process (`order.py`). Such a test then holds it for itself.
    """

    def __init__(self) -> None:
        self._file = os.open(__file__, os.O_RDONLY) if "PYTEST_XDIST_WORKER" in os.environ else None
        self._lock(fcntl.LOCK_SH)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process runs a test, and keep the others waiting meanwhile."""
        self._lock(fcntl.LOCK_EX)  # who waits for it has given up the one it had
        try:
            yield
        finally:
            self.end()

    def end(self) -> None:
        """Wait for nobody and keep nobody waiting any more."""
        # Closing would not be enough: a child that was forked meanwhile has the lock too.
        self._lock(fcntl.LOCK_UN)

    def _lock(self, how: int) -> None:
        if self._file is not None:
            fcntl.flock(self._file, how)
