"""What a destination asks for of how its lane is treated: among its facts, each of them may be missing."""

from collections.abc import Hashable, Mapping
from typing import Any

# Microseconds by which starts may be late and still keep the pace: a worker looks that often.
SLACK = 50_000


class Pace:
    """No more starts than one in so many microseconds, counted from when they should have been."""

    __slots__ = ("_next_at",)

    def __init__(self) -> None:
        self._next_at = 0

    def admits(self, clock: int) -> bool:
        """Return whether one may start now; `clock` in UTC microseconds."""
        return clock >= self._next_at - SLACK

    def start(self, clock: int, pause: int) -> None:
        """Note that one starts, and that the next may that many microseconds later; 0: at once."""
        if pause:
            self._next_at = max(self._next_at, clock) + pause

    def over(self, clock: int) -> bool:
        """Return whether the next may start, for whoever will own the lane: the pace is in its owner's memory."""
        return clock >= self._next_at


def pause_of(facts: Mapping[str, Any] | None) -> int:
    """Return the microseconds between two starts that the destination asks for; 0: none."""
    return (facts.get("pace") or 0) if facts else 0


def schedule_of(facts: Mapping[str, Any] | None) -> str:
    """Return the name of the destination's own schedule of retries; empty: it has none."""
    return (facts.get("schedule") or "") if facts else ""


def covers(facts: Mapping[str, Any] | None, subject: str) -> bool:
    """Return whether the destination wants only the newest about that subject, of each type."""
    beginning = facts.get("covers") if facts else None
    return beginning is not None and subject.startswith(beginning)


def cover_key(facts: Mapping[str, Any], type_: str, subject: str, *, merging: bool) -> Hashable | None:
    """Return what two deliveries share when the newer covers the older, or None for one that stands alone.

    `merging`: in this mailbox that is so for every subject, whatever the type.
    """
    if merging:
        return subject
    return (type_, subject) if covers(facts, subject) else None
