"""File locks beside the database: the kernel frees them when a process dies, however it dies.

A lock belongs to the open file, so a forked child would keep it alive: children close theirs at once.
"""

import fcntl
import os
import time
import weakref
from pathlib import Path

from ombud.errors import StorageUnavailable

# Seconds between two looks at a lock that another process holds: a write transaction takes about 0.3 ms.
POLL_SECONDS = 0.0001

_open_locks: weakref.WeakSet["FileLock"] = weakref.WeakSet()


class FileLock:
    """An exclusive `flock` on a file of its own, which is made if missing (mode 0600) and never removed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _open_locks.add(self)

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it; never waits."""
        try:
            fcntl.flock(self._fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self, timeout_seconds: float) -> None:
        """Take the lock, waiting that long at most; raises StorageUnavailable after that."""
        if self.try_acquire():
            return
        deadline = time.monotonic() + timeout_seconds
        while not self.try_acquire():
            if time.monotonic() >= deadline:
                raise StorageUnavailable(
                    f"Another process has held {self.path} for {timeout_seconds:g} seconds; nothing was stored."
                )
            time.sleep(POLL_SECONDS)

    def release(self) -> None:
        """Give the lock back; the file stays open for the next time."""
        fcntl.flock(self._fileno(), fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file, which frees the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _fileno(self) -> int:
        if self._descriptor is None:
            raise StorageUnavailable(
                f"{self.path} was closed, or belongs to the process that this one was forked from."
            )
        return self._descriptor


class FileSeat:
    """The seat of the one process that performs: a file lock for as long as it has it."""

    def __init__(self, path: Path) -> None:
        """Raises StorageUnavailable when the lock's file cannot be opened."""
        try:
            self._lock = FileLock(path)
        except OSError as error:
            raise StorageUnavailable(f"Nobody can be elected to perform: {path}: {error.strerror}.") from error

    def try_take(self) -> bool:
        """Take it if no process has it; never waits."""
        return self._lock.try_acquire()

    def close(self) -> None:
        """Give it back."""
        self._lock.close()


def _close_in_child() -> None:
    for lock in list(_open_locks):
        lock.close()


os.register_at_fork(after_in_child=_close_in_child)
