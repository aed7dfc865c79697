"""The files of a SQLite database: made private, on a local disk, and never shared with a forked child."""

import os
import re
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import apsw

from ombud.errors import ConfigurationError

# Their locks and syncs hold on one host at best: the log is kept in memory that hosts cannot share, and an fsync is
# answered by a server that may not have it. 9p and virtiofs are not here: sandboxes and virtual machines use them for
# the only disk that they have, and where they lack what SQLite needs, the database does not get into WAL mode.
NETWORK_FILE_SYSTEMS = frozenset(
    {
        *("afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncp", "ncpfs"),
        *("nfs", "nfs4", "ocfs2", "gfs2", "orangefs", "pvfs2", "smb3", "smbfs"),
    }
)
# The same as programs on FUSE, whose types begin with `fuse.`.
NETWORK_FUSE = re.compile(
    r"^fuse\.(?:ceph|curlftpfs|davfs2?|gcsfuse|geesefs|glusterfs|goofys|juicefs|mfs|moosefs|mount-s3|mountpoint-s3"
    r"|rclone|s3fs|seaweedfs|smbnetfs|sshfs|weed)(?:\b|$)"
)

# Bytes written again at a time: little memory, few calls.
CHUNK_BYTES = 1 << 20

# The open connections of this process, each with its file: device and number.
open_connections: weakref.WeakKeyDictionary[apsw.Connection, tuple[int, int]] = weakref.WeakKeyDictionary()
# A forked child keeps its parent's connections here, neither used nor closed, and does not open their files: it would
# believe that it holds its parent's locks and write to a log that others delete (sqlite.org/howtocorrupt.html, 2.6).
_inherited: dict[apsw.Connection, tuple[int, int]] = {}
os.register_at_fork(after_in_child=lambda: _inherited.update(open_connections))


def beside(path: Path, suffix: str) -> Path:
    """Return the path of a companion file: `ombud.db` and `write` give `ombud.db.write`."""
    return path.with_name(f"{path.name}.{suffix}")


def make_private(path: Path) -> None:
    """Create the file as 0600 if it is missing: the -wal and -shm files take its mode."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def write_again(path: Path) -> None:
    """Write the bytes of a file once more, and sync them, so that they are certain; raises OSError.

    A sync that fails makes the kernel forget what it was to write, though it goes on showing it
    (https://lwn.net/Articles/752063/). A process that is killed after such a failure and started again finds in the log
    what the kernel shows. SQLite takes it for committed and puts new commits behind it, or copies it into the file: a
    power cut would then take the new commits, or leave a file of which half is older. What is written again is new to
    the kernel. Nobody may write to the file meanwhile.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        offset = 0
        while chunk := os.pread(descriptor, CHUNK_BYTES, offset):
            # A short write leaves the rest to the next round.
            offset += os.pwrite(descriptor, chunk, offset)
        if offset:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Place:
    """Where a database's file and its log are, once it is open: what goes into a file without a name is lost."""

    def __init__(self, *paths: str) -> None:
        """Look where they are. Not before it is open: a file of a container's lower layer is another one then.

        From then on neither goes by SQLite's doing: whoever removes the log first needs the file for itself alone.
        """
        self._paths = paths
        self._at = self._look()

    def is_kept(self) -> bool:
        """Return whether they are where they were."""
        return self._look() == self._at

    def _look(self) -> list[tuple[int, int] | None]:
        return [_place_of(path) for path in self._paths]


def _place_of(path: str) -> tuple[int, int] | None:
    try:
        file = os.stat(path)  # noqa: PTH116 - after every commit: a Path's own method takes three times as long
    except OSError:
        return None
    return (file.st_dev, file.st_ino)


def identity_of(path: Path) -> tuple[int, int]:
    """Return the device and number of a file; raises ConfigurationError when this process must not open it."""
    file = path.stat()
    identity = (file.st_dev, file.st_ino)
    if identity in _inherited.values():
        raise ConfigurationError(
            f"{path} was open in the process that this one was forked from, and cannot be shared with it."
            " Open it after the fork, or start this process by spawn."
        )
    return identity


def read_mounts() -> list[str]:
    """Return the lines of the kernel's list of mounts; where there is none, as on macOS, nothing is known."""
    try:
        return Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []


def refuse_network_file_system(path: Path, mounts: Callable[[], Iterable[str]] = read_mounts) -> None:
    """Raise ConfigurationError when this file is, or would be made, on a network file system.

    Without a list of mounts nothing is refused.
    """
    real = path.resolve()
    found, kind = Path("/"), ""
    for line in mounts():
        # https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html: the mount point is the fifth field, the type
        # the first one after a lone hyphen. Of two mounts on one place the later hides the earlier.
        fields, _, rest = line.partition(" - ")
        point = Path(_unescaped(fields.split(" ")[4]))
        if real.is_relative_to(point) and len(point.parts) >= len(found.parts):
            found, kind = point, rest.split(" ")[0]
    if kind in NETWORK_FILE_SYSTEMS or NETWORK_FUSE.match(kind):
        raise ConfigurationError(
            f"{path} is on a network file system ({kind}, mounted on {found}), which cannot keep the promise that what"
            " was answered is stored: SQLite's log needs memory that only one host has. Put the file on a local disk."
        )


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
