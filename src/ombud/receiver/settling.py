"""A lane starts the next delivery of a subject before the end of the last one is on record: who must know waits."""

import asyncio
import contextlib
from collections.abc import Hashable
from dataclasses import replace

from ombud.mailbox.model import Done, Outcome

# Seconds that one waits for what the one before it has written of its end: a commit, unless its lane was lost.
SETTLE_SECONDS = 1.0


class Settling:
    """What has ended, and is not on record yet. For one event loop."""

    def __init__(self) -> None:
        self._ends: dict[Hashable, asyncio.Event] = {}

    async def after_the_last(self, whose: Hashable) -> None:
        """Wait until the last end is on record."""
        settled = self._ends.pop(whose, None)
        if settled is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECONDS):
                    await settled.wait()

    def ending(self, whose: Hashable, outcome: Outcome) -> Outcome:
        """Return an outcome that says when it is on record."""
        if not isinstance(outcome, Done):
            return outcome
        settled = self._ends[whose] = asyncio.Event()

        def then() -> None:
            settled.set()
            if self._ends.get(whose) is settled:
                del self._ends[whose]

        return replace(outcome, then=then)
