"""What tests of the database say often: one statement as an operation, and a look from outside."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw

from ombud.db.operation import Operation, Row, Statement, Values


def one(sql: str, **values: Any) -> Callable[[], Operation[list[Row]]]:
    """Make an operation of one statement; its value is the rows."""

    def make() -> Operation[list[Row]]:
        rows: list[Row] = yield Statement(sql, sql), values
        return rows

    return make


def each(sql: str, values: Sequence[Values]) -> Callable[[], Operation[None]]:
    """Make an operation that runs one statement for each of the values."""

    def make() -> Operation[None]:
        yield Statement(sql, sql), values

    return make


def seen(path: Path, sql: str) -> list[Any]:
    """Return what a stranger reads from the file now: the rows, or the bare values of a single column."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        rows = connection.execute(sql).fetchall()
    finally:
        connection.close()
    return [row[0] if len(row) == 1 else row for row in rows]


def descriptors_on(folder: Path) -> list[str]:
    """Return the files of a folder that this process has open."""
    names = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue  # the descriptor that listed the others
        if target.startswith(f"{folder}/"):
            names.append(target)
    return sorted(names)
