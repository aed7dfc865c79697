"""A lane starts the next delivery of a subject before the end of the last one is on record: who must know waits."""

import asyncio
import contextlib
import time
from collections.abc import Hashable
from dataclasses import replace

from ombud.mailbox.model import Done, Interrupted, Outcome

# Seconds that one waits for what the one before it has written of its end: a commit.
SETTLE_SECONDS = 1.0
# Seconds after which an end will never be told: its lane is somebody else's by then, or it could not be written.
UNTOLD_SECONDS = 30.0


class Settling:
    """What has ended, and is not on record yet. For one event loop."""

    def __init__(self, wait_seconds: float = SETTLE_SECONDS, untold_seconds: float = UNTOLD_SECONDS) -> None:
        self._wait_seconds = wait_seconds
        self._untold_seconds = untold_seconds
        # With each, when it has ended, on the monotonic clock.
        self._ends: dict[Hashable, tuple[asyncio.Event, float]] = {}

    async def after_the_last(self, whose: Hashable) -> Interrupted | None:
        """Wait until the last end is on record; returns how to end when that takes long, as on a disk that stalls.

        Who went on then could be on record before the last one, whose older findings would be taken for the newer.
        """
        settled, ended_at = self._ends.get(whose, (None, 0.0))
        if settled is None:
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._wait_seconds):
                await settled.wait()
                return None
        if time.monotonic() < ended_at + self._untold_seconds:
            return Interrupted("What came before is not on record yet.", after=self._wait_seconds)
        self._ends.pop(whose, None)
        return None

    def ending(self, whose: Hashable, outcome: Outcome) -> Outcome:
        """Return an outcome that says when it is on record."""
        if not isinstance(outcome, Done):
            return outcome
        settled = asyncio.Event()
        self._ends[whose] = settled, time.monotonic()

        def then() -> None:
            settled.set()
            if self._ends.get(whose, (None,))[0] is settled:
                del self._ends[whose]

        return replace(outcome, then=then)
