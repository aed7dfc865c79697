"""Disk errors where SQLite meets the kernel: the n-th write, truncation or sync of a folder's files fails.

Not by a VFS in Python: there an error is a Python exception, which apsw raises in the end even where SQLite itself
ignores the error and says "committed", as it does when copying the log into the file fails. What must be tested is
what SQLite says. So the C functions of the usual VFS are wrapped: https://sqlite.org/c3ref/io_methods.html.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from tests.faults.disk.beside import watched
from tests.faults.disk.log import Log, Synced, Truncated, Written

_Pointer, _Int, _Offset = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_Write = ctypes.CFUNCTYPE(_Int, _Pointer, _Pointer, _Int, _Offset)
_Truncate = ctypes.CFUNCTYPE(_Int, _Pointer, _Offset)
_Sync = ctypes.CFUNCTYPE(_Int, _Pointer, _Int)
# Names stay pointers: SQLite reads what lies beside them in memory.
_Open = ctypes.CFUNCTYPE(_Int, _Pointer, _Pointer, _Pointer, _Int, _Pointer)
_Delete = ctypes.CFUNCTYPE(_Int, _Pointer, _Pointer, _Int)


class _Methods(ctypes.Structure):
    """sqlite3_io_methods, version 3."""

    _fields_ = (
        ("version", _Int),
        ("close", _Pointer),
        ("read", _Pointer),
        ("write", _Pointer),
        ("truncate", _Pointer),
        ("sync", _Pointer),
        ("others", _Pointer * 13),
    )


class _File(ctypes.Structure):
    """sqlite3_file."""

    _fields_ = (("methods", ctypes.POINTER(_Methods)),)


class _Vfs(ctypes.Structure):
    """The beginning of sqlite3_vfs."""

    _fields_ = (
        ("version", _Int),
        ("file_size", _Int),
        ("longest_path", _Int),
        ("next", _Pointer),
        ("name", _Pointer),
        ("data", _Pointer),
        ("open", _Pointer),
        ("delete", _Pointer),
    )


@dataclass
class Fault:
    """The call that fails: the `nth` of a kind, and all later ones of that kind while `lasting`.

    `kind` is write, truncate or sync, `code` what SQLite's own VFS returns for such an error of the kernel.
    """

    kind: str
    nth: int
    code: int
    lasting: bool = False
    calls: int = 0
    failed: int = 0

    def hits(self, kind: str) -> bool:
        """Count a call; returns whether it must fail."""
        if kind != self.kind:
            return False
        self.calls += 1
        hit = self.calls == self.nth or (self.lasting and self.calls > self.nth)
        self.failed += hit
        return hit

    def end(self) -> None:
        """From now on nothing fails."""
        self.nth, self.lasting = 0, False


@dataclass
class _Tap:
    """Wraps the calls of open files: writes them down, and fails the one that the fault says."""

    log: Log
    fault: Fault
    # What C may still call.
    _alive: list[Any] = field(default_factory=list)
    _synced: set[int] = field(default_factory=set)

    def wrap(self, pointer: int, name: str) -> None:
        """Put wrapped methods into an open file."""
        opened = _File.from_address(pointer)
        methods = _Methods.from_buffer_copy(opened.methods.contents)
        file = self.log.opened(name)
        calls = (
            self._write(file, _Write(methods.write)),
            self._truncate(file, _Truncate(methods.truncate)),
            self._sync(file, _Sync(methods.sync)),
        )
        methods.write, methods.truncate, methods.sync = (ctypes.cast(call, _Pointer).value for call in calls)
        opened.methods = ctypes.pointer(methods)
        self._alive += [methods, calls]

    def _write(self, file: int, original: Callable[..., int]) -> Any:
        def write(this: int, data: int, size: int, offset: int) -> int:
            fails = self.fault.hits("write")
            # What fails has often written a part.
            size = size // 2 if fails else size
            result = original(this, data, size, offset)
            self.log.add(Written(file, offset, ctypes.string_at(data, size)))
            return self.fault.code if fails else result

        return _Write(write)

    def _truncate(self, file: int, original: Callable[..., int]) -> Any:
        def truncate(this: int, size: int) -> int:
            if self.fault.hits("truncate"):
                return self.fault.code
            self.log.add(Truncated(file, size))
            return original(this, size)

        return _Truncate(truncate)

    def _sync(self, file: int, original: Callable[..., int]) -> Any:
        def sync(this: int, flags: int) -> int:
            fails = self.fault.hits("sync")
            if file not in self._synced:
                # The disk that counts is the simulated one; but SQLite syncs the folder with a log's first sync.
                original(this, flags)
                self._synced.add(file)
            self.log.add(Synced(file, worked=not fails))
            return self.fault.code if fails else apsw.SQLITE_OK

        return _Sync(sync)


@contextmanager
def tapped(folder: Path, log: Log, fault: Fault) -> Iterator[None]:
    """Tap what is opened in a folder from now on; all of it must be closed again before this ends."""
    vfs, tap = _usual_vfs(folder), _Tap(log, fault)
    addresses = vfs.open, vfs.delete
    original_open, original_delete = _Open(vfs.open), _Delete(vfs.delete)

    def name_of(pointer: int | None) -> str | None:
        path = Path(ctypes.string_at(pointer).decode()) if pointer else None
        return path.name if path is not None and path.parent == folder else None

    def opening(this: int, pointer: int | None, file: int, flags: int, out: int | None) -> int:
        result: int = original_open(this, pointer, file, flags, out)
        name = name_of(pointer)
        if result == apsw.SQLITE_OK and name is not None:
            tap.wrap(file, name)
        return result

    def deleting(this: int, pointer: int | None, sync: int) -> int:
        result: int = original_delete(this, pointer, sync)
        name = name_of(pointer)
        if result == apsw.SQLITE_OK and name is not None:
            log.deleted(name)
        return result

    replaced = _Open(opening), _Delete(deleting)
    vfs.open, vfs.delete = (ctypes.cast(call, _Pointer).value for call in replaced)
    try:
        with watched(folder, log):
            yield
    finally:
        vfs.open, vfs.delete = addresses


def _usual_vfs(folder: Path) -> _Vfs:
    pointer = _Pointer()
    with closing(apsw.Connection(str(folder.with_name("probe")))) as connection:
        assert connection.file_control("main", apsw.SQLITE_FCNTL_VFS_POINTER, ctypes.addressof(pointer))
    assert pointer.value is not None
    return _Vfs.from_address(pointer.value)
