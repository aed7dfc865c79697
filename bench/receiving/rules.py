"""The rules that others use, each as the moments at which it reads one product: pure."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.receiving.traffic import Session

Rule = Callable[[Sequence[float]], Iterable[float]]

# Seconds that a read is on its way.
READ_SECONDS = 0.15


@dataclass(frozen=True)
class Score:
    """Of the products, the share whose last version was never read; and reads for each save."""

    stale: float
    reads_per_update: float


def every(arrivals: Sequence[float]) -> Iterable[float]:
    """Read for every arrival."""
    return arrivals


def within(seconds: float) -> Rule:
    """Drop what comes within so many seconds of the last one that was read for."""

    def read(arrivals: Sequence[float]) -> Iterable[float]:
        last = float("-inf")
        for arrival in arrivals:
            if arrival - last >= seconds:
                last = arrival
                yield arrival

    return read


def coalesce(arrivals: Sequence[float]) -> Iterable[float]:
    """Read at once; what comes while a read is under way shares the next one."""
    free_at = float("-inf")
    for arrival in arrivals:
        if arrival > free_at - READ_SECONDS or free_at == float("-inf"):
            start = max(arrival, free_at)
            free_at = start + READ_SECONDS
            yield start


RULES: Sequence[tuple[str, Rule]] = (
    ("act on every arrival", every),
    ("drop the same within 2 s", within(2)),
    ("… within 10 s", within(10)),
    ("… within 60 s", within(60)),
    ("… within 300 s", within(300)),
    ("share a read, no delay", coalesce),
)


def score(rule: Rule, sessions: Sequence[Session], lag_seconds: float, seed: int) -> Score:
    """Try a rule; reads answer as it was a while ago, `lag_seconds` on average."""
    chance = random.Random(seed)  # noqa: S311 - the same for a seed
    stale = reads = 0
    for session in sessions:
        versions = []
        for moment in rule(session.arrivals):
            lag = chance.expovariate(1 / lag_seconds) if lag_seconds else 0.0
            versions.append(session.version_at(moment - lag))
        reads += len(versions)
        stale += max(versions, default=0) < len(session.saves)
    return Score(stale / len(sessions), reads / sum(len(session.saves) for session in sessions))
