"""Time that passes only when nothing is left to do: an event loop, a clock and a writer on it, for days in seconds."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from ombud.db.database import Database, Together
from ombud.db.operation import Make

T = TypeVar("T")
Item = TypeVar("Item")
R = TypeVar("R")

SECOND = 1_000_000
# Where virtual time begins: UTC microseconds, a day's beginning.
BEGINNING = 1_800_057_600 * SECOND
# Modules that look at the monotonic clock themselves.
WATCHERS = ("holder", "leftover", "starter", "worker")


def set_monotonic(monkeypatch: pytest.MonkeyPatch, module: str, seconds: Callable[[], float]) -> None:
    """Let one module read this clock. `time.monotonic` itself is what every event loop of the process sleeps by."""
    monkeypatch.setattr(f"{module}.time", SimpleNamespace(monotonic=seconds))


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer as soon as nothing is ready. For what waits for no other thread."""

    def __init__(self) -> None:
        super().__init__()
        self.virtual = 0.0

    def time(self) -> float:
        return self.virtual

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.virtual = max(self.virtual, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]

    def clock(self) -> int:
        """Return the time: UTC microseconds."""
        return BEGINNING + round(self.virtual * SECOND)

    def rule(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the mailbox go by this loop's time, and look at most once an hour for what nobody says."""
        shim = SimpleNamespace(monotonic=self.time, time=time.time)
        for name in WATCHERS:
            monkeypatch.setattr(f"ombud.mailbox.{name}.time", shim)
        monkeypatch.setattr("ombud.mailbox.worker.POLL_SECONDS", 3_600.0)
        monkeypatch.setattr("ombud.mailbox.janitor.ROUND_SECONDS", 3_600.0)


class InlineWriter:
    """Commits in the caller's thread: nothing is waited for."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def write(self, make: Make[T]) -> T:
        return self.database.write(make)

    async def add(self, together: Together[Item, R], item: Item) -> R:
        [result] = self.database.write(lambda: together([item]))
        return result

    def close(self) -> None:
        """Nothing waits."""


def span(clock: int) -> Any:
    """Return a time as days since the beginning, for messages."""
    return round((clock - BEGINNING) / (86_400 * SECOND), 4)
