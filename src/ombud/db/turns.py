"""One at a time: whoever decides the same thing at the same moment waits, and then sees what the other has done."""

from ombud.db.operation import Operation, Statement

# Of a file one transaction writes at a time.
_LOCK = Statement(
    "lock", "select :what as what", "select pg_advisory_xact_lock(hashtextextended(cast(:what as text), 0))"
)


def lock(what: str) -> Operation[None]:
    """Have whoever locks the same wait until this is committed.

    `what`: an id, or a name of several rows: "people", "endpoints of 7".
    """
    yield _LOCK, {"what": what}
