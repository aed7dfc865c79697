"""Whether the owner of a lane asks for more of it to be loaded, and for how much."""

from typing import TYPE_CHECKING

from ombud.mailbox.load import Wanted
from ombud.mailbox.stock import START
from ombud.mailbox.wishes import covers

if TYPE_CHECKING:
    from ombud.mailbox.held import HeldLane

# Rows that one load reads of one lane: the quantum of a turn. Bounds a commit, and what a crash may repeat.
QUANTUM = 64
# Rows that a load of a narrow lane reads at least.
LEAST_LOAD = 8
# Deliveries of one lane in memory: those whose subject is in flight wait, and past this the lane reads no further.
KNOWN_MOST = 512
# Share of a lane's window that replays may hold.
REPLAY_SHARE = 1 / 4


def hungry(held: "HeldLane", clock: int) -> bool:
    """Return whether more could start than is loaded, and may be due; `clock` in UTC microseconds."""
    stock, health = held.stock, held.health
    if not stock.stale or held.blocked or len(stock.known) >= KNOWN_MOST:
        return False
    if health.given_up_at is not None:
        return True
    if held.careful or health.closed_at is not None:
        return not (held.in_flight or stock.ready.count) and clock >= health.hold_until
    return stock.ready.count < health.window


def wanted(held: "HeldLane", *, merging: bool) -> Wanted:
    """Return what the next load is to read. `merging`: of one subject the newest covers the others."""
    stock, health = held.stock, held.health
    window = QUANTUM if health.closed_at is not None else health.window
    most = 1 if held.careful else min(QUANTUM, max(LEAST_LOAD, 2 * window))
    known = frozenset(stock.known)
    busy = frozenset(subject for subject in stock.busy if merging or covers(held.facts, subject))
    if stock.cursor == START:
        most += len(known)  # it passes what is known already
    replays = max(1, int(window * REPLAY_SHARE)) if not held.replays else 0
    return Wanted(held.lane.id, stock.cursor, most, replays, known, busy, health.given_up_at is not None)
