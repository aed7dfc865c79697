"""Reads named SQL. A statement as it stands in a file, whose header, variant and macros are optional:

    -- name: settle_delivery
    -- rows: shop_id bigint, event_id bigint, state bigint
    -- One line of why.
    update delivery set state = :state where shop_id = :shop_id and event_id = :event_id;
    -- postgres:
    update delivery d set state = r.state from {rows} r where d.shop_id = r.shop_id and d.event_id = r.event_id;

`-- rows:` gives the tuples that the statement is run for. PostgreSQL uses the first text unless it has its own; there
`{rows}` is a table of all tuples of a step. `:now` is supplied by the driver. The macros are in dialect.py.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from ombud.db.dialect import NOW, ROWS, Columns, parameters, portable
from ombud.db.operation import Statement

# What somebody means as a mark splits the file; it must then be one, or its statement would join the one before.
_MARK = re.compile(r"^(--\s*name:.*)$", re.MULTILINE)
_NAME = re.compile(r"-- name: ([a-z][a-z0-9_]*)")
_LOOSE = re.compile(r"^--\s*(?:rows|postgres)\s*:.*$", re.MULTILINE | re.IGNORECASE)
_HEADER = re.compile(r"^-- rows: (.+)$", re.MULTILINE)
_VARIANT = re.compile(r"^-- postgres:$", re.MULTILINE)
_COLUMN = re.compile(r"([a-z][a-z0-9_]*) ([a-z][a-z ]*)")


class Queries:
    """The statements of one .sql file, by name: `queries["lease_lanes"]`. An unknown name is a KeyError."""

    def __init__(self, source: str, text: str) -> None:
        self._source = source
        self._statements: dict[str, Statement] = {}
        _, *parts = _MARK.split(text)
        for mark, body in zip(parts[::2], parts[1::2], strict=True):
            match = _NAME.fullmatch(mark)
            if not match:
                raise ValueError(f"{source}: {mark!r} is not a name")
            name = match[1]
            if name in self._statements:
                raise ValueError(f"{source}: two queries are named {name}")
            try:
                self._statements[name] = _statement(name, body)
            except ValueError as error:
                raise ValueError(f"{source}: {name} {error}") from None

    def __getitem__(self, name: str) -> Statement:
        """Return the statement of that name."""
        try:
            return self._statements[name]
        except KeyError:
            raise KeyError(f"{self._source} has no query named {name}") from None

    def __iter__(self) -> Iterator[Statement]:
        """Iterate over the statements in the order of the file."""
        return iter(self._statements.values())


def _statement(name: str, body: str) -> Statement:
    for mark in _LOOSE.findall(body):
        if not _HEADER.fullmatch(mark) and not _VARIANT.fullmatch(mark):
            raise ValueError(f"has a mark that is none: {mark!r}")
    texts = [_without_comments(text) for text in _VARIANT.split(body)]
    if not all(texts):
        raise ValueError("has no statement")
    if len(texts) > 2:  # noqa: PLR2004 - one for each database
        raise ValueError("has more than one text for PostgreSQL")
    columns = _columns(", ".join(_HEADER.findall(body)))
    statement = Statement(name, portable(texts[0])[0], portable(texts[-1])[1], columns)
    _check(statement)
    return statement


def _columns(header: str) -> Columns:
    if not header:
        return ()
    found = [_COLUMN.fullmatch(part.strip()) for part in header.split(",")]
    columns = tuple((match[1], match[2]) for match in found if match)
    if len(columns) != len(found) or len(dict(columns)) != len(columns):
        raise ValueError(f"has a header that is not `name type, name type`, each name once: {header!r}")
    return columns


def _check(statement: Statement) -> None:
    names, in_sqlite = {name for name, _ in statement.columns}, parameters(statement.sql)
    if ROWS in statement.sql:
        raise ValueError(f"has {ROWS} in its text for SQLite")
    if not names and ROWS in statement.postgres:
        raise ValueError(f"has {ROWS} and no `-- rows:` header")
    if not names:
        return
    if in_sqlite - {NOW} != names - {NOW} or (NOW in names and NOW not in in_sqlite):
        raise ValueError(f"has other parameters than its header: {', '.join(sorted(in_sqlite ^ names))}")
    known = {NOW} if ROWS in statement.postgres else names | {NOW}
    if unknown := parameters(statement.postgres) - known:
        raise ValueError(f"has parameters that are not bound on PostgreSQL: {', '.join(sorted(unknown))}")


def _without_comments(body: str) -> str:
    return "\n".join(line for line in body.strip().splitlines() if not line.startswith("--")).strip()


@cache
def read_queries(package: str, file: str = "queries.sql") -> Queries:
    """Read a file of statements of a package, once in a process."""
    return Queries(f"{package}/{file}", files(package).joinpath(file).read_text("utf-8"))
