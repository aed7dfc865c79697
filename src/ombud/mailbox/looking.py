"""Going round the lanes that are held: which need a turn, and which only a sign of life.

Some lanes at a time: to look at thousands at once holds up whoever is on the event loop. Signs of life wait a moment
for a turn that others need: a turn is a commit.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from ombud.mailbox.held import FRONT_SECONDS, HeldLane

# Lanes that are looked at together, at least: less than a tenth of a millisecond.
LEAST_PART = 256
# In how many parts all are looked at, when there are more: each of them ten times a second.
PARTS = 5
# Seconds that signs of life wait for company, and of a short lease the share.
COMPANY_SECONDS = 0.1
COMPANY_SHARE = 1 / 10


class Looking:
    """Looks at lanes whose turn it is. For one event loop; times are on the monotonic clock, in seconds."""

    def __init__(self, lease_seconds: float) -> None:
        self._company_seconds = min(COMPANY_SECONDS, lease_seconds * COMPANY_SHARE)
        self._left: list[HeldLane] = []
        self._signs: dict[HeldLane, None] = {}
        self._signs_at = 0.0  # when they go alone

    def look(
        self, lanes: Mapping[int, HeldLane], now: float, clock: int, *, woken: bool, pause_seconds: float
    ) -> list[HeldLane]:
        """Return which of the next ones of these lanes, by their ids, need the next turn; `woken`: look at all.

        What needs a sign of life alone is kept for `signs`.
        """
        needy = []
        for held in self._part(lanes, whole=woken):
            if not (woken or now >= held.look_at):
                continue
            if needs_a_look(held, now, clock, woken=woken, pause_seconds=pause_seconds):
                needy.append(held)
            elif now >= held.extend_at:
                if not self._signs:
                    self._signs_at = now + self._company_seconds
                self._signs[held] = None
        return needy

    def signs(self, lanes: Mapping[int, HeldLane], now: float, *, company: bool) -> Sequence[HeldLane]:
        """Return the lanes that give a sign of life with this turn; `company`: it has work of others."""
        if not (self._signs and (company or now >= self._signs_at)):
            return ()
        signs, self._signs = self._signs, {}
        return [held for held in signs if lanes.get(held.lane.id) is held]

    def _part(self, lanes: Mapping[int, HeldLane], *, whole: bool) -> Iterable[HeldLane]:
        if whole or len(lanes) <= LEAST_PART:
            self._left = []
            return lanes.values()
        if not self._left:
            self._left = list(lanes.values())
        most = max(LEAST_PART, -(-len(lanes) // PARTS))
        part, self._left = self._left[-most:], self._left[:-most]
        return [held for held in part if lanes.get(held.lane.id) is held]


def needs_a_look(held: HeldLane, now: float, clock: int, *, woken: bool, pause_seconds: float) -> bool:
    """Return whether the next turn should touch a lane for more than a sign of life.

    `woken`: another process has committed something, somewhere.
    """
    if now >= held.front_at:
        held.front_at = now + FRONT_SECONDS
        held.reads_anew = True
        if not held.in_flight or len(held.in_flight) < held.window(clock):
            held.read_anew()
            return True
        # Nothing could start: hundreds of lanes that hang are not read for nothing.
    if now >= held.next_due:
        held.stock.stale, held.next_due = True, math.inf
    elif woken:
        # What others have appended may be due earlier than what was read last.
        held.stock.rewind()
    elif held.idle and now >= held.looked_at + pause_seconds:
        held.stock.stale = True
    elif held.health.closed_at is None:
        look_at = (held.looked_at if held.idle else now) + pause_seconds
        held.look_at = min(look_at, held.extend_at, held.front_at, held.next_due)
        return False
    else:
        return clock >= held.health.hold_until
    return True
