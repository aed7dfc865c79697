"""How much a look at what is wrong reads, and how far back."""

from ombud.receiver.meter import HOUR

# Rows of one kind: some ten milliseconds. Past it nothing is over for not being seen.
MOST_SEEN = 10_000
# What was given up is wrong for a day: who looks once a day finds it.
DEAD_HOURS = 24


def dead_from(now: int) -> int:
    """Return the hour from which on what was given up counts. UTC microseconds."""
    return now - now % HOUR - (DEAD_HOURS - 1) * HOUR
