"""What a failed disk means: nothing more is answered "stored", the process ends, and the next one checks the file.

After a failed fsync the kernel may have dropped what it could not write, so a later success proves nothing.
"""

import errno
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import apsw

log = logging.getLogger("ombud.db")

# What says "not now" instead of "never".
UNAVAILABLE = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.FullError,
    apsw.IOError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.NotADBError,
    apsw.ProtocolError,
    apsw.ReadOnlyError,
)
# Why a process stores nothing more whose file is in its place no longer.
GONE = "it was removed or replaced while it was open"
# SQLite calls these input or output errors too, but they say only that memory, locks or room for the index of the log
# could not be had: nothing of the file is in doubt.
_HARMLESS = frozenset(
    {
        apsw.SQLITE_IOERR_LOCK,
        apsw.SQLITE_IOERR_NOMEM,
        apsw.SQLITE_IOERR_RDLOCK,
        apsw.SQLITE_IOERR_SHMLOCK,
        apsw.SQLITE_IOERR_SHMMAP,
        apsw.SQLITE_IOERR_SHMOPEN,
        apsw.SQLITE_IOERR_SHMSIZE,
    }
)


def is_damage(error: BaseException, system_errno: int = 0) -> bool:
    """Return whether what is in the file is in doubt after this error. A full disk, or a used-up quota, is no damage.

    `system_errno` is what the operating system said last.
    """
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return True
    result = getattr(error, "extendedresult", apsw.SQLITE_IOERR)
    if not isinstance(error, apsw.IOError) or result in _HARMLESS:
        return False
    return (result, system_errno) != (apsw.SQLITE_IOERR_WRITE, errno.EDQUOT)


class Damage:
    """Whether the disk has failed under a file: said at once to who asked, and to the next start by a file."""

    def __init__(self, path: Path, marker: Path) -> None:
        self.failure: str | None = None
        self._path = path
        self._marker = marker
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []

    def note(self, error: BaseException) -> None:
        """Remember the first failure; from any thread."""
        if not self._fail(f"the disk failed ({error})"):
            return
        # The disk that failed may refuse this too; then the next start is left to notice by itself.
        with suppress(OSError):
            os.close(os.open(self._marker, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def note_gone(self) -> None:
        """Remember that the file is not in its place any more: what is written goes nowhere."""
        self._fail(GONE)

    def _fail(self, failure: str) -> bool:
        with self._lock:
            if self.failure is not None:
                return False
            self.failure = failure
            callbacks, self._callbacks = self._callbacks, []
        if not callbacks:
            # Nobody ends this process: it may be somebody's web server, with an inbox mounted in it.
            log.error("%s: %s; nothing more is stored by this process. Start it again.", self._path, self.failure)
        for callback in callbacks:
            _call(callback)
        return True

    def when_noted(self, callback: Callable[[], object]) -> None:
        """Have this called once there is a failure: from the thread that meets it, or at once."""
        with self._lock:
            if self.failure is None:
                self._callbacks.append(callback)
                return
        _call(callback)

    @property
    def is_suspected(self) -> bool:
        """Whether an earlier process met a failure, and no start has checked the file since."""
        return self._marker.exists()

    def clear(self) -> None:
        """Forget what an earlier process met: the file was checked and is sound."""
        self._marker.unlink(missing_ok=True)


def drop_cached(path: Path) -> None:
    """Ask the kernel to read a file anew: what it kept of a write that failed looks whole, and is not on the disk."""
    if not hasattr(os, "posix_fadvise"):
        return
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _call(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:
        log.exception("%r could not be told that the disk failed", callback)
