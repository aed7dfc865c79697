"""From a statement and its values to what PostgreSQL is sent: `$1, $2` and the arguments in that order. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from ombud.db.dialect import NOW, NUMBERS, ROWS, parameters, rows_source, with_parameters
from ombud.db.operation import Statement, Values

# Without a bound clock: the server's, which is one value in a statement, so that an index can be used.
SERVER_NOW = "(extract(epoch from statement_timestamp()) * 1000000)::bigint"
# Texts that are kept: more than Ombud has statements, times the kinds of values that they are run with.
KEPT_TEXTS = 2048
# `$1 is null or at > $1` does not say what `$1` is, and `$1 + 1` takes it for a small integer.
_TYPES = {bool: "bigint", int: "bigint", str: "text", bytes: "bytea", float: "double precision", type(None): ""}
_NULL = ""

Arguments: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Text:
    """A text for the server. `order`: the names of its arguments. `at_once`: it takes all rows, as arrays."""

    sql: str
    order: tuple[str, ...] = ()
    at_once: bool = False
    returns_rows: bool = True


def for_mapping(statement: Statement, values: Values, now: int | None) -> tuple[str, Arguments]:
    """Return text and arguments for named values; `now` is the clock's time, None for the server's."""
    if now is not None:
        values = {NOW: now, **values}
    names = _names(statement)
    missing = [name for name in names if name not in values and name != NOW]
    if missing:
        raise KeyError(f"{statement.name} has no value for {', '.join(missing)}")
    kinds = tuple((name, _kind(values[name])) for name in names if name in values)
    text = _named(statement, kinds)
    return text.sql, tuple(values[name] for name in text.order)


def for_rows(statement: Statement, rows: Sequence[Sequence[Any]], now: int | None) -> tuple[Text, list[Arguments]]:
    """Return the text for tuples in the order of the header, and the arguments of each execution."""
    width = len(statement.columns)
    if {*map(len, rows)} - {width}:
        raise ValueError(f"{statement.name} takes rows of {width} values, as its header says")
    bound = now is not None and NOW in _names(statement) and NOW not in dict(statement.columns)
    text, more = _positional(statement, bound), (now,) if bound else ()
    if text.at_once:
        kinds = (kind for _, kind in statement.columns)
        return text, [(*map(_array, kinds, zip(*rows, strict=True)), *more)]
    return text, [(*row, *more) for row in rows]


@lru_cache(KEPT_TEXTS)
def _names(statement: Statement) -> tuple[str, ...]:
    return tuple(sorted(parameters(statement.postgres)))


@lru_cache(KEPT_TEXTS)
def _named(statement: Statement, kinds: tuple[tuple[str, str], ...]) -> Text:
    order = tuple(name for name, kind in kinds if kind != _NULL)
    casts = dict(kinds)

    def write(name: str) -> str:
        if name not in casts:
            return SERVER_NOW
        # A null has the type that its place wants; as a parameter it would need one.
        return f"${order.index(name) + 1}::{casts[name]}" if casts[name] else "null"

    return Text(with_parameters(statement.postgres, write), order)


@lru_cache(KEPT_TEXTS)
def _positional(statement: Statement, bound_now: bool) -> Text:
    at_once = ROWS in statement.postgres
    types = dict(statement.columns)
    if bound_now:
        types[NOW] = "bigint"
    order = tuple(types)

    def write(name: str) -> str:
        if name not in types:
            return SERVER_NOW
        return f"${order.index(name) + 1}::{types[name]}"

    sql = with_parameters(statement.postgres, write).replace(ROWS, rows_source(statement.columns))
    words = sql.lower().split()
    return Text(sql, order, at_once, words[0] in {"select", "with", "values"} or "returning" in words)


def _array(kind: str, column: Sequence[Any]) -> str | list[Any]:
    """Return a column as an array is bound; raises TypeError for what is no number among numbers.

    These as a text: of each element of an array asyncpg asks two classes of collections.abc whether it is an array
    itself, which takes 0.3 microseconds; to write it takes 0.1 (docs/decisions/0068).
    """
    if kind != NUMBERS:
        return list(column)
    return f"{{{','.join(['null' if one is None else int.__repr__(one) for one in column])}}}"


def _kind(value: Any) -> str:
    kind = _TYPES.get(type(value))
    if kind is not None:
        return kind
    for known, name in _TYPES.items():
        if isinstance(value, known):
            return name
    raise TypeError(f"{type(value).__name__} is not kept in a database")
