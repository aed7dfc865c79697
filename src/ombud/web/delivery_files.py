"""Deliveries as files: CSV for spreadsheets, NDJSON for programs. Pure."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ombud.admin.events import Document

COLUMNS = (
    *("id", "event_id", "endpoint_id", "url", "shop_id", "event_type", "subject", "state", "reason", "tries"),
    *("created_at", "next_attempt_at", "last_status", "last_milliseconds", "last_at"),
)
# What a spreadsheet takes for the beginning of a formula (OWASP: CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class FileKind:
    """A kind of file: how it begins, and its lines."""

    suffix: str
    media_type: str
    head: Callable[[], bytes]
    lines: Callable[[Sequence[Document]], bytes]


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def cell(value: Any) -> Any:
    """Return a value as a cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _csv_lines(rows: Sequence[Document]) -> bytes:
    return _csv([[cell(_flat(row)[column]) for column in COLUMNS] for row in rows])


def _ndjson_lines(rows: Sequence[Document]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _flat(row: Document) -> Document:
    last = row["last_attempt"] or {"status": None, "milliseconds": None, "at": None}
    return row | {f"last_{name}": last[name] for name in ("status", "milliseconds", "at")}


KINDS = {
    "csv": FileKind("csv", "text/csv; charset=utf-8", lambda: _csv([COLUMNS]), _csv_lines),
    "ndjson": FileKind("ndjson", "application/x-ndjson", lambda: b"", _ndjson_lines),
}
