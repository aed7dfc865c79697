"""See what no VFS sees: SQLite's syncs of a folder, and what Ombud itself writes to the files beside SQLite."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.faults.disk.log import FolderSynced, Log, Synced, Written

# SQLite opens a folder for no other reason than to sync it: int openDirectory(const char *path, int *descriptor).
_CALL = "openDirectory"
_OpenDirectory = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int))


@contextmanager
def watched(folder: Path, log: Log) -> Iterator[None]:
    """Write it down. One watcher at a time: the calls that are replaced belong to the process."""
    with _folder_syncs(log), _own_calls(folder, log):
        yield


@contextmanager
def _folder_syncs(log: Log) -> Iterator[None]:
    unix = apsw.VFS("folder-watcher", "unix")
    address = unix.xGetSystemCall(_CALL)
    assert address is not None
    original = _OpenDirectory(address)

    def open_directory(path: bytes, descriptor: Any) -> int:
        result: int = original(path, descriptor)
        log.add(FolderSynced())
        return result

    callback = _OpenDirectory(open_directory)
    pointer = ctypes.cast(callback, ctypes.c_void_p).value
    assert pointer is not None
    unix.xSetSystemCall(_CALL, pointer)
    try:
        yield
    finally:
        unix.xSetSystemCall(_CALL, address)
        unix.unregister()


@contextmanager
def _own_calls(folder: Path, log: Log) -> Iterator[None]:
    real_pwrite, real_fsync = os.pwrite, os.fsync

    def file_of(descriptor: int) -> int | None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        return log.opened(path.name) if path.parent == folder else None

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        written = real_pwrite(descriptor, data, offset)
        if (file := file_of(descriptor)) is not None:
            log.add(Written(file, offset, data[:written]))
        return written

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        if (file := file_of(descriptor)) is not None:
            log.add(Synced(file))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        patch.setattr(os, "fsync", fsync)
        yield
