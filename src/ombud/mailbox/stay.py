"""How long a lane stays owned after its last work, although it is empty."""

from typing import NamedTuple

# Loads with work in one lease, after which a lane is busy.
LINGER_LOADS = 3


class Stay(NamedTuple):
    """Seconds: of a lane that is busy, and of any other one whose end must be written.

    What comes meanwhile needs neither a lease nor a load.
    """

    busy_seconds: float
    other_seconds: float

    def seconds(self, loads: int, *, stored: bool) -> float:
        """Return how long a lane stays that had work so often in this lease; a lease in memory alone ends at once."""
        if loads >= LINGER_LOADS:
            return self.busy_seconds
        return self.other_seconds if stored else 0.0
