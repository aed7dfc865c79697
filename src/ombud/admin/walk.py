"""Looking back through a box for rows that no index finds: a bounded number of events at a time, then a cursor.

An index of events led by their shop would make every commit write a page for each of its shops (docs/decisions/0009).
So a page of what is rare may have few rows, or none, and say where to look on.
"""

import time
from collections.abc import Callable
from typing import TypeAlias

from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.mailbox.model import Box

sql = read_queries("ombud.admin")

# Events of one step, and of one page; a step takes a few milliseconds.
STEP_EVENTS = 2_000
PAGE_EVENTS = 40_000
# Seconds after which no further step is begun.
PAGE_SECONDS = 0.07

# Finds at most so many rows of events with an id below `before` and from `since` on, newest first.
Part: TypeAlias = Callable[[int, int, int], Operation[list[Row]]]
# How far back so many rows reach from an id on: the lowest id of a step, or 0 at the end.
Edge: TypeAlias = Callable[[int, int], Operation[int]]


def walk(
    box: Box, before: int, rows: int, part: Part, floor: int = 0, *, edge: Edge | None = None
) -> Operation[tuple[list[Row], int | None]]:
    """Return up to `rows` rows, newest first, and the event below which to go on; None at the end.

    A row has its event in `id`. `floor`: no event below it is looked for. `edge`: by another index than that of events.
    """
    find_edge = edge or (lambda before, events: _edge_of_box(box, before, events))
    found: list[Row] = []
    passed, began = 0, time.monotonic()
    while True:
        since = yield from find_edge(before, STEP_EVENTS - 1)
        found += yield from part(before, since, rows - len(found))
        if len(found) >= rows:
            return found, found[-1]["id"]
        if since <= floor:
            return found, None
        before, passed = since, passed + STEP_EVENTS
        if passed >= PAGE_EVENTS or time.monotonic() - began > PAGE_SECONDS:
            return found, before


def _edge_of_box(box: Box, before: int, events: int) -> Operation[int]:
    rows = yield sql["event_ids_back"], {"box": box, "before": before, "events": events}
    return int(rows[0]["id"]) if rows else 0
