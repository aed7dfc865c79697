"""One budget for all processes of a user on this machine that ask one API with one key.

Its state is in a small file that is read and written under a lock, a few microseconds each time; it holds numbers, and
its name is a hash. Nobody waits for a process that stands still with the lock: then this one goes on by what it knows.
"""

import contextlib
import hashlib
import math
import os
import secrets
import stat
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

if sys.platform != "win32":
    import fcntl

# Fields of the file: a mark, when it was written, and the state of a budget; then when each priority last waited.
_STATE = struct.Struct("<8s10d")
_WANTED = struct.Struct("<6d")
_MARK = b"ombud-2\n"
# Seconds after which a state says nothing any more: nobody has asked since.
STALE_SECONDS = 60.0
# Seconds for which a process that waits with a higher priority is believed to wait still: it asks again sooner.
WAITING_SECONDS = 0.5
# Tries to get the lock, and seconds between them.
TRIES, PAUSE_SECONDS = 20, 0.0002

State = tuple[float, ...]


def budget_file(fingerprint: str, api_url: str) -> Path | None:
    """Return the file of a key's budget at an API, in a folder that nobody else can write; None where there is none."""
    folder = _folder()
    return None if folder is None else folder / budget_name(fingerprint, api_url)


def budget_name(fingerprint: str, api_url: str) -> str:
    """Return the name of a key's budget at an API: it tells neither."""
    return hashlib.sha256(f"{fingerprint} {api_url}".encode()).hexdigest()[:32]


def node_name() -> str:
    """Return the name of this machine, or of this user of it: one for all processes that share budgets."""
    folder, name = _folder(), secrets.token_hex(8)
    if folder is not None:
        made = folder / f"node.{name}"
        with contextlib.suppress(OSError):
            made.write_text(name)
            try:
                # At once as a whole, and only by the first.
                os.link(made, folder / "node")
            except FileExistsError:
                name = (folder / "node").read_text()
            finally:
                made.unlink()
    return name


def _folder() -> Path | None:
    if sys.platform == "win32":
        return None
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = Path(base) / f"ombud-budgets-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        return None
    return folder


class SharedState:
    """A lock around a budget's state, which is that of the file inside it.

    `load` takes the numbers of another process over, `dump` gives ours: nine of them, the first one the rate to start
    at. What was stored for another one is not taken over.
    """

    def __init__(self, path: Path, load: Callable[[State], None], dump: Callable[[], State]) -> None:
        """Open the file; raises OSError."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._load = load
        self._dump = dump
        self._threads = threading.Lock()
        self._locked = False
        self.wanted: list[float] = [-math.inf] * 6

    def __enter__(self) -> None:
        self._threads.acquire()
        self._locked = self._lock()
        if not self._locked:
            return
        size = _STATE.size + _WANTED.size
        data = os.pread(self._file, size, 0)
        if len(data) != size:
            return
        mark, written_at, *state = _STATE.unpack_from(data)
        now = time.monotonic()
        # After a start of the machine the clock is behind what was written.
        if mark == _MARK and now - STALE_SECONDS < written_at <= now and state[0] == self._dump()[0]:
            self._load(tuple(state))
            self.wanted = list(_WANTED.unpack_from(data, _STATE.size))

    def __exit__(self, *_: object) -> None:
        try:
            if self._locked:
                text = _STATE.pack(_MARK, time.monotonic(), *self._dump()) + _WANTED.pack(*self.wanted)
                os.pwrite(self._file, text, 0)
                fcntl.lockf(self._file, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def waits_elsewhere(self, priority: int, mine: set[int]) -> int:
        """Return 1 when another process waits with a higher priority, else 0, and let it be known that `mine` wait."""
        now = time.monotonic()
        above = [one for one in range(priority) if one not in mine and now - self.wanted[one] < WAITING_SECONDS]
        for one in mine:
            self.wanted[one] = now
        return int(bool(above))

    def ended(self, priority: int) -> None:
        """Nobody of this process waits with this priority any more."""
        self.wanted[priority] = -math.inf

    def _lock(self) -> bool:
        for _ in range(TRIES):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(PAUSE_SECONDS)
            else:
                return True
        return False
