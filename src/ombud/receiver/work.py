"""The two stages at work. One process is elected for both, so that who reads and who calls know the same handlers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ombud.errors import OmbudError
from ombud.mailbox.performer import Performer
from ombud.receiver.backfill import Backfill
from ombud.receiver.baseline import Baselines
from ombud.receiver.caller import Caller, Runner
from ombud.receiver.clients import Clients
from ombud.receiver.meter import Meter
from ombud.receiver.options import HandlerFacts
from ombud.receiver.reader import Reader
from ombud.receiver.reconciler import Reconciler
from ombud.receiver.registry import register_handlers
from ombud.receiver.shares import Shares
from ombud.receiver.sweeps import Sweep
from ombud.receiver.unconfirmed import Passer

if TYPE_CHECKING:
    from ombud.receiver.receiver import Receiver

# Seconds until what looks beside the webhooks begins again after an error.
AGAIN_SECONDS = 5.0

log = logging.getLogger("ombud.receiver")


class Work:
    """One run of a receiver's work. For one event loop."""

    def __init__(
        self,
        receiver: "Receiver",
        handlers: Sequence[HandlerFacts],
        runner: Runner,
        retired: Collection[str],
        backfill: datetime | None = None,
    ) -> None:
        arrivals, changes, writer, settings = receiver.arrivals, receiver.changes, receiver.writer, receiver.settings
        self._writer = writer
        self._changes = changes
        self._handlers = handlers
        self._retired = retired
        self._meter = Meter(writer, arrivals.clock)
        # Where one process performs, all that ask are on its machine.
        self._shares = None if writer.database.exclusive else Shares(writer, receiver.budgets)
        self._clients = Clients(settings, receiver.budgets, receiver.patience_seconds, self._meter)
        self._baselines = Baselines(writer, self._clients, arrivals.clock, settings.volatile_fields)
        self._confirms = settings.confirm == "api"
        self._reconciler = Reconciler(receiver, self._clients, self._baselines, handlers)
        self._reconciles = receiver.reconciles
        self._backfill = None if backfill is None else Backfill(receiver, self._clients, self._baselines, backfill)
        reading = Reader(receiver, handlers, self._clients, self._baselines, self._reconciler.ask).perform
        perform = reading if self._confirms else Passer(changes, handlers).perform
        caller = Caller(changes, receiver.database, runner, handlers, settings.retry_seconds)
        self._calling = Performer(changes, writer, caller.perform, self._register)
        self._reading = Performer(arrivals, writer, perform, self._look_first)
        # The handlers are registered, or there is nothing more to do.
        self._ready = asyncio.Event()
        self._first_looks: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Read and call as soon as this process is elected; return after `stop`."""
        tasks = [asyncio.create_task(self._calling.run()), asyncio.create_task(self._read())]
        metering = asyncio.create_task(self._meter.run())
        sharing = None if self._shares is None else asyncio.create_task(self._shares.run())
        try:
            await asyncio.gather(*tasks)
        finally:
            # When one of them has failed, the other must not go on without it.
            self.stop()
            if self._first_looks is not None:
                self._first_looks.cancel()
                tasks.append(self._first_looks)
            await asyncio.gather(*tasks, return_exceptions=True)
            if sharing is not None:
                sharing.cancel()
            metering.cancel()
            try:
                await metering
            finally:
                await self._clients.close()

    async def reconcile(self) -> None:
        """Compare every list of every shop with what is known, now."""
        await self._reconciler.sweep(dict.fromkeys(Sweep, 0.0))

    def stop(self) -> None:
        """End `run`: what is in flight has a few seconds. Call it on its event loop."""
        self._calling.stop()
        self._reading.stop()
        self._ready.set()

    async def _read(self) -> None:
        await self._ready.wait()
        await self._reading.run()

    async def _register(self) -> None:
        await self._writer.write(lambda: register_handlers(self._changes, self._handlers, self._retired))
        self._ready.set()

    async def _look_first(self) -> None:
        if self._confirms:
            self._first_looks = asyncio.create_task(self._look_beside())

    async def _look_beside(self) -> None:
        """Look at what no webhook says, as long as this process performs."""
        await _see_through(self._baselines.take_all)
        looks = [self._reconciler.run] if self._reconciles else []
        looks += [] if self._backfill is None else [self._backfill.run]
        await asyncio.gather(*map(_see_through, looks))


async def _see_through(look: Callable[[], Awaitable[None]]) -> None:
    """Look, and begin again after an error: nobody would notice that what no webhook says is not looked at any more."""
    while True:
        try:
            return await look()
        except OmbudError as error:
            log.warning("the shops' lists cannot be looked at now: %s", error)
        except Exception:
            log.exception("the shops' lists are looked at again in %g seconds", AGAIN_SECONDS)
        await asyncio.sleep(AGAIN_SECONDS)
