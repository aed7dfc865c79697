"""Going round the lanes that are held, some at a time: to look at thousands at once holds up whoever is on the loop."""

from collections.abc import Mapping, Sequence

from ombud.mailbox.held import HeldLane

# Lanes that are looked at together, at least: a tenth of a millisecond.
FEW_LANES = 256
# In how many parts all are looked at, when there are more: each of them ten times a second.
PARTS = 5


class Looking:
    """Names the lanes whose turn it is. For one event loop."""

    def __init__(self) -> None:
        self._left: list[HeldLane] = []

    def part(self, lanes: Mapping[int, HeldLane], *, whole: bool) -> Sequence[HeldLane]:
        """Return the next ones of these, by their ids; or all, and begin anew."""
        if whole or len(lanes) <= FEW_LANES:
            self._left = []
            return list(lanes.values())
        if not self._left:
            self._left = list(lanes.values())
        most = max(FEW_LANES, -(-len(lanes) // PARTS))
        part, self._left = self._left[-most:], self._left[:-most]
        return [held for held in part if lanes.get(held.lane.id) is held]
