"""Append-only histories, written by processes that are never killed, and what they must say in the end.

After Jepsen's total-queue: https://github.com/jepsen-io/jepsen (checker/total-queue). Every event has an id of its own,
so the wire, which carries no event id, still identifies it.
"""

import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


class History:
    """One process's lines: what happened, to which id, when (monotonic nanoseconds, the same clock for all)."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, what: str, number: str) -> None:
        os.write(self._file, f"{what} {number} {time.monotonic_ns()}\n".encode())


def read(paths: Iterable[Path]) -> list[tuple[str, str, int]]:
    """All lines of some histories."""
    lines = []
    for path in paths:
        for line in path.read_text().splitlines():
            what, number, at = line.split()
            lines.append((what, number, int(at)))
    return lines


@dataclass
class Findings:
    """What the histories say. `lost` and `unexpected` must be empty."""

    attempted: int = 0
    acknowledged: int = 0
    lost: set[str] = field(default_factory=set)
    unexpected: set[str] = field(default_factory=set)
    recovered: set[str] = field(default_factory=set)
    duplicates: int = 0

    def __str__(self) -> str:
        return (
            f"attempted {self.attempted}, acknowledged {self.acknowledged}, lost {len(self.lost)}, "
            f"unexpected {len(self.unexpected)}, recovered {len(self.recovered)}, duplicates {self.duplicates}"
        )


def check(lines: Iterable[tuple[str, str, int]], arrived: str = "deliver") -> Findings:
    """Compare what was acknowledged with what arrived."""
    seen: dict[str, list[str]] = {}
    for what, number, _ in lines:
        seen.setdefault(what, []).append(number)
    attempted, acknowledged = set(seen.get("attempt", ())), set(seen.get("ack", ()))
    arrivals = Counter(seen.get(arrived, ()))
    dead = set(seen.get("dead", ()))
    return Findings(
        attempted=len(attempted),
        acknowledged=len(acknowledged),
        lost=acknowledged - arrivals.keys() - dead,
        unexpected=arrivals.keys() - attempted,
        recovered=arrivals.keys() - acknowledged,
        duplicates=sum(arrivals.values()) - len(arrivals),
    )
