"""One SQLite file: durable write transactions, one at a time across all processes, and readers that never wait.

Facts behind the numbers: https://www.sqlite.org/wal.html (the WAL-reset bug, fixed in 3.51.3) and
https://www.sqlite.org/pragma.html#pragma_synchronous (FULL is what survives a power cut in WAL mode).
"""

import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import apsw

from ombud.db.files import make_private, write_log_again
from ombud.db.locks import FileLock
from ombud.db.operation import Make, Operation, Row, Statement, Values
from ombud.errors import ConfigurationError, StorageUnavailable

T = TypeVar("T")

# 3.7.0 to 3.51.2 may lose committed rows when a checkpoint meets a commit that resets the WAL.
OLDEST_SQLITE = (3, 51, 3)
# Seconds that a write waits for other writers. A batch that fails may wait twice, and a sender hangs up after 10 s.
WRITE_WAIT_SECONDS = 3.0

_FULL = 2
# After these what is in the file is in doubt.
_DAMAGE = (apsw.CorruptError, apsw.IOError, apsw.NotADBError)
# What says "not now" instead of "never".
_UNAVAILABLE = (
    *_DAMAGE,
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.FullError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.ProtocolError,
    apsw.ReadOnlyError,
)

# The open connections of this process, each with its file: device and number.
_connections: weakref.WeakKeyDictionary[apsw.Connection, tuple[int, int]] = weakref.WeakKeyDictionary()
# A forked child keeps its parent's connections here, neither used nor closed, and does not open their files: it would
# believe that it holds its parent's locks and write to a log that others delete (sqlite.org/howtocorrupt.html, 2.6).
_inherited: dict[apsw.Connection, tuple[int, int]] = {}
os.register_at_fork(after_in_child=lambda: _inherited.update(_connections))


def check_sqlite_version(version: str = "") -> None:
    """Raise ConfigurationError when the SQLite in this process has the WAL-reset bug."""
    version = version or apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")[:3]) < OLDEST_SQLITE:
        oldest = ".".join(str(part) for part in OLDEST_SQLITE)
        raise ConfigurationError(
            f"SQLite {version} can lose committed rows (the WAL-reset bug); Ombud needs {oldest} or newer."
            " Install a newer apsw: pip install -U apsw"
        )


class Database:
    """A SQLite file opened by this process. Thread-safe. Open it after a fork, not before: a child cannot use it."""

    def __init__(self, path: Path, *, vfs: str | None = None) -> None:
        """Open the file, or make it; raises ConfigurationError, or StorageUnavailable when others keep it locked."""
        check_sqlite_version()
        self.path = path.absolute()
        self._vfs = vfs  # the registered SQLite VFS that reaches the files; None is SQLite's own
        self._pid = os.getpid()
        self._failure: str | None = None
        self._write_lock, self._readers_lock = threading.Lock(), threading.Lock()
        self._idle_readers: list[_Connection] = []
        try:
            make_private(self.path)
            self._identity = _identity(self.path)
            self._process_lock = FileLock(beside(self.path, "write"))
            try:
                self._process_lock.acquire(WRITE_WAIT_SECONDS)
                self._writer = _open_writer(self.path, self._identity, self._vfs)
                self._process_lock.release()
            except BaseException:
                self._process_lock.close()
                raise
        except (OSError, ValueError, apsw.Error) as error:
            raise ConfigurationError(
                f"Cannot open {self.path}: {error}. Name a file in a folder that this user may write to."
            ) from error

    def write(self, make: Make[T]) -> T:
        """Run one operation in a write transaction; returns after its commit is on disk.

        Raises StorageUnavailable when nothing was stored, or whatever the operation raised.
        """
        result: T | BaseException = self.write_all([make])[0]
        if isinstance(result, BaseException):
            raise result
        return result

    def write_all(self, makes: Sequence[Make[Any]]) -> list[Any]:
        """Run operations in one durable transaction (group commit): for each its value, or the error it raised.

        An operation that raises is undone alone. When the transaction fails, every one fails.
        """
        try:
            with self._transaction() as connection:
                return [connection.guarded(make) for make in makes]
        except StorageUnavailable as error:
            return [error] * len(makes)

    def read(self, make: Make[T]) -> T:
        """Run an operation that only reads, in one snapshot, beside any writer."""
        self.check_usable()
        with self._readers_lock:
            reader = self._idle_readers.pop() if self._idle_readers else None
        with _as_unavailable():
            reader = reader or _open_reader(self.path, self._identity, self._vfs)
            try:
                reader.execute("begin")
                try:
                    return reader.run(make())
                finally:
                    reader.execute("rollback")
            finally:
                self._put_back(reader)

    def close(self) -> None:
        """Close every connection of this process; in a forked child there is none."""
        if self._pid != os.getpid():
            return
        with self._write_lock, self._readers_lock:
            for connection in [self._writer, *self._idle_readers]:
                connection.close()
            self._idle_readers.clear()
            self._process_lock.close()
            self._failure = "it was closed"

    def check_usable(self) -> None:
        """Raise StorageUnavailable when this process can do nothing with it: closed, failed, or its parent's."""
        if self._pid != os.getpid():
            raise StorageUnavailable(f"{self.path} was opened before a fork; open it after the fork instead.")
        if self._failure:
            raise StorageUnavailable(f"{self.path} takes no more writes: {self._failure}.")

    @contextmanager
    def _transaction(self) -> Iterator["_Connection"]:
        self.check_usable()
        if not self._write_lock.acquire(timeout=WRITE_WAIT_SECONDS):
            raise StorageUnavailable
        try:
            self.check_usable()
            self._process_lock.acquire(WRITE_WAIT_SECONDS)
            try:
                with _as_unavailable(), self._noting_failure(), self._writer.transaction():
                    yield self._writer
            finally:
                self._process_lock.release()
        finally:
            self._write_lock.release()

    @contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            # After a failed fsync pages may be gone: a later commit that succeeds proves nothing.
            self._failure = f"the disk failed ({error}); restart to check the file"
            raise

    def _put_back(self, reader: "_Connection") -> None:
        with self._readers_lock:
            if self._failure:
                reader.close()
            else:
                self._idle_readers.append(reader)


class _Connection:
    """Runs operations on one apsw connection."""

    def __init__(self, path: Path, identity: tuple[int, int], vfs: str | None) -> None:
        self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
        _connections[self._connection] = identity
        self._connection.set_busy_timeout(int(WRITE_WAIT_SECONDS * 1000))
        self._columns: dict[Statement, tuple[str, ...]] = {}

    def execute(self, sql: str) -> None:
        self._connection.execute(sql)

    def value_of(self, pragma: str) -> Any:
        return self._connection.execute(f"pragma {pragma}").fetchall()[0][0]

    def close(self) -> None:
        _connections.pop(self._connection, None)
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.execute("begin immediate")
        try:
            yield
            self.execute("commit")
        finally:
            if not self._connection.get_autocommit():
                self.execute("rollback")

    def guarded(self, make: Make[Any]) -> Any:
        """Run one operation of many; return its error instead of raising, with only its own writes undone."""
        self.execute("savepoint operation")
        try:
            result = self.run(make())
        except _UNAVAILABLE:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the other operations of the batch must not pay
            self.execute("rollback to operation")
            result = error
        self.execute("release operation")
        return result

    def run(self, operation: Operation[T]) -> T:
        rows: list[Row] = []
        try:
            step = next(operation)
            while True:
                rows = self._rows(*step)
                step = operation.send(rows)
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            operation.close()

    def _rows(self, statement: Statement, values: Values | Sequence[Values]) -> list[Row]:
        if isinstance(values, Sequence):
            self._connection.executemany(statement.sql, values)
            return []
        cursor = self._connection.execute(statement.sql, values or None)
        columns = self._columns.get(statement)
        if columns is None:
            try:
                columns = tuple(column[0] for column in cursor.get_description())
            except apsw.ExecutionCompleteError:
                return []
            self._columns[statement] = columns
        return [dict(zip(columns, row, strict=True)) for row in cursor]


def beside(path: Path, suffix: str) -> Path:
    """Return the path of a companion file: `ombud.db` and `write` give `ombud.db.write`."""
    return path.with_name(f"{path.name}.{suffix}")


def _identity(path: Path) -> tuple[int, int]:
    """Return the device and number of a file that this process may open."""
    file = path.stat()
    identity = (file.st_dev, file.st_ino)
    if identity in _inherited.values():
        raise ConfigurationError(
            f"{path} was open in the process that this one was forked from, and cannot be shared with it."
            " Open it after the fork, or start this process by spawn."
        )
    return identity


def _open_reader(path: Path, identity: tuple[int, int], vfs: str | None) -> _Connection:
    connection = _Connection(path, identity, vfs)
    connection.execute("pragma query_only = on")
    return connection


def _open_writer(path: Path, identity: tuple[int, int], vfs: str | None) -> _Connection:
    connection = _Connection(path, identity, vfs)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma fullfsync = on")  # macOS: fsync alone leaves data in the drive's cache
    # Entering WAL mode can fail without an error, so what counts is what SQLite says afterwards.
    mode, synchronous = connection.value_of("journal_mode"), connection.value_of("synchronous")
    if (mode, synchronous) != ("wal", _FULL):
        connection.close()
        raise ConfigurationError(
            f"{path} is in journal mode {mode}, synchronous {synchronous}, and cannot survive a power cut."
            " Put it on a local disk with a file system that supports shared memory."
        )
    # Nobody, whatever program it is, adds to the log meanwhile.
    with _as_unavailable(), connection.transaction():
        write_log_again(path)
    return connection


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except _UNAVAILABLE as error:
        raise StorageUnavailable(
            f"The database cannot take this now ({error}); nothing was stored. Try again."
        ) from error
