"""One connection to a SQLite file: how it is opened, and how it runs operations in transactions.

Facts behind the numbers: https://www.sqlite.org/wal.html (the WAL-reset bug, fixed in 3.51.3) and
https://www.sqlite.org/pragma.html#pragma_synchronous (FULL is what survives a power cut in WAL mode).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import apsw

from ombud.db.damage import UNAVAILABLE
from ombud.db.database import Clock
from ombud.db.files import open_connections, write_again
from ombud.db.operation import Afterwards, Make, Operation
from ombud.db.sqlite_steps import Announcements, Steps
from ombud.errors import ConfigurationError, StorageUnavailable

T = TypeVar("T")

# 3.7.0 to 3.51.2 may lose committed rows when a checkpoint meets a commit that resets the WAL.
OLDEST_SQLITE = (3, 51, 3)
# Prepared statements that a connection keeps: all of a sender, a receiver and their panel, which are about 150.
STATEMENTS = 256
# Memory for pages: a hundred thousand lanes with their indexes fit, so that a lane is no read.
CACHE_KIBIBYTES = 32_768
# Pages of the log after which a commit has it copied into the file: 16 MiB, four times what SQLite itself would do. A
# page that is written again and again is copied once.
CHECKPOINT_PAGES = 4_000

_FULL = 2


class OperationRaisedError(Exception):
    """An operation of a group raised `error`; the transaction holds writes of it and of others."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def check_sqlite_version(version: str = "") -> None:
    """Raise ConfigurationError when the SQLite in this process has the WAL-reset bug."""
    version = version or apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")[:3]) < OLDEST_SQLITE:
        oldest = ".".join(str(part) for part in OLDEST_SQLITE)
        raise ConfigurationError(
            f"SQLite {version} can lose committed rows (the WAL-reset bug); Ombud needs {oldest} or newer."
            " Install a newer apsw: pip install -U apsw"
        )


class SqliteConnection:
    """One apsw connection and what it is asked to do. Not thread-safe."""

    def __init__(self, path: Path, identity: tuple[int, int], vfs: str | None, wait_seconds: float) -> None:
        self._connection = apsw.Connection(
            str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs, statementcachesize=STATEMENTS
        )
        # Else a statement that could use a partial index is prepared anew for each value (docs/decisions/0013).
        self._connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        open_connections[self._connection] = identity
        self._connection.set_busy_timeout(int(wait_seconds * 1000))
        self._steps = Steps(self._connection)
        self._log_pages = 0

    @property
    def system_errno(self) -> int:
        """What the operating system said of the last input or output that failed."""
        return self._connection.system_errno

    @property
    def log_name(self) -> str:
        """Where its log is: beside the file itself, whatever link leads there."""
        return self._connection.filename_wal

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement without parameters, or several; returns the rows."""
        rows: list[tuple[Any, ...]] = self._connection.execute(sql).fetchall()
        return rows

    def close(self, *, untouched: bool = False) -> None:
        """Close it. The last one of a file copies the log into it and removes it, unless it is left `untouched`."""
        open_connections.pop(self._connection, None)
        if untouched:
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._connection.close()

    def make_log_certain(self) -> None:
        """Have what the log holds on disk before anything is added to it; raises StorageUnavailable, or OSError."""
        try:
            # Nobody, whatever program it is, adds to the log meanwhile.
            self._connection.execute("begin immediate")
        except apsw.BusyError as error:
            raise StorageUnavailable(f"Another program keeps writing to {self._connection.filename}.") from error
        try:
            write_again(Path(self.log_name))
        finally:
            self._connection.execute("rollback")

    def write_file_again(self) -> None:
        """Write what is kept, without what was deleted, and empty the log; raises apsw.BusyError while others read."""
        self._connection.execute("vacuum")
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def copy_log_itself(self) -> None:
        """Leave it to `copy_log` to keep the log short. SQLite would, but keep silent about a disk that fails then."""
        self._connection.set_wal_hook(self._note_pages)

    def copy_log(self) -> None:
        """Copy the log into the file if it has become long, as far as nobody reads there; waits for nobody."""
        if self._log_pages >= CHECKPOINT_PAGES:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _note_pages(self, _: apsw.Connection, __: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    @contextmanager
    def transaction(self, clock: Clock) -> Iterator[None]:
        """Hold a write transaction; commit it at the end, roll it back on any error."""
        self._connection.execute("begin immediate")
        try:
            self._steps.now = clock()
            yield
            self._connection.execute("commit")
        finally:
            if not self._connection.get_autocommit():
                self._connection.execute("rollback")

    def read(self, operation: Operation[T], clock: Clock) -> T:
        """Run an operation in one snapshot."""
        self._connection.execute("begin")
        try:
            self._steps.now = clock()
            return self._steps.run(operation)
        finally:
            if not self._connection.get_autocommit():
                self._connection.execute("rollback")

    def run_all(self, makes: Sequence[Make[Any]]) -> tuple[list[Any], Announcements]:
        """Run operations one after the other; returns their values. Raises OperationRaisedError at the first error."""
        afterwards: list[Afterwards] = []
        values = []
        for make in makes:
            try:
                values.append(self._steps.run(make(), afterwards))
            except UNAVAILABLE:
                raise
            except Exception as error:
                raise OperationRaisedError(error) from error
        return values, self._steps.run_afterwards(afterwards)

    def run_apart(self, makes: Sequence[Make[Any]]) -> tuple[list[Any], Announcements]:
        """Run operations one after the other; returns their values or errors. One that raises is undone alone."""
        afterwards: list[Afterwards] = []
        values = []
        for make in makes:
            own: list[Afterwards] = []
            self._connection.execute("savepoint operation")
            try:
                values.append(self._steps.run(make(), own))
                afterwards += own
            except UNAVAILABLE:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the other operations must not pay
                self._connection.execute("rollback to operation")
                values.append(error)
            self._connection.execute("release operation")
        return values, self._steps.run_afterwards(afterwards)


def open_reader(path: Path, identity: tuple[int, int], vfs: str | None, wait_seconds: float) -> SqliteConnection:
    """Open a connection that cannot write."""
    connection = SqliteConnection(path, identity, vfs, wait_seconds)
    connection.execute("pragma query_only = on")
    return connection


def open_writer(path: Path, identity: tuple[int, int], vfs: str | None, wait_seconds: float) -> SqliteConnection:
    """Open a connection whose commits survive a power cut; raises ConfigurationError where that cannot be had."""
    connection = SqliteConnection(path, identity, vfs, wait_seconds)
    try:
        _make_durable(connection, path)
        connection.make_log_certain()
    except BaseException:
        # Closing it would copy a log into the file that nobody has made certain.
        connection.close(untouched=True)
        raise
    return connection


def _make_durable(connection: SqliteConnection, path: Path) -> None:
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute(f"pragma cache_size = -{CACHE_KIBIBYTES}")
    connection.execute("pragma fullfsync = on")  # macOS: fsync alone leaves data in the drive's cache
    connection.copy_log_itself()
    # Entering WAL mode can fail without an error, so what counts is what SQLite says afterwards.
    [(mode,)], [(synchronous,)] = connection.execute("pragma journal_mode"), connection.execute("pragma synchronous")
    if (mode, synchronous) != ("wal", _FULL):
        raise ConfigurationError(
            f"{path} is in journal mode {mode}, synchronous {synchronous}, and cannot survive a power cut."
            " Put it on a local disk with a file system that supports shared memory."
        )
