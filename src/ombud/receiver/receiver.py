"""A receiver on one database: what stores arrivals, and what reads and calls when this process is asked to."""

from collections.abc import Collection, Sequence
from datetime import datetime

from ombud.client.budget import Budget
from ombud.client.exchange import PATIENCE_SECONDS
from ombud.client.key import BUDGETS
from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.errors import ConfigurationError
from ombud.mailbox.mailbox import Mailbox, Policy
from ombud.mailbox.model import Box
from ombud.mailbox.opening import open_ids, wake_others
from ombud.receiver.caller import Runner
from ombud.receiver.clients import rate_of, read_key
from ombud.receiver.given_up import count_given_up
from ombud.receiver.options import HandlerFacts
from ombud.receiver.retries import calling_policy
from ombud.receiver.shops import Shop, keep_default_shop, list_shops, sql
from ombud.receiver.unconfirmed import check_ids_suffice
from ombud.receiver.work import Work
from ombud.settings import Settings

PACKAGES = ["ombud.mailbox", "ombud.receiver"]


class Receiver:
    """The inbox: arrivals, and the changes that reading them has found."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Bring the tables up to date.

        Raises ConfigurationError when they are newer than this Ombud, or the settings name a token that cannot be used.
        """
        self.database = database
        self.settings = settings
        migrate(database, PACKAGES)
        ids, clock = open_ids(database), database.clock
        # What is read once stands for every webhook before; what is passed on unread stands for itself.
        reading, calling = Policy.of(settings, merging=settings.confirm == "api"), calling_policy(settings)
        self.arrivals = wake_others(database, Mailbox(Box.INBOX, sql["reader_facts"], ids, clock, reading))
        self.changes = wake_others(database, Mailbox(Box.CHANGES, sql["handler_facts"], ids, clock, calling))
        for mailbox in (self.arrivals, self.changes):
            mailbox.on_dead = count_given_up(mailbox)
        if settings.token is not None:
            token = settings.token
            database.write(lambda: keep_default_shop(self.arrivals, token))
        self.writer = database.open_writer()
        # Handlers that run in this process read and write within the same budgets.
        self.budgets = BUDGETS
        self.patience_seconds = PATIENCE_SECONDS
        # Whether the lists are compared by the clock; `reconcile` does so when it is called.
        self.reconciles = True
        self._work: Work | None = None
        self._stopped = False

    async def run(
        self,
        handlers: Sequence[HandlerFacts],
        runner: Runner,
        *,
        retired: Collection[str] = (),
        backfill: datetime | None = None,
    ) -> None:
        """Read and call, when this process is the elected one, until `stop`.

        Raises ConfigurationError when a shop's API cannot be read for want of a key, and for a handler of which nobody
        can say whether it is a new one. `retired`: names of handlers that are gone for good. `backfill`:
        tell what happened since then, though the shop was not known here yet.
        """
        self.check_keys()
        if self.settings.confirm == "none":
            check_ids_suffice(handlers)
            if backfill is not None:
                raise ConfigurationError("With OMBUD_CONFIRM=none nothing is read, so there is no past to tell.")
        self._work = Work(self, handlers, runner, retired, backfill)
        if self._stopped:
            self._work.stop()
        try:
            await self._work.run()
        finally:
            self._work, self._stopped = None, False

    def budget_of(self, key: str, shop: Shop) -> Budget:
        """Return the budget of an API key in this process."""
        return self.budgets.of(key, lambda: Budget(rate_of(shop, self.settings)), self.settings.api_url)

    async def reconcile(self) -> None:
        """Compare every list of every shop with what is known, now; only while `run` works, and on its event loop."""
        assert self._work is not None
        await self._work.reconcile()

    def stop(self) -> None:
        """End `run`, also one that is about to begin. Call it on its event loop."""
        self._stopped = True
        if self._work is not None:
            self._work.stop()

    def check_keys(self) -> None:
        """Raise ConfigurationError when a shop's API cannot be read for want of a key."""
        if self.settings.confirm == "none":
            return
        for shop in self.database.read(list_shops):
            read_key(shop, self.settings)

    def close(self) -> None:
        """Commit what waits and close the database."""
        self.writer.close()
        self.database.close()
