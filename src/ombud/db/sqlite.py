"""One SQLite file: durable write transactions, one at a time across all processes, and readers that never wait."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import apsw

from ombud.clock import SteadyClock
from ombud.db.damage import UNAVAILABLE, Damage, drop_cached, is_damage
from ombud.db.database import QUEUE_LIMIT, Clock
from ombud.db.files import Place, beside, identity_of, make_private, refuse_network_file_system
from ombud.db.locks import FileLock, FileSeat
from ombud.db.operation import Make, Operation
from ombud.db.sqlite_connection import (
    OperationRaisedError,
    SqliteConnection,
    check_sqlite_version,
    open_reader,
    open_writer,
)
from ombud.db.sqlite_steps import Announcements
from ombud.db.wake import WakeListener, WakeSender
from ombud.db.writer import ThreadWriter
from ombud.errors import ConfigurationError, StorageUnavailable

T = TypeVar("T")

log = logging.getLogger("ombud.db")

# Seconds that a write waits for other writers. A batch that fails may wait twice, and a sender hangs up after 10 s.
WRITE_WAIT_SECONDS = 3.0
# Bytes of a file that is written again at a start: some ten seconds.
LARGEST_SCRUB_BYTES = 1 << 30


class SqliteDatabase:
    """A SQLite file opened by this process. Thread-safe. Open it after a fork, not before: a child cannot use it."""

    # One process performs a box: it holds a file lock.
    exclusive = True

    def __init__(self, path: Path, clock: Clock | None = None, vfs: str | None = None) -> None:
        """Open the file, or make it; with a steady clock and the usual way to talk to files if none is given.

        Raises ConfigurationError, or StorageUnavailable when others keep it locked.
        """
        check_sqlite_version()
        self.path = path.absolute()
        self.name = str(self.path)
        self.key_file = beside(self.path, "key")
        self.clock: Clock = clock or SteadyClock()
        self._vfs = vfs
        self._pid = os.getpid()
        self._closed = False
        self._damage = Damage(self.path, beside(self.path, "damaged"))
        self._write_lock = threading.Lock()
        self._readers_lock = threading.Lock()
        self._idle_readers: list[SqliteConnection] = []
        self._wake_senders: dict[str, WakeSender] = {}
        try:
            self._open()
        except (OSError, ValueError, apsw.Error) as error:
            raise ConfigurationError(
                f"Cannot open {self.path}: {error}. Name a file in a folder that this user may write to."
            ) from error

    def _open(self) -> None:
        refuse_network_file_system(self.path)
        make_private(self.path)
        self._identity = identity_of(self.path)
        suspected = self._damage.is_suspected
        if suspected:
            drop_cached(self.path)
            drop_cached(Path(f"{self.path.resolve()}-wal"))
        self._process_lock = FileLock(beside(self.path, "write"))
        try:
            self._process_lock.acquire(WRITE_WAIT_SECONDS)
            self._writer = open_writer(self.path, self._identity, self._vfs, WRITE_WAIT_SECONDS)
            self._process_lock.release()
            self._place = Place(self.name, self._writer.log_name)
            if suspected:
                self._check_file()
        except BaseException:
            self._process_lock.close()
            raise

    def _check_file(self) -> None:
        """Look at every page, since an earlier process met a failing disk; writers elsewhere go on meanwhile."""
        log.warning("%s is being checked: the disk failed under an earlier process", self.path)
        try:
            said = self._writer.execute("pragma quick_check(1)")[0][0]
        except UNAVAILABLE as error:
            said = str(error)
        if said != "ok":
            self._writer.close(untouched=True)
            raise ConfigurationError(
                f"The disk failed under {self.path}, and the file is damaged: {' '.join(said.split())}."
                " Move it away, put a backup in its place, and let `ombud audit` say what of it can be read."
            )
        self._damage.clear()

    @property
    def failure(self) -> str | None:
        """Why this process must end: the disk has failed under it. None while all is well."""
        return self._damage.failure

    def when_failed(self, callback: Callable[[], object]) -> None:
        """Have this called once when the disk fails, from the thread that meets it; at once if it has."""
        self._damage.when_noted(callback)

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

        An operation that raises is undone alone: all of them are then run once more. When the transaction fails, every
        one fails.
        """
        try:
            try:
                return self._commit(lambda connection: connection.run_all(makes))
            except OperationRaisedError as raised:
                if len(makes) == 1:
                    return [raised.error]
            return self._commit(lambda connection: connection.run_apart(makes))
        except StorageUnavailable as error:
            return [StorageUnavailable(str(error)) for _ in makes]

    def _commit(self, run: Callable[[SqliteConnection], tuple[list[Any], Announcements]]) -> list[Any]:
        with self._alone():
            with self._transaction() as connection:
                values, announcements = run(connection)
            # Before the next commit of this process: whoever listens hears of them in their order.
            for entry, returned in announcements:
                entry.announce(returned)
        return values

    def read(self, make: Make[T]) -> T:
        """Run an operation that only reads, in one snapshot, beside any writer."""
        self.check_usable()
        with self._readers_lock:
            reader = self._idle_readers.pop() if self._idle_readers else None
        with self._translating(reader):
            reader = reader or open_reader(self.path, self._identity, self._vfs, WRITE_WAIT_SECONDS)
            try:
                with self._translating(reader):
                    return reader.read(make(), self.clock)
            finally:
                self._put_back(reader)

    async def fetch(self, make: Make[T]) -> T:
        """Read here and now: what reads a few rows takes microseconds. What takes long belongs in a thread."""
        return self.read(make)

    def open_writer(self, *, queue_limit: int = QUEUE_LIMIT) -> ThreadWriter:
        """Return a writer with a thread of its own; close it before the database."""
        return ThreadWriter(self, queue_limit=queue_limit)

    def seat(self, name: str) -> FileSeat:
        """Return the seat of the one performer of this name; raises StorageUnavailable."""
        return FileSeat(beside(self.path, f"{name}.performer"))

    def wake(self, name: str) -> None:
        """Tell the performer of this name, in whatever process it is, that something was committed."""
        if self._closed or self._pid != os.getpid():
            return
        sender = self._wake_senders.get(name)
        if sender is None:
            sender = self._wake_senders.setdefault(name, WakeSender(beside(self.path, f"{name}.wake")))
        sender.send()

    @contextmanager
    def listen(self, name: str, callback: Callable[[], None]) -> Iterator[None]:
        """Have `callback` called on this event loop for every wake. For the one who has the seat."""
        path = beside(self.path, f"{name}.wake")
        try:
            listener = WakeListener(path, callback)
        except OSError as error:
            log.warning("other processes cannot wake this one, so it looks for their work: %s: %s", path, error)
            yield
            return
        try:
            yield
        finally:
            listener.close()

    def lock_migrations(self) -> Operation[None]:
        """Do nothing: a write transaction is alone."""
        yield from ()

    def close(self) -> None:
        """Close every connection of this process; in a forked child there is none."""
        if self._pid != os.getpid():
            return
        with self._write_lock, self._readers_lock:
            if self._closed:
                return
            self._closed = True
            for connection in [*self._idle_readers, self._writer]:
                connection.close(untouched=self.failure is not None)
            self._idle_readers.clear()
            for sender in self._wake_senders.values():
                sender.close()
            self._process_lock.close()

    def scrub(self, table: str, *, whatever_size: bool = False) -> bool:  # noqa: ARG002 - the file is one
        """Write the whole file again, if it is small or `whatever_size`; nobody else writes meanwhile."""
        if not whatever_size and self.path.stat().st_size > LARGEST_SCRUB_BYTES:
            return False
        with self._alone(), self._translating(self._writer):
            self._process_lock.acquire(WRITE_WAIT_SECONDS)
            try:
                self._writer.write_file_again()
            finally:
                self._process_lock.release()
        return True

    def check_usable(self) -> None:
        """Raise StorageUnavailable when this process can do nothing with it: closed, failed, or its parent's."""
        if self._pid != os.getpid():
            raise StorageUnavailable(f"{self.path} was opened before a fork; open it after the fork instead.")
        if self._closed:
            raise StorageUnavailable(f"{self.path} takes no more writes: it was closed.")
        if self._damage.failure:
            raise StorageUnavailable(
                f"{self.path} takes no more writes: {self._damage.failure}; restart to check the file."
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.check_usable()
        if not self._write_lock.acquire(timeout=WRITE_WAIT_SECONDS):
            raise StorageUnavailable
        try:
            self.check_usable()
            yield
        finally:
            self._write_lock.release()

    @contextmanager
    def _transaction(self) -> Iterator[SqliteConnection]:
        self._process_lock.acquire(WRITE_WAIT_SECONDS)
        try:
            with self._translating(self._writer), self._writer.transaction(self.clock):
                yield self._writer
            if not self._place.is_kept():
                self._damage.note_gone()
                self.check_usable()
            self._copy_log()
        finally:
            self._process_lock.release()

    def _copy_log(self) -> None:
        try:
            self._writer.copy_log()
        except UNAVAILABLE as error:
            # What was committed is in the log and stays there; the next commit copies anew all that this one did.
            if is_damage(error, self._writer.system_errno):
                self._damage.note(error)

    @contextmanager
    def _translating(self, connection: SqliteConnection | None) -> Iterator[None]:
        """Raise StorageUnavailable for what SQLite cannot do now, and note it when the disk has failed."""
        try:
            yield
        except UNAVAILABLE as error:
            if not is_damage(error, connection.system_errno if connection else 0):
                raise StorageUnavailable(
                    f"The database cannot take this now ({error}); nothing was stored. Try again."
                ) from error
            self._damage.note(error)
            # A commit that could not be synced is in the log all the same, if the kernel kept it.
            raise StorageUnavailable(
                f"The disk failed ({error}); what was being stored may be there or not. Try again."
            ) from error

    def _put_back(self, reader: SqliteConnection) -> None:
        with self._readers_lock:
            if self._closed or self.failure:
                reader.close(untouched=self.failure is not None)
            else:
                self._idle_readers.append(reader)
