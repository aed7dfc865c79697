"""How PostgreSQL would carry a statement out."""

from collections.abc import Mapping, Sequence
from functools import partial

from ombud.db.database import Database
from ombud.db.dialect import ROWS, Columns, rows_source
from ombud.db.operation import Operation, Row, Statement


def run(sql: str) -> Operation[list[Row]]:
    """Run a statement as it stands."""
    return (yield Statement("run", sql), {})


def plan_of(database: Database, sql: str, columns: Columns, values: Mapping[str, Sequence[str]]) -> str:
    """Return the plan of a statement for these rows, in a session that writes."""
    rows = rows_source(columns)
    for place, (name, _) in enumerate(columns, 1):
        rows = rows.replace(f"${place}::", f"'{{{', '.join(values[name])}}}'::")
    return "\n".join(row["QUERY PLAN"] for row in database.write(partial(run, "explain " + sql.replace(ROWS, rows))))
