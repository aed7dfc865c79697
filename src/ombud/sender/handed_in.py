"""The table `intake`, into which any program writes in a transaction of its own: its rows become events, each once.

An event is appended in the transaction that deletes its row, so that a process that dies in between has done neither.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import Conflict, InvalidInput
from ombud.sender.outbox import Event, Outbox

sql = read_queries("ombud.sender")

# Rows that become events in one transaction: as many as one request may bring.
STEP_ROWS = 1_000


class Taken(NamedTuple):
    """What one step did: rows that became events, and those that cannot, each with its reason."""

    stored: int
    refused: Sequence[tuple[int, str]]


def anything_waits() -> Operation[bool]:
    """Return whether something waits in the intake."""
    return bool((yield sql["any_intake"], {}))


def take_in(outbox: Outbox) -> Operation[Taken]:
    """Make events of what has waited longest. Raises EventKeyTaken, and then a repetition finds what others stored."""
    good: list[tuple[int, Event]] = []
    refused: list[tuple[int, str]] = []
    for row in (yield sql["take_intake"], {"rows": STEP_ROWS}):
        try:
            good.append((row["id"], _event(row)))
        except InvalidInput as error:
            refused.append((row["id"], f"{error.field}: {error}"))
    refused += yield from _publish(outbox, good)
    yield sql["drop_intake"], [(id_,) for id_ in {id_ for id_, _ in good} - {id_ for id_, _ in refused}]
    yield sql["refuse_intake"], refused
    return Taken(len(good), refused)


def _publish(outbox: Outbox, good: Sequence[tuple[int, Event]]) -> Operation[list[tuple[int, str]]]:
    """Publish all together; only when keys are at odds one by one. Returns what cannot be."""
    try:
        yield from outbox.publish([event for _, event in good])
    except Conflict as conflict:
        if len(good) == 1:
            return [(good[0][0], str(conflict))]
    else:
        return []
    middle = len(good) // 2
    first = yield from _publish(outbox, good[:middle])
    return first + (yield from _publish(outbox, good[middle:]))


def _event(row: Row) -> Event:
    if not isinstance(row["shop"], int):
        raise InvalidInput("shop", "It is a whole number.")
    type_, object_id = _text(row, "type"), _text(row, "object_id")
    key = None if row["event_key"] is None else _text(row, "event_key")
    return Event(type_, object_id, row["shop"], key)


def _text(row: Row, field: str) -> str:
    value: Any = row[field]
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        raise InvalidInput(field, "It is not text in UTF-8.") from None
