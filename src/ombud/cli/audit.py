"""`ombud audit`: whether what is stored is sound. Reads only, in one snapshot, and leaves no trace in what it reads."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ombud.admin.audit import Report, Waiting
from ombud.admin.events import rfc3339
from ombud.cli.failures import FAILURE, OK
from ombud.db.connect import database_path, is_postgres
from ombud.errors import ConfigurationError
from ombud.settings import read_settings

# The databases in the folder of a demo. The demo itself, which names them too, needs the server extra.
DEMO_FILES = ("sender.db", "receiver.db")

# How lanes are that do not simply wait for work.
LANE_WORDS = {
    "closed": "closed because every try fails",
    "given_up": "given up after days of that",
    "careful": "working one by one after a crash",
    "left": "left by a process that died",
}


def run_audit(database: str, data: Path | None, *, as_json: bool) -> int:
    """Audit a database, or every database of a demo; returns the exit code."""
    reports = _reports(database, data)
    if as_json:
        documents = [_document(name, report) for name, report in reports]
        print(json.dumps({"sound": all(report.sound for _, report in reports), "databases": documents}, indent=2))
    else:
        print("\n".join(_text(name, report) for name, report in reports))
    return OK if all(report.sound for _, report in reports) else FAILURE


def _reports(database: str, data: Path | None) -> list[tuple[str, Report]]:
    if database and data is not None:
        raise ConfigurationError("--database and --data name different databases. Keep one of them.")
    if data is not None:
        return _of_files([data / name for name in DEMO_FILES])
    url = database or read_settings(os.environ).database_url
    if is_postgres(url):
        return [_of_server(url)]
    return _of_files([database_path(url)])


def _of_server(url: str) -> tuple[str, Report]:
    try:
        from ombud.cli.audit_postgres import audit_server
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise ConfigurationError("PostgreSQL needs one more package: pip install 'ombud[postgres]'") from None
    return audit_server(url)


def _of_files(paths: Sequence[Path]) -> list[tuple[str, Report]]:
    from ombud.cli.audit_sqlite import audit_file

    for path in paths:
        if not path.is_file():
            raise ConfigurationError(
                f"There is no database {path}. Name it with --database sqlite:///FILE or --data DIR."
            )
    return [(str(path), audit_file(path)) for path in paths]


def _document(name: str, report: Report) -> dict[str, Any]:
    return {
        "database": name,
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
                "lanes": {name: getattr(waiting, name) for name in LANE_WORDS},
            }
            for waiting in report.waiting
        ],
        "notes": list(report.notes),
    }


def _text(name: str, report: Report) -> str:
    totals = ". ".join([_totals(report), *_what_waits(report.waiting), *report.notes])
    if report.sound:
        return f"{name} is sound: {totals}."
    lines = [f"{name} is NOT sound: {totals}."]
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
            unperformed = "; no process performs it now" if waiting.performed is False else ""
            yield f"In the {name} {waiting.due:,} are due, the first since {rfc3339(waiting.since)}{unperformed}"
        if waiting.held:
            yield f"In the {name} {waiting.held:,} are held"
        lanes = [
            f"{getattr(waiting, state):,} {words}" for state, words in LANE_WORDS.items() if getattr(waiting, state)
        ]
        if lanes:
            yield f"Lanes of the {name}: {', '.join(lanes)}"
