"""What a process does now and then beside its deliveries."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from ombud.errors import StorageUnavailable

log = logging.getLogger("ombud.mailbox")

# Seconds between two steps of one round, so that deliveries have most of the disk.
STEP_PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class Round:
    """Something that is done every so many seconds, in steps: `step` returns whether there is more to do now.

    Whoever sets `soon` has it done at once.
    """

    seconds: float
    step: Callable[[], Awaitable[bool]]
    soon: asyncio.Event = field(default_factory=asyncio.Event, compare=False)


class Rounds:
    """Does its rounds, each at its own pace, until `stop`. For one event loop."""

    def __init__(self, rounds: Sequence[Round]) -> None:
        self._rounds = list(rounds)
        self._stopping = False

    def add(self, each: Round) -> None:
        """Do this one too, once `run` begins."""
        self._rounds.append(each)

    async def run(self) -> None:
        """Do them, the first time at once."""
        await asyncio.gather(*(self._repeat(each) for each in self._rounds))

    def stop(self) -> None:
        """End `run` after the steps that are under way. Call it on its event loop."""
        self._stopping = True
        for each in self._rounds:
            each.soon.set()

    async def _repeat(self, each: Round) -> None:
        while not self._stopping:
            each.soon.clear()
            more = False
            try:
                more = await each.step()
            except StorageUnavailable as error:
                log.warning("what is done beside deliveries waits: %s", error)
            except Exception:
                # Deliveries go on without it, and a later one may do better.
                log.exception("what is done beside deliveries failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STEP_PAUSE_SECONDS if more else each.seconds):
                    await each.soon.wait()
