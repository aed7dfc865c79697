"""`ombud audit`: whether what is stored is sound. Reads only, in one snapshot, and leaves no trace in what it reads."""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from ombud.admin.audit import Finding, Report, Waiting, audit, check_pages
from ombud.admin.events import rfc3339
from ombud.cli.failures import FAILURE, OK
from ombud.clock import now_microseconds
from ombud.db.connect import database_path
from ombud.db.files import beside
from ombud.db.sqlite_connection import check_sqlite_version
from ombud.db.sqlite_steps import Steps
from ombud.errors import ConfigurationError, StorageUnavailable
from ombud.mailbox.model import Box
from ombud.settings import read_settings

# The databases in the folder of a demo. The demo itself, which names them too, needs the server extra.
DEMO_FILES = ("sender.db", "receiver.db")
# Milliseconds that another process may take to recover the log after a crash.
BUSY_MILLISECONDS = 5_000
# What SQLite says of a file that does not hold together.
_DAMAGE = (apsw.CorruptError, apsw.NotADBError, apsw.IOError)


def run_audit(database: str, data: Path | None, *, as_json: bool) -> int:
    """Audit a database, or every database of a demo; returns the exit code."""
    check_sqlite_version()
    reports = [(path, _audit_file(path)) for path in _paths(database, data)]
    if as_json:
        documents = [_document(path, report) for path, report in reports]
        print(json.dumps({"sound": all(report.sound for _, report in reports), "databases": documents}, indent=2))
    else:
        print("\n".join(_text(path, report) for path, report in reports))
    return OK if all(report.sound for _, report in reports) else FAILURE


def _paths(database: str, data: Path | None) -> list[Path]:
    if database and data is not None:
        raise ConfigurationError("--database and --data name different databases. Keep one of them.")
    if data is not None:
        paths = [data / name for name in DEMO_FILES]
    else:
        paths = [database_path(database or read_settings(os.environ).database_url)]
    for path in paths:
        if not path.is_file():
            raise ConfigurationError(
                f"There is no database {path}. Name it with --database sqlite:///FILE or --data DIR."
            )
    return paths


def _audit_file(path: Path) -> Report:
    try:
        with _snapshot(path) as snapshot:
            return _look(snapshot, path)
    except _DAMAGE as error:
        return Report([Finding("damaged_page", 1, [f"The file cannot be read: {error}."])], {})
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StorageUnavailable(f"{path} cannot be read now: {error}. Try again.") from error
    except apsw.CantOpenError as error:
        raise ConfigurationError(f"Cannot open {path}: {error}. Run the audit as the user who owns it.") from error


def _look(snapshot: Steps, path: Path) -> Report:
    damage = snapshot.run(check_pages())
    try:
        report = snapshot.run(audit(now_microseconds(), lambda box: _is_performed(path, box)))
    except (apsw.SQLError, *_DAMAGE) as error:
        if "schema_version" in str(error):
            raise ConfigurationError(f"{path} was not written by Ombud: {error}.") from error
        unread = Finding("unreadable_rows", 1, [f"The rest could not be looked at: {error}."])
        return Report([damage, unread] if damage else [unread], {})
    return Report([damage, *report.findings], report.rows, report.waiting) if damage else report


@contextmanager
def _snapshot(path: Path) -> Iterator[Steps]:
    """Open a file that may be live, stopped, killed or damaged, without a write: not even the log is put in order."""
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


def _document(path: Path, report: Report) -> dict[str, Any]:
    return {
        "database": str(path),
        "sound": report.sound,
        "rows": dict(report.rows),
        "findings": [
            {"kind": finding.kind, "count": finding.count, "examples": list(finding.examples)}
            for finding in report.findings
        ],
        "waiting": [
            {
                "box": waiting.box.name.lower(),
                "performed": waiting.performed,
                "due": waiting.due,
                "held": waiting.held,
                "since": None if waiting.since is None else rfc3339(waiting.since),
            }
            for waiting in report.waiting
        ],
    }


def _text(path: Path, report: Report) -> str:
    totals = ". ".join([_totals(report), *_what_waits(report.waiting)])
    if report.sound:
        return f"{path} is sound: {totals}."
    lines = [f"{path} is NOT sound: {totals}."]
    for finding in report.findings:
        lines.append(f"  {finding.kind.replace('_', ' ')}: {finding.count:,}")
        lines += [f"    {example}" for example in finding.examples]
        if finding.count > len(finding.examples):
            lines.append(f"    … and {finding.count - len(finding.examples):,} more")
    return "\n".join(lines)


def _totals(report: Report) -> str:
    if not report.rows:
        return "its rows could not be counted"
    rows = {name: f"{count:,}" for name, count in report.rows.items()}
    return (
        f"{rows['events']} events, {rows['deliveries']} deliveries ({rows['pending']} pending, {rows['done']} done,"
        f" {rows['dead']} dead, {rows['skipped']} skipped), {rows['attempts']} attempts, {rows['lanes']} lanes"
    )


def _what_waits(boxes: Sequence[Waiting]) -> Iterator[str]:
    for waiting in boxes:
        name = waiting.box.name.lower()
        if waiting.due and waiting.since is not None:
            unperformed = "" if waiting.performed else "; no process performs it now"
            yield f"In the {name} {waiting.due:,} are due, the first since {rfc3339(waiting.since)}{unperformed}"
        if waiting.held:
            yield f"In the {name} {waiting.held:,} are held"
