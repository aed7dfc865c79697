"""A run for each webhook, for handlers that ask for that with `mode="every"`.

At least once: what was read may be newer than what a webhook was sent for, and one that the shop repeats has a run of
its own. What the API does not confirm has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.mailbox.ids import first_id_of
from ombud.mailbox.model import Box

sql = read_queries("ombud.receiver")

# Microseconds: a webhook that nobody could confirm for so long is told no more.
BACK = 7 * 86_400_000_000
# Webhooks of one subject that are told at once; what is left is told with the next look.
MOST = 1_000


@dataclass(frozen=True)
class Whose:
    """Who is told what of which subject: all that came until then, and the arrival that was read for it.

    `until`: UTC microseconds.
    """

    key: Mapping[str, Any]  # shop_id, handler_id, subject and event_type
    every_at: int
    until: int
    arrival: int


def untold(whose: Whose) -> Operation[list[Row]]:
    """Return the webhooks of which a handler has not been told, oldest first; from now on it has been."""
    back = max(whose.every_at, whose.until - BACK)
    values = {
        "box": Box.INBOX,
        "since": first_id_of(back),
        "until": whose.until,
        "arrival": whose.arrival,
        "most": MOST,
    }
    rows = yield sql["arrivals_untold"], {**whose.key, **values}
    handler = {"shop_id": whose.key["shop_id"], "handler_id": whose.key["handler_id"]}
    if rows:
        yield sql["forget_every"], handler | {"before": first_id_of(whose.until - 2 * BACK)}
        yield sql["insert_every"], [handler | {"event_id": row["id"]} for row in rows]
    return rows
