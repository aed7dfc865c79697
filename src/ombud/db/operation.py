"""An operation is written once, as a generator: it yields steps and is sent the rows of each.

The driver of each database runs it. So the meaning of an operation knows no connection, no event loop and no dialect,
and operations compose with `yield from`.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

from ombud.db.dialect import Columns, SqliteText, sqlite_text

T = TypeVar("T")

Row: TypeAlias = Mapping[str, Any]
Values: TypeAlias = Mapping[str, Any]
# Makes of a row's columns what the operation wants: `tuple`, or the `_make` of a named tuple.
RowFactory: TypeAlias = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class Statement:
    """One SQL statement with the name it has in its .sql file. Parameters are named: `:shop_id`.

    `postgres` is its text for PostgreSQL, the same one if none is given. `columns` is its `-- rows:` header: the order
    of the tuples that it is run for, each name with its type on PostgreSQL.
    """

    name: str
    sql: str
    postgres: str = ""
    columns: Columns = ()

    def __post_init__(self) -> None:
        if not self.postgres:
            object.__setattr__(self, "postgres", self.sql)

    @cached_property
    def for_sqlite(self) -> SqliteText:
        """What SQLite prepares."""
        return sqlite_text(self.sql, self.columns)


@dataclass(frozen=True)
class Script:
    """A step of several statements without parameters and rows, in the portable subset of `script.py`: a migration."""

    name: str
    text: str


@dataclass(frozen=True)
class Afterwards:
    """A step that must see all that this transaction writes, also what other operations of the same commit do.

    The rows that all of them name for one statement, which has a `-- rows:` header, are united, sorted and run once. On
    SQLite that is the end of the same transaction; on PostgreSQL a transaction of its own after the commit, which is
    lost if the process dies between the two. The step itself is answered with no rows at once.

    A row is left out whose first value is the first one of a row that a statement of `unless` has returned before it.

    `then` is called after the commit, once for a statement and a `then`, with the rows that the statement returned, as
    tuples, and with every `gift`; where the commit was made: in that thread, or on that event loop. An error in it is
    logged. What only `reads` returns dicts; an error in that statement is logged, and there are no rows.
    """

    statement: Statement
    rows: Sequence[tuple[Any, ...]]
    then: Callable[[list[Any], list[Any]], None] | None = None
    gift: Any = None
    unless: tuple[Statement, ...] = ()
    reads: bool = False

    def __post_init__(self) -> None:
        if not self.statement.columns:
            raise ValueError(f"{self.statement.name} runs afterwards and needs a `-- rows:` header")


# A mapping runs the statement once, its parameters bound by name. A sequence runs it once for each element, and the
# rows of all come back in one list: tuples in the order of the `-- rows:` header if there is one, else mappings. Rows
# are dicts unless a factory makes something else of them.
#
# `:now` is the database's time in UTC microseconds. The driver supplies it, unless a mapping or the header names it.
Step: TypeAlias = (
    tuple[Statement, Values | Sequence[Values] | Sequence[tuple[Any, ...]]]
    | tuple[Statement, Values | Sequence[Values] | Sequence[tuple[Any, ...]], RowFactory]
    | Script
    | Afterwards
)
Operation: TypeAlias = Generator[Step, list[Any], T]
# A generator runs once; what may wait in a queue or be tried again is the function that makes it.
Make: TypeAlias = Callable[[], Operation[T]]
