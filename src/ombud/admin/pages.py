"""What a database says of its own pages and indexes."""

from collections.abc import Iterable
from typing import Any

from ombud.admin.audit import EXAMPLES, Finding, sql
from ombud.db.operation import Operation


def check_pages() -> Operation[Finding | None]:
    """Return what the database finds damaged beneath its rows, or None."""
    rows = yield sql["damaged_page"], {"examples": EXAMPLES}
    return damaged(row["problem"] for row in rows)


def damaged(problems: Iterable[Any]) -> Finding | None:
    """Return a finding of these problems, if there are any."""
    lines = [" ".join(str(problem).split()) for problem in problems]
    return Finding("damaged_page", len(lines), lines) if lines else None
