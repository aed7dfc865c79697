"""Looks at what is wrong, again and again, and tells it: beside deliveries, and never in their way."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from ombud.admin.alarms import telling
from ombud.admin.alarms.book import Look, note
from ombud.admin.alarms.courier import Courier, Message
from ombud.admin.alarms.telling import Task
from ombud.db.database import Writer
from ombud.errors import OmbudError
from ombud.settings import Settings

log = logging.getLogger("ombud.admin")

# Seconds between two looks at what is wrong, and between two at what is to be told.
LOOK_SECONDS = 10.0
TELL_SECONDS = 2.0

# Looks at something at a time (UTC microseconds).
Watch = Callable[[int], Awaitable[Look]]
# Puts what is to be told into words.
Compose = Callable[[Task], Message]


class Alarms:
    """The alarms of an installation, in one of its processes; any number of them may. For one event loop."""

    def __init__(self, writer: Writer, settings: Settings, watches: Sequence[Watch], compose: Compose) -> None:
        """`writer` writes where the channels are. Raises ConfigurationError for a mail server that cannot be used."""
        self.courier = Courier(settings)
        self._writer = writer
        self._clock = writer.database.clock
        self._settings = settings
        self._watches = watches
        self._compose = compose

    async def run(self) -> None:
        """Look and tell until it is cancelled."""
        try:
            await asyncio.gather(self._repeat(self.look, LOOK_SECONDS), self._repeat(self.tell, TELL_SECONDS))
        finally:
            self.courier.close()

    async def beside(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do a work, and this as long as it lasts."""
        looking = asyncio.create_task(self.run())
        try:
            await work()
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def look(self) -> None:
        """Look at everything once."""
        now, looks = self._clock(), []
        for watch in self._watches:
            try:
                looks.append(await watch(now))
            except OmbudError as error:
                log.warning("alarms cannot look: %s", error)
        hold = round(self._settings.alarm_after_seconds * 1_000_000)
        await self._writer.write(lambda: note(looks, now, hold))

    async def tell(self) -> None:
        """Tell what is to be told, on every channel that may be used now."""
        now = self._clock()
        if await self._writer.database.fetch(lambda: telling.anything(now)):
            tasks = await self._writer.write(lambda: telling.claim(self._clock()))
            await asyncio.gather(*(self._tell(task) for task in tasks))

    async def _tell(self, task: Task) -> None:
        reason = await self.courier.send(task.kind, task.target, self._compose(task), task.keys)
        if reason is None:
            gap = self._settings.alarm_gap_seconds
            await self._writer.write(lambda: telling.sent(task, self._clock(), gap))
        else:
            await self._writer.write(lambda: telling.failed(task, reason, self._clock()))

    async def _repeat(self, step: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            try:
                await step()
            except OmbudError as error:
                log.warning("alarms wait: %s", error)
            except Exception:
                # Deliveries go on without it, and a later round may do better.
                log.exception("alarms wait")
            await asyncio.sleep(seconds)
