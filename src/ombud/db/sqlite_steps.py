"""Runs the steps of operations on one SQLite connection. The hot path is a tuple of values, or a list of them."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import apsw

from ombud.db.agenda import Entry, united
from ombud.db.dialect import BLOCK_ROWS, NOW
from ombud.db.operation import Afterwards, Operation, RowFactory, Script, Statement, Step
from ombud.db.script import sqlite_script

T = TypeVar("T")

log = logging.getLogger("ombud.db")

# What was run after all operations of a transaction, with the rows that it returned.
Announcements: TypeAlias = list[tuple[Entry, list[Any]]]


class Steps:
    """Runs steps on a connection, in whatever transaction it is. `now`: what they are told, in UTC microseconds."""

    def __init__(self, connection: apsw.Connection, now: int = 0) -> None:
        self._connection = connection
        self._columns: dict[str, tuple[str, ...]] = {}
        self.now = now

    def run(self, operation: Operation[T], afterwards: list[Afterwards] | None = None) -> T:
        """Run an operation to its end; returns its value. `afterwards` collects what is to be run at the end of all."""
        try:
            step = next(operation)
            while True:
                rows = (
                    self._rows(step[0], step[1], *step[2:]) if isinstance(step, tuple) else self._do(step, afterwards)
                )
                step = operation.send(rows)
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            operation.close()

    def _do(self, step: Step, afterwards: list[Afterwards] | None) -> list[Any]:
        if isinstance(step, Afterwards) and afterwards is not None:
            afterwards.append(step)
            return []
        if isinstance(step, Script):
            self._connection.execute(sqlite_script(step.text)).fetchall()
            return []
        raise TypeError(f"this cannot be done here: {step!r}")

    def run_afterwards(self, afterwards: list[Afterwards]) -> Announcements:
        """Run what operations have named to be run after all of them; returns what to announce after the commit."""
        returned: dict[Statement, list[Any]] = {}
        announcements: Announcements = []
        for entry in united(afterwards):
            rows = entry.rows(returned)
            rows = self._read(entry.statement, rows) if entry.reads else self._rows(entry.statement, rows, tuple)
            returned[entry.statement] = rows
            announcements.append((entry, rows))
        return announcements

    def _read(self, statement: Statement, values: Any) -> list[Any]:
        try:
            return self._rows(statement, values)
        except apsw.SQLError:
            # A row that a statement cannot read, such as one with broken JSON: the transaction goes on.
            log.exception("%s failed", statement.name)
            return []

    def _rows(self, statement: Statement, values: Any, factory: RowFactory | None = None) -> list[Any]:
        text = statement.for_sqlite
        if isinstance(values, dict) or not isinstance(values, Sequence):
            cursor = self._connection.execute(text.sql, self._bindings(statement, values) or None)
        elif not values:
            return []
        else:
            now = (self.now,) if text.takes_now else ()
            if text.block and len(values) >= BLOCK_ROWS and _are_tuples(values, text.columns):
                values = self._insert_blocks(text.block, values, now)
            if text.takes_now:
                # Concatenation, which refuses what is no tuple: the keys of a dict would be stored as values.
                values = [row + now for row in values] if text.columns else [{NOW: self.now, **row} for row in values]
            cursor = self._connection.executemany(text.sql, values)
        if factory is tuple:
            rows: list[Any] = cursor.fetchall()
            return rows
        return list(map(factory, cursor)) if factory else self._dicts(text.sql, cursor)

    def _insert_blocks(self, block: str, rows: Sequence[Any], now: tuple[int, ...]) -> Sequence[Any]:
        """Insert as many rows as fill blocks; returns the others."""
        whole = len(rows) - len(rows) % BLOCK_ROWS
        for first in range(0, whole, BLOCK_ROWS):
            bindings: list[Any] = []
            for row in rows[first : first + BLOCK_ROWS]:
                bindings += row
            bindings += now
            self._connection.execute(block, bindings)
        return rows[whole:]

    def _bindings(self, statement: Statement, values: Mapping[str, Any]) -> Mapping[str, Any] | tuple[Any, ...]:
        text = statement.for_sqlite
        if text.takes_now and NOW not in values:
            values = {**values, NOW: self.now}
        if not text.columns:
            return values
        names = [name for name, _ in statement.columns]
        return tuple(values[name] for name in ([*names, NOW] if text.takes_now else names))

    def _dicts(self, sql: str, cursor: apsw.Cursor) -> list[dict[str, Any]]:
        row = cursor.fetchone()
        if row is None:
            return []
        columns = self._columns.get(sql)
        if columns is None:
            columns = self._columns[sql] = tuple(column[0] for column in cursor.get_description())
        return [dict(zip(columns, each, strict=True)) for each in (row, *cursor)]


def _are_tuples(rows: Sequence[Any], columns: int) -> bool:
    """Return whether each row is a tuple of so many values. What is not is bound alone, and refused there."""
    return {*map(type, rows)} == {tuple} and {*map(len, rows)} == {columns}
