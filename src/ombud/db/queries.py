"""Reads named SQL: `-- name: lease_lanes`, then a line of why, then one statement."""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from ombud.db.operation import Statement

# What somebody means as a name splits the file; it must then be one, or its statement would join the one before.
_MARK = re.compile(r"^(--\s*name:.*)$", re.MULTILINE)
_NAME = re.compile(r"-- name: ([a-z][a-z0-9_]*)")


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
            name, statement = match[1], _without_comments(body)
            if name in self._statements:
                raise ValueError(f"{source}: two queries are named {name}")
            if not statement:
                raise ValueError(f"{source}: {name} has no statement")
            self._statements[name] = Statement(name, statement)

    def __getitem__(self, name: str) -> Statement:
        """Return the statement of that name."""
        try:
            return self._statements[name]
        except KeyError:
            raise KeyError(f"{self._source} has no query named {name}") from None

    def __iter__(self) -> Iterator[Statement]:
        """Iterate over the statements in the order of the file."""
        return iter(self._statements.values())


def _without_comments(body: str) -> str:
    return "\n".join(line for line in body.strip().splitlines() if not line.startswith("--")).strip()


@cache
def read_queries(package: str, file: str = "queries.sql") -> Queries:
    """Read a file of statements of a package, once in a process."""
    return Queries(f"{package}/{file}", files(package).joinpath(file).read_text("utf-8"))
