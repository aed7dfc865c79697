"""The portable subset in which migrations are written, and what becomes of it on each database. Pure.

On PostgreSQL `integer` is read as `bigint` and `without rowid` disappears; strings, quoted names and comments are left
alone. What stands between a line `-- postgres:` and a line `-- end` is for PostgreSQL only; `-- sqlite:` likewise.
"""

import re

_ONLY = re.compile(r"^-- (sqlite|postgres):\n(.*?)^-- end$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"^--\s*(?:(?:sqlite|postgres)\s*:.*|end\s*)$", re.MULTILINE | re.IGNORECASE)
_WORDS = re.compile(
    r"('(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\2\$)|\b(integer)\b|\s*\b(without\s+rowid)\b",
    re.IGNORECASE | re.DOTALL,
)


def sqlite_script(text: str) -> str:
    """Return the statements for SQLite; raises ValueError for a mark that is none."""
    return _only(text, "sqlite")


def postgres_script(text: str) -> str:
    """Return the statements for PostgreSQL; raises ValueError for a mark that is none."""

    def translate(match: re.Match[str]) -> str:
        untouched, _, integer, _ = match.groups()
        return untouched or ("bigint" if integer else "")

    return _WORDS.sub(translate, _only(text, "postgres"))


def _only(text: str, database: str) -> str:
    if stray := _MARK.search(_ONLY.sub(lambda match: match[2], text)):
        raise ValueError(f"{stray[0]!r} does not begin or end a part for one database")
    return _ONLY.sub(lambda match: match[2] if match[1] == database else "", text)
