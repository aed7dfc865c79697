"""Broken builds: a statement of the mailbox made wrong, to see that a test would notice."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ombud.mailbox.mailbox import sql


@contextmanager
def broken(name: str, right: str, wrong: str) -> Iterator[None]:
    """For a while write `wrong` for `right` in a statement, wherever that stands in it."""
    statement = sql[name]
    texts = {text: getattr(statement, text).replace(right, wrong) for text in ("sql", "postgres")}
    assert replace(statement, **texts) != statement, f"{name} does not say {right}"
    sql._statements[name] = replace(statement, **texts)
    try:
        yield
    finally:
        sql._statements[name] = statement
