"""What a handler does to the outside when its process dies at each of its steps, against what it does undisturbed."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ombud.testing.outside import Effect


@dataclass(frozen=True)
class Point:
    """A step at which the handler was killed: its number, its place, and what was wrong once it had run again."""

    number: int
    where: str
    problems: Sequence[str]


@dataclass(frozen=True)
class CrashReport:
    """The points of one handler. `str` gives one line for each problem."""

    handler: str
    points: Sequence[Point]

    @property
    def problems(self) -> list[str]:
        """What is wrong, point by point."""
        return [
            f"{self.handler}, killed at {point.where} (step {point.number}): {problem}"
            for point in self.points
            for problem in point.problems
        ]

    def __str__(self) -> str:
        return "\n".join(self.problems) or f"{self.handler}: the same in the end, killed at any of {len(self.points)}"


def compare(calm: Sequence[Effect], killed: Sequence[Effect], repeatable: Collection[str]) -> list[str]:
    """Return what differs between the effects of a handler undisturbed, and killed and run again.

    Calls with the run's key among their arguments are one for each key: the outside can tell a repetition. Calls
    without are counted.
    """
    problems = []
    for name in sorted({effect.name for effect in (*calm, *killed)}):
        before, after = (_Count(name, effects) for effects in (calm, killed))
        if after.keyed != before.keyed:
            problems.append(f"{name} was called with {after.keyed} different keys, and {before.keyed} undisturbed")
        again = name in repeatable and after.bare > 0 and before.bare > 0
        if after.bare != before.bare and not again:
            problems.append(f"{name} was called {after.bare} times without the key, and {before.bare} undisturbed")
    return problems


class _Count:
    def __init__(self, name: str, effects: Sequence[Effect]) -> None:
        mine = [effect for effect in effects if effect.name == name]
        self.keyed = len(Counter(effect.keys for effect in mine if effect.keys))
        self.bare = sum(not effect.keys for effect in mine)
