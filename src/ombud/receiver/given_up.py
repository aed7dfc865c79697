"""Counting what is given up, reads and runs, by shop, handler and hour, in the transaction in which that happens."""

from collections import Counter
from collections.abc import Callable, Sequence

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Box, Delivery
from ombud.receiver.meter import HOUR

sql = read_queries("ombud.receiver")

# Stands for a handler where a read was given up.
READS = 0
# Microseconds that the counts are kept: whoever looks back a day finds all of it.
KEPT = 2 * 24 * HOUR
# How the reason begins of what nobody acts on before a person has said so.
_HELD = "held:"


def waits_for_a_person(reason: str | None) -> bool:
    """Return whether what ended with this reason is not given up, but waits for a person."""
    return (reason or "").startswith(_HELD)


def count_given_up(mailbox: Mailbox) -> Callable[[Sequence[tuple[Delivery, str | None]]], Operation[None]]:
    """Return what a mailbox of the receiver calls with deliveries that are dead, and why (`Mailbox.on_dead`)."""

    def count(dead: Sequence[tuple[Delivery, str | None]]) -> Operation[None]:
        lost = [delivery for delivery, reason in dead if not waits_for_a_person(reason)]
        lanes = sorted({delivery.lane_id for delivery in lost})
        owners = {row["id"]: row for row in (yield sql["owners_of_lanes"], [(lane_id,) for lane_id in lanes])}
        amounts: Counter[tuple[int, int]] = Counter()
        for delivery in lost:
            if (row := owners.get(delivery.lane_id)) is not None:
                handler_id = row["destination_id"] if mailbox.box is Box.CHANGES else READS
                amounts[row["shop_id"], handler_id] += 1
        if amounts:
            now = mailbox.clock()
            since = now - now % HOUR
            # In one order for every process, so that no two wait for each other.
            rows = [(*key, since, amounts[key], now) for key in sorted(amounts)]
            yield sql["count_dead"], rows
            yield sql["forget_dead"], {"before": now - KEPT}

    return count
