"""A receiver on one database: what stores arrivals, and what reads and calls when this process is asked to."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ombud.client import AsyncShopClient
from ombud.clock import now_microseconds
from ombud.db.migrate import migrate
from ombud.db.sqlite import Database
from ombud.db.writer import Writer
from ombud.errors import ConfigurationError
from ombud.mailbox.ids import IdSource
from ombud.mailbox.mailbox import Clock, Mailbox, Policy, claim_node
from ombud.mailbox.model import Box
from ombud.mailbox.performer import Performer, wake_performer
from ombud.receiver.baseline import Baselines
from ombud.receiver.budget import Budget
from ombud.receiver.caller import Caller, Runner
from ombud.receiver.handlers import HandlerFacts
from ombud.receiver.reader import Reader
from ombud.receiver.registry import register_handlers
from ombud.receiver.shops import keep_default_shop, list_shops, sql
from ombud.receiver.telling import Teller
from ombud.settings import Settings

PACKAGES = ["ombud.mailbox", "ombud.receiver"]


class Receiver:
    """The inbox: arrivals, and the changes that reading them has found."""

    def __init__(self, database: Database, settings: Settings, clock: Clock = now_microseconds) -> None:
        """Bring the tables up to date; raises ConfigurationError when they are newer than this Ombud."""
        migrate(database, PACKAGES)
        self.database = database
        self.settings = settings
        ids = IdSource(database.write(claim_node), clock)
        retry = settings.retry_seconds
        self.arrivals = Mailbox(Box.INBOX, sql["reader_facts"], ids, clock, Policy(retry, merging=True))
        self.changes = Mailbox(Box.CHANGES, sql["handler_facts"], ids, clock, Policy(retry))
        self.writer = Writer(database)
        self._performers: list[Performer] = []
        self._baselines: asyncio.Task[None] | None = None
        self._stopped = False
        if settings.token is not None:
            token = settings.token
            database.write(lambda: keep_default_shop(self.arrivals, token))

    def ring(self) -> None:
        """Say that an arrival was committed; from any thread."""
        wake_performer(self.database, Box.INBOX)

    async def run(self, handlers: Sequence[HandlerFacts], runner: Runner) -> None:
        """Read and call, when this process is the elected one, until `stop`.

        Raises ConfigurationError when a shop's API cannot be read for want of a key.
        """
        self.check_keys()
        clients = Clients(self.settings)
        try:
            await self.writer.write(lambda: register_handlers(self.changes, handlers))
            self._performers = self._performers_of(clients, handlers, runner)
            if not self._stopped:
                await asyncio.gather(*(performer.run() for performer in self._performers))
        finally:
            self._performers = []
            if self._baselines is not None:
                self._baselines.cancel()
            await clients.close()

    def stop(self) -> None:
        """End `run`, also one that has not begun. Call it on its event loop."""
        self._stopped = True
        for performer in self._performers:
            performer.stop()

    def check_keys(self) -> None:
        """Raise ConfigurationError when a shop's API cannot be read for want of a key."""
        for shop in self.database.read(list_shops):
            _key({"name": shop.name, "api_key_file": shop.api_key_file}, self.settings)

    def close(self) -> None:
        """Commit what waits and close the database."""
        self.writer.close()
        self.database.close()

    def _performers_of(self, clients: "Clients", handlers: Sequence[HandlerFacts], runner: Runner) -> list[Performer]:
        teller = Teller(self.changes, {handler.name: handler.event_types for handler in handlers})
        budget = Budget(self.settings.reads_per_second)
        reader = Reader(self.arrivals, self.writer, teller, clients, budget, self.settings.absence_gap_seconds)
        caller = Caller(self.changes, self.database, runner)
        baselines = Baselines(self.writer, clients, self.arrivals.clock)

        async def prepare() -> None:
            if not await baselines.take_missing():
                self._baselines = asyncio.create_task(baselines.keep_trying())

        return [
            Performer(self.arrivals, self.writer, reader.perform, prepare),
            Performer(self.changes, self.writer, caller.perform),
        ]


class Clients:
    """The API client of each shop, made when first needed. The key comes from the shop's file, or the environment."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clients: dict[int, AsyncShopClient] = {}

    def __call__(self, facts: Mapping[str, Any]) -> AsyncShopClient:
        """Return the client for the facts of a reader's lane; raises ConfigurationError when there is no key."""
        client = self._clients.get(facts["shop_id"])
        if client is None:
            key = _key(facts, self._settings)
            client = self._clients[facts["shop_id"]] = AsyncShopClient(key, base_url=self._settings.api_url)
        return client

    async def close(self) -> None:
        """Close their connections."""
        for client in self._clients.values():
            await client.aclose()


def _key(facts: Mapping[str, Any], settings: Settings) -> str:
    if facts["api_key_file"] is not None:
        try:
            return Path(facts["api_key_file"]).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"The API key of shop {facts['name']!r} cannot be read: {error}.") from error
    if settings.api_key is None:
        raise ConfigurationError(
            "There is no API key, so no webhook can be confirmed. Set QUICKBUTIK_API_KEY, or QUICKBUTIK_API_KEY_FILE."
        )
    return settings.api_key
