"""What a database finds damaged beneath its rows, as findings of an audit."""

from collections.abc import Iterable
from typing import Any

from ombud.admin.audit import Finding
from ombud.db.queries import read_queries

sql = read_queries("ombud.admin", "pages.sql")


def damaged_pages(problems: Iterable[Any]) -> list[Finding]:
    """Return a finding of these problems, if there are any."""
    lines = [" ".join(str(problem).split()) for problem in problems]
    return [Finding("damaged_page", len(lines), lines)] if lines else []


def unreadable_rows(error: object) -> Finding:
    """Return the finding of a look that this error has ended."""
    return Finding("unreadable_rows", 1, [f"The rest could not be looked at: {error}."])
