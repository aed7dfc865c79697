"""Finding what arrived, and runs of handlers: by subject, among what has failed, or by looking back a bounded way."""

from dataclasses import dataclass
from typing import Any

from ombud.admin.access import EVERY_SHOP, Caller
from ombud.admin.walk import walk
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.mailbox.ids import ID_LIMIT, first_id_of
from ombud.mailbox.model import Box, State
from ombud.receiver.given_up import waits_for_a_person

sql = read_queries("ombud.admin", "inbox.sql")

# An id above every one.
NEWEST = ID_LIMIT - 1
# The subject of what arrived and cannot be read.
UNREADABLE = ""


@dataclass(frozen=True)
class Sought:
    """Which arrivals or runs: each field that is empty or None asks for nothing. Times are UTC microseconds.

    `held`: whether an arrival is held for a person; None for both. `handler` is for runs alone.
    """

    shop_id: int = EVERY_SHOP
    event_type: str = ""
    subject: str | None = None
    state: State | None = None
    held: bool | None = None
    handler: str = ""
    since: int = 0
    until: int = 0


EVERYTHING = Sought()


@dataclass(frozen=True)
class _Ways:
    """The statements that find rows of a box."""

    box: Box
    between: str
    of_subject: str
    dead: str


_ARRIVALS = _Ways(Box.INBOX, "arrivals_between", "arrivals_of_subject", "dead_arrivals")
_RUNS = _Ways(Box.CHANGES, "runs_between", "runs_of_subject", "dead_runs")


def find_arrivals(wanted: Sought, before: int, rows: int) -> Operation[tuple[list[Row], int | None]]:
    """Return a page of arrivals with an id below `before`, newest first, and the id below which to go on."""
    return (yield from _find(_ARRIVALS, wanted, before, rows))


def find_runs(wanted: Sought, before: int, rows: int) -> Operation[tuple[list[Row], int | None]]:
    """Return a page of runs of changes with an id below `before`, newest first, and the id below which to go on."""
    return (yield from _find(_RUNS, wanted, before, rows))


def seen_by(caller: Caller, wanted: Sought) -> Sought:
    """Return what is sought with nothing of it that is not the caller's to see."""
    if caller.shop_id == EVERY_SHOP:
        return wanted
    # Of another shop than its own, nothing: no shop has this number.
    shop_id = caller.shop_id if wanted.shop_id in (EVERY_SHOP, caller.shop_id) else -1
    return Sought(**(vars(wanted) | {"shop_id": shop_id}))


def is_held(row: Row) -> bool:
    """Return whether a delivery waits for a person: nothing was done about it, or nothing came of a read."""
    return row["state"] in (State.DEAD, State.DONE) and waits_for_a_person(row["reason"])


def state_word(row: Row) -> str:
    """Return the state of a delivery, which may be none."""
    if row["state"] is None:
        return "stored"
    return "held" if is_held(row) else State(row["state"]).name.lower()


def _find(ways: _Ways, wanted: Sought, before: int, rows: int) -> Operation[tuple[list[Row], int | None]]:
    values = _values(ways.box, wanted)
    floor = first_id_of(wanted.since) if wanted.since else 0
    before = min(before, first_id_of(wanted.until)) if wanted.until else before
    subject = wanted.subject
    name = ways.between
    edge = None
    if subject is not None:
        name, edge = ways.of_subject, lambda before, events: _edge_of_subject(subject, before, events)
    elif wanted.state is State.DEAD:
        name, edge = ways.dead, _edge_of_dead

    def part(before: int, since: int, rows: int) -> Operation[list[Row]]:
        return (yield sql[name], values | {"before": before, "since": max(since, floor), "rows": rows})

    return (yield from walk(ways.box, before, rows, part, floor, edge=edge))


def _edge_of_subject(subject: str, before: int, events: int) -> Operation[int]:
    rows = yield sql["subject_ids_back"], {"subject": subject, "before": before, "events": events}
    return int(rows[0]["id"]) if rows else 0


def _edge_of_dead(before: int, events: int) -> Operation[int]:
    """Return how far back a bounded number of failures reaches in the day that has the most of them."""
    edges = [0]
    for row in (yield sql["days"], {}):
        edges += [found["id"] for found in (yield sql["dead_ids_back"], {**row, "before": before, "events": events})]
    return max(edges)


def _values(box: Box, wanted: Sought) -> dict[str, Any]:
    return {
        "box": box,
        "shop_id": wanted.shop_id,
        "type": wanted.event_type,
        "subject": wanted.subject,
        "state": -1 if wanted.state is None else int(wanted.state),
        "held": -1 if wanted.held is None else int(wanted.held),
        "handler": wanted.handler,
    }
