"""Where the texts of the two databases differ: parameters, and a few words. Pure.

Portable texts write `{greatest}(a, b)` and `{least}(a, b)`, which SQLite calls max and min, and `{without_rowid}`,
which PostgreSQL does not have.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

# The names of a `-- rows:` header, each with its type on PostgreSQL.
Columns: TypeAlias = tuple[tuple[str, str], ...]

# The parameter that the driver supplies.
NOW = "now"
# Rows of a plain insert that SQLite is given as one statement: fewer calls, each of which lets go of the interpreter's
# lock. Larger blocks gain nothing more, and leave more rows that fill none.
BLOCK_ROWS = 16
# On PostgreSQL: all rows of a step as one table.
ROWS = "{rows}"
# The type of whole numbers there.
NUMBERS = "bigint"

_MACROS = {
    "greatest": ("max", "greatest"),
    "least": ("min", "least"),
    "without_rowid": ("without rowid", ""),
}
# Literals, quoted names and comments are left alone, and a `::cast` is no parameter.
_UNTOUCHED = r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|::\s*\w+"
_PARAMETER = re.compile(rf"{_UNTOUCHED}|:([a-zA-Z_]\w*)", re.DOTALL)
_PLAIN_INSERT = re.compile(r"insert into (\w+\([\w\s,]*\)\s*values) (\([^()]*\));?")
_MACRO = re.compile(rf"{_UNTOUCHED}|\{{(\w*)\}}", re.DOTALL)


@dataclass(frozen=True)
class SqliteText:
    """`columns` is how many values a tuple has; `takes_now`: the driver supplies the time, as the one after them.

    `block` does the same for BLOCK_ROWS tuples at once, their values in a row and the time after all of them;
    empty for what is no plain insert.
    """

    sql: str
    columns: int
    takes_now: bool
    block: str = ""


def parameters(sql: str) -> set[str]:
    """Return the names of a text's parameters."""
    return {match[1] for match in _PARAMETER.finditer(sql) if match[1]}


def with_parameters(sql: str, write: Callable[[str], str]) -> str:
    """Return a text in which each parameter `:name` is written as `write(name)`."""
    return _PARAMETER.sub(lambda match: write(match[1]) if match[1] else match[0], sql)


def portable(text: str) -> tuple[str, str]:
    """Return a text without its macros, for SQLite and for PostgreSQL, where `{rows}` stays; raises ValueError."""

    def expanded(dialect: int) -> str:
        def expand(match: re.Match[str]) -> str:
            if match[1] is None or match[0] == ROWS:
                return match[0]
            if match[1] not in _MACROS:
                raise ValueError(f"{match[0]} is none of {', '.join(_MACROS)}, rows")
            return _MACROS[match[1]][dialect]

        return _MACRO.sub(expand, text)

    return expanded(0), expanded(1)


def rows_source(columns: Columns) -> str:
    """Return what `{rows}` stands for: a table made of one array for each column, bound as `$1`, `$2` and so on.

    Arrays of NUMBERS are bound as what PostgreSQL writes for them.
    """
    casts = (f"text::{kind}" if kind == NUMBERS else kind for _, kind in columns)
    arrays = ", ".join(f"${number}::{cast}[]" for number, cast in enumerate(casts, 1))
    names = ", ".join(name for name, _ in columns)
    return f"(select * from unnest({arrays}) as u({names}))"  # noqa: S608 - names and types of a file of ours


def sqlite_text(sql: str, columns: Columns) -> SqliteText:
    """Return the text that SQLite prepares: with a header, numbered by it; else its parameters stay names.

    Never by order of appearance: that is how SQLite reads a sequence, and two values would swap silently.
    """
    numbers = {name: number for number, (name, _) in enumerate(columns, 1)}
    takes_now = NOW in parameters(sql) and NOW not in numbers
    if not columns:
        return SqliteText(sql, 0, takes_now)
    numbers.setdefault(NOW, len(columns) + 1)
    numbered = with_parameters(sql, lambda name: f"?{numbers[name]}")
    return SqliteText(numbered, len(columns), takes_now, _block(sql, numbers, len(columns)))


def _block(sql: str, numbers: Mapping[str, int], columns: int) -> str:
    """Return a plain insert of BLOCK_ROWS rows, or nothing for any other statement.

    `or fail`: as with one row after the other, those before a row that cannot be stored stay, and it is for the
    transaction to undo them. So SQLite need not copy each page first to undo the statement alone.
    """
    plain = _PLAIN_INSERT.fullmatch(sql.strip())
    if plain is None:
        return ""

    def numbered(row: int) -> str:
        shift = row * columns
        last = BLOCK_ROWS * columns + 1
        return with_parameters(plain[2], lambda name: f"?{last if numbers[name] > columns else numbers[name] + shift}")

    return f"insert or fail into {plain[1]} {', '.join(map(numbered, range(BLOCK_ROWS)))}"
