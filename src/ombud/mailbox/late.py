"""One more delivery for events that are stored already, behind what is live: for a destination that came later."""

from collections.abc import Mapping
from typing import TypeAlias

from ombud.db.operation import Operation
from ombud.mailbox.mailbox import Mailbox, sql
from ombud.mailbox.model import Rank

# An event: its day, its id.
Stored: TypeAlias = tuple[int, int]


def deliver_late(mailbox: Mailbox, lanes: Mapping[Stored, int]) -> Operation[int]:
    """Write a delivery in its lane for each event that has none there; returns how many were written.

    The event counts it, so that a row that goes missing is noticed. An event that has gone with its day is passed over.
    """
    counted = yield sql["count_one_more"], [(*event, lane_id) for event, lane_id in lanes.items()], tuple
    rows = sorted((day, event_id, lanes[day, event_id], int(Rank.REPLAY)) for day, event_id in counted)
    yield sql["insert_late"], rows
    yield from mailbox.ring(*sorted({row[2] for row in rows}))
    return len(rows)
