"""What is done to a database's files beside SQLite: they are made private, and the log is made certain."""

import os
from contextlib import suppress
from pathlib import Path

# Bytes written again at a time: little memory, few calls.
CHUNK_BYTES = 1 << 20


def make_private(path: Path) -> None:
    """Create the file as 0600: the -wal and -shm files take its mode."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def write_log_again(path: Path) -> None:
    """Write the bytes of a database's log once more, and sync them. Nobody may add to it meanwhile. Raises OSError.

    A sync that fails makes the kernel forget what it was to write, though it goes on showing it
    (https://lwn.net/Articles/752063/). A process that is killed after such a failure and started again finds in the log
    what the kernel shows. SQLite takes it for committed and puts new commits behind it, or copies it into the file: a
    power cut would then take the new commits, or leave a file of which half is older. Written again, it is new to the
    kernel.
    """
    descriptor = os.open(f"{path.resolve()}-wal", os.O_RDWR | os.O_CLOEXEC)
    try:
        offset = 0
        while chunk := os.pread(descriptor, CHUNK_BYTES, offset):
            # A short write leaves the rest to the next round.
            offset += os.pwrite(descriptor, chunk, offset)
        if offset:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
