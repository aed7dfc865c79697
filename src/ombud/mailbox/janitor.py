"""The janitor: opens each day, drops the old ones, and notes the time, beside the worker of a process that performs."""

import asyncio
import contextlib
import logging
from functools import partial

from ombud.db.database import Writer
from ombud.db.operation import Operation
from ombud.errors import StorageUnavailable
from ombud.mailbox import retention
from ombud.mailbox.mailbox import Clock, sql
from ombud.mailbox.model import Ages

log = logging.getLogger("ombud.mailbox")

# Seconds between two rounds: midnight is noticed within this, and a clock that is set back goes on from a time so old.
ROUND_SECONDS = 10.0
# Seconds between two steps, so that deliveries have most of the disk.
STEP_PAUSE_SECONDS = 0.02


class Janitor:
    """Keeps the house of one database; of many processes one at a time does it."""

    def __init__(self, writer: Writer, clock: Clock, ages: Ages) -> None:
        self._writer = writer
        self._clock = clock
        self._ages = ages
        self._stopping = asyncio.Event()
        # Also at the start: whoever dropped a day last may have died before its keys were gone.
        self._keys_are_left = True

    async def run(self) -> None:
        """Do a round now and then, until `stop`."""
        while not self._stopping.is_set():
            try:
                await self.round()
            except StorageUnavailable as error:
                log.warning("old days stay for now: %s", error)
            except Exception:
                # Deliveries go on without it, and a later round may do better.
                log.exception("old days stay for now")
            await self._pause(ROUND_SECONDS)

    def stop(self) -> None:
        """End `run` after the step that is under way. Call it on its event loop."""
        self._stopping.set()

    async def round(self) -> None:
        """Open today, and end the days that are old enough."""
        now = self._clock()
        await self._writer.write(lambda: _open(now))
        if not await self._writer.write(lambda: retention.take_chore("retention")):
            return
        for day in await self._writer.database.fetch(lambda: retention.old_days(now, self._ages)):
            if await self._end(day, now):
                self._keys_are_left = True
        if self._keys_are_left:
            await self._delete_event_keys()

    async def _end(self, day: int, now: int) -> bool:
        """Empty and drop a day; returns whether it is gone. What an owner of a lane works on keeps it for now."""
        await self._copy_forward(day, now)
        while await self._writer.write(lambda: retention.delete_step(day, self._ages, now)):
            await self._pause(STEP_PAUSE_SECONDS)
            if self._stopping.is_set():
                return False
        return await self._writer.write(lambda: retention.drop(day, self._ages, now))

    async def _copy_forward(self, day: int, now: int) -> None:
        after = 0
        while not self._stopping.is_set():
            find = partial(retention.kept_of, day, self._ages, now, after)
            events = await asyncio.to_thread(self._writer.database.read, find)
            if not events:
                return
            # What a lane's owner has in its hands cannot move; a later round finds it again.
            if not await self._writer.write(partial(retention.move, day, events)):
                return
            after = max(events)
            await self._pause(STEP_PAUSE_SECONDS)

    async def _delete_event_keys(self) -> None:
        after = 0
        while not self._stopping.is_set():
            after = await self._writer.write(partial(retention.delete_event_keys, after))
            if not after:
                self._keys_are_left = False
                return
            await self._pause(STEP_PAUSE_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def _open(now: int) -> Operation[None]:
    yield from retention.open_days(now)
    yield sql["keep_time"], {}
