"""One more delivery for events that are stored already, behind what is live: for a destination that came later."""

from collections.abc import Sequence

from ombud.db.operation import Operation
from ombud.mailbox.mailbox import Mailbox, sql
from ombud.mailbox.model import Rank


def deliver_late(mailbox: Mailbox, wanted: Sequence[tuple[int, int, int]]) -> Operation[int]:
    """Write a delivery for each day, event and lane where there is none; returns how many were written.

    The event counts it, so that a row that goes missing is noticed. An event that has gone with its day is passed over.
    """
    found = yield sql["count_one_more"], list(wanted), tuple
    given = set(found)
    lanes = {(day, event_id): lane_id for day, event_id, lane_id in wanted}
    rows = [(day, event_id, lanes[day, event_id], int(Rank.REPLAY)) for day, event_id in given]
    yield sql["insert_late"], sorted(rows)
    yield from mailbox.ring(*sorted({row[2] for row in rows}))
    return len(rows)
