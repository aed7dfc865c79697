"""People who edit products: some saves in a row, a webhook for each, and now and then one that is repeated."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

# Saves of one product in a row, on average.
MEAN_SAVES = 3.0
# Seconds between two of them, on average.
MEAN_GAP_SECONDS = 6.0
# Of the webhooks, how many come twice although they were acknowledged, and after how many seconds.
REPEATED = 0.05
REPEAT_SECONDS = (1.0, 30.0)
# Seconds that a webhook takes from the save.
WAY_SECONDS = 0.7


@dataclass(frozen=True)
class Session:
    """One product: when it was saved and when its webhooks came, in seconds, each in order."""

    saves: Sequence[float]
    arrivals: Sequence[float]

    def version_at(self, seconds: float) -> int:
        """Return how often it had been saved by then."""
        return sum(saved <= seconds for saved in self.saves)


def sessions(count: int, spread_seconds: float, seed: int) -> list[Session]:
    """Return so many sessions that begin within a span, the same ones for a seed."""
    chance = random.Random(seed)  # noqa: S311 - the same for a seed
    return [_session(chance, chance.uniform(0, spread_seconds)) for _ in range(count)]


def _session(chance: random.Random, begin: float) -> Session:
    saves = [begin]
    while chance.random() > 1 / MEAN_SAVES:
        saves.append(saves[-1] + chance.expovariate(1 / MEAN_GAP_SECONDS))
    arrivals = [save + WAY_SECONDS for save in saves]
    again = [one + chance.uniform(*REPEAT_SECONDS) for one in arrivals if chance.random() < REPEATED]
    return Session(saves, sorted([*arrivals, *again]))
