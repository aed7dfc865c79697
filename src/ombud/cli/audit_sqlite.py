"""The audit of a SQLite file: live, stopped, killed or damaged. It writes nothing; not even the log is put in order."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import apsw

from ombud.admin.audit import EXAMPLES, Report, audit
from ombud.admin.pages import damaged_pages, sql, unreadable_rows
from ombud.clock import now_microseconds
from ombud.db.files import beside
from ombud.db.operation import Operation, Row
from ombud.db.sqlite_connection import check_sqlite_version
from ombud.db.sqlite_steps import Steps
from ombud.errors import ConfigurationError, StorageUnavailable
from ombud.mailbox.model import Box

# Milliseconds that another process may take to recover the log after a crash.
BUSY_MILLISECONDS = 5_000
# What SQLite says of a file that does not hold together.
_DAMAGE = (apsw.CorruptError, apsw.NotADBError, apsw.IOError)


def audit_file(path: Path) -> Report:
    """Audit a database; raises ConfigurationError for what is none of Ombud's, StorageUnavailable when it is busy."""
    check_sqlite_version()
    try:
        with _snapshot(path) as snapshot:
            return _look(snapshot, path)
    except _DAMAGE as error:
        return Report(damaged_pages([f"The file cannot be read: {error}."]), {})
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StorageUnavailable(f"{path} cannot be read now: {error}. Try again.") from error
    except apsw.CantOpenError as error:
        raise ConfigurationError(f"Cannot open {path}: {error}. Run the audit as the user who owns it.") from error


def _look(snapshot: Steps, path: Path) -> Report:
    damage = damaged_pages(row["problem"] for row in snapshot.run(_integrity()))
    try:
        report = snapshot.run(audit(lambda box: _is_performed(path, box)))
    except (apsw.SQLError, *_DAMAGE) as error:
        if "schema_version" in str(error):
            raise ConfigurationError(f"{path} was not written by Ombud: {error}.") from error
        return Report([*damage, unreadable_rows(error)], {})
    return replace(report, findings=[*damage, *report.findings])


def _integrity() -> Operation[list[Row]]:
    rows: list[Row] = yield sql["sqlite_damage"], {"examples": EXAMPLES}
    return rows


@contextmanager
def _snapshot(path: Path) -> Iterator[Steps]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_busy_timeout(BUSY_MILLISECONDS)
        connection.execute("begin")
        yield Steps(connection, now_microseconds())
    finally:
        connection.close()


def _is_performed(path: Path, box: Box) -> bool:
    """Return whether a process works the box: it holds the lock by which it was elected, until it ends."""
    try:
        descriptor = os.open(beside(path, f"{box.name.lower()}.performer"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
