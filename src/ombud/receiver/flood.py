"""How much a shop may send: past it the answer is 429, and nothing is stored. For one process.

Whoever has a shop's token could else fill the disk. Refused webhooks are sent again by who means them, and what is lost
all the same is found by reconciling.
"""

import time
from collections.abc import Hashable

# Of each shop, requests that are about nothing we know.
JUNK_PER_MINUTE = 600
# Webhooks of one event type about one thing that are told apart within a minute; past it all counts begin anew.
REMEMBER_ALIKE = 20_000
# Hours whose webhooks may come at once: a whole shop may be imported in a minute, and that is no flood.
HOURS_AT_ONCE = 10
# Bytes that the row of a webhook takes, by which what is kept of a request that is none is measured.
ROW_BYTES = 250


class Minute:
    """Counts of the present minute."""

    def __init__(self, most_kinds: int = REMEMBER_ALIKE) -> None:
        self._most_kinds = most_kinds
        self._ends = 0.0
        self._counts: dict[Hashable, int] = {}

    def count(self, what: Hashable) -> int:
        """Count one more, and return how many there were of it in this minute."""
        now = time.monotonic()
        if now >= self._ends or len(self._counts) >= self._most_kinds:
            self._ends = now + 60
            self._counts.clear()
        count = self._counts[what] = self._counts.get(what, 0) + 1
        return count


class Allowance:
    """So much an hour of each kind; what is not used adds up to HOURS_AT_ONCE hours of it."""

    def __init__(self, per_hour: int) -> None:
        self._seconds = 3_600 / per_hour
        # When (monotonic seconds) all that was taken will be made up for.
        self._even_at: dict[Hashable, float] = {}

    def take(self, what: Hashable, amount: int = 1) -> bool:
        """Use so much up; returns whether there was so much."""
        now = time.monotonic()
        even_at = max(now, self._even_at.get(what, 0.0)) + amount * self._seconds
        if even_at - now > HOURS_AT_ONCE * 3_600:
            return False
        self._even_at[what] = even_at
        return True
