"""A sender on one database: what publishes, and what delivers when this process is asked to."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.errors import StorageUnavailable
from ombud.mailbox.model import Delivery
from ombud.mailbox.opening import open_ids, wake_others
from ombud.mailbox.performer import Performer
from ombud.mailbox.rounds import Round, Rounds
from ombud.mailbox.trying import Known, Trying
from ombud.sender.backfill import Backfill
from ombud.sender.deliver import Deliverer
from ombud.sender.ending import end_held
from ombud.sender.endpoint_attempt import EndpointAttempt
from ombud.sender.endpoints import Endpoints
from ombud.sender.handed_in import anything_waits, take_in
from ombud.sender.notices import Notices
from ombud.sender.outbox import TEST_DATA, Event, EventKeyTaken, Outbox, Published
from ombud.sender.outcome import never_again, outcome_of_failure
from ombud.sender.rotation import Rotation
from ombud.sender.targets import Targets
from ombud.sender.vault import Vault
from ombud.sender.verdict import DeliveryFailed
from ombud.sender.waiting import Waiting
from ombud.settings import Settings

log = logging.getLogger("ombud.sender")

# Seconds between two looks for events of the past that an endpoint asks for.
BACKFILL_SECONDS = 1.0
# Seconds between two looks into the table `intake`: how late its rows become events, where nobody notifies.
INTAKE_SECONDS = 0.2
# The channel `ombud_intake` on which writers of that table may notify, on PostgreSQL.
INTAKE_CHANNEL = "intake"
# Seconds within which an append of another process commits what it has made an id for: statements end sooner.
LAG_SECONDS = 10.0
# Seconds between two looks at endpoints that fail, or are gone: how late a warning may be.
WATCH_SECONDS = 60.0
# Seconds between two looks at lanes that wait for a place: a wait of twice that is on record.
WAITING_SECONDS = 1.0


class Sender:
    """The outbox, its endpoints and its deliveries. `run` performs; without it this process only appends."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Bring the tables up to date; raises ConfigurationError when they are newer than this Ombud."""
        migrate(database, ["ombud.mailbox", "ombud.sender"])
        self.database = database
        self.settings = settings
        self.writer = database.open_writer()
        self.outbox = Outbox(open_ids(database), database.clock, settings)
        wake_others(database, self.outbox.mailbox)
        self.vault = Vault.of(database, settings)
        self.deliverer = Deliverer(
            settings.allow_networks, settings.timeout_seconds, settings.retry_seconds, vault=self.vault
        )
        self.targets = Targets(
            self.deliverer.guard, settings.target_connections, settings.target_per_second, settings.allow_networks
        )
        self.deliverer.targets = self.outbox.mailbox.gate = self.targets
        self.notices = Notices(self.outbox)
        self._backfill = Backfill(self.outbox.mailbox, 0.0 if database.exclusive else LAG_SECONDS)
        self.endpoints = Endpoints(
            self.outbox.mailbox, self.vault, self.deliverer.guard, settings.endpoints_per_shop, self._backfill
        )
        self._waiting = Waiting(database)
        self._intake = Round(INTAKE_SECONDS, self._take_in)
        self._rounds = Rounds(
            [
                Round(BACKFILL_SECONDS, self._write_past),
                Round(WATCH_SECONDS, self._watch),
                Round(WATCH_SECONDS, self._end_held),
                Round(WAITING_SECONDS, self._note_waiting),
                self._intake,
            ]
        )
        self._performer: Performer | None = None
        self._stopped = False

    def prepare(self) -> None:
        """Have the key file there and right, and every secret encrypted. Blocks; for whoever delivers, at the start.

        Raises ConfigurationError when the file is missing, wrong, or open to others.
        """
        Rotation(self.database, self.vault).prepare()

    async def publish(self, events: Sequence[Event]) -> list[Published]:
        """Store events durably, all or nothing; they are delivered from then on, here or by another process.

        Raises Conflict for a used event key, StorageUnavailable when nothing was stored.
        """
        with contextlib.suppress(EventKeyTaken):
            return await self.writer.add(self.outbox.publish_all, events)
        try:
            return await self.writer.add(self.outbox.publish_all, events)
        except EventKeyTaken as error:
            raise StorageUnavailable(str(error)) from error

    async def check_destination(self, url: str, field: str = "url") -> None:
        """Raise InvalidInput when nothing may be sent to this URL, as far as its name can be resolved now.

        A name that has no address yet is accepted: every attempt asks anew.
        """
        await self.deliverer.guard.check_now(url, field)

    async def run(self) -> None:
        """Deliver, when this process is the elected one, until `stop`."""
        if self._stopped:
            return
        self._performer = Performer(self.outbox.mailbox, self.writer, self._perform)
        rounds = asyncio.create_task(self._rounds.run())
        try:
            with self._hear_of_intake():
                await self._performer.run()
        finally:
            self._performer = None
            self._rounds.stop()
            await rounds
            self.deliverer.close()

    def also(self, each: Round) -> None:
        """Have this done as well while `run` performs; before it begins."""
        self._rounds.add(each)

    def _perform(self, delivery: Delivery, facts: Mapping[str, Any]) -> Trying:
        try:
            wanted = self.deliverer.wanted(delivery, facts)
        except DeliveryFailed as error:
            outcome = outcome_of_failure(error, error.failure)
            return Known(never_again(outcome) if delivery.data == TEST_DATA else outcome)
        return EndpointAttempt(self, wanted, delivery, facts)

    def _hear_of_intake(self) -> contextlib.AbstractContextManager[None]:
        # On SQLite a look costs microseconds, and other programs have no way to notify.
        if self.database.exclusive:
            return contextlib.nullcontext()
        return self.database.listen(INTAKE_CHANNEL, self._intake.soon.set)

    async def _take_in(self) -> bool:
        if not await self.database.fetch(anything_waits):
            return False
        try:
            taken = await self.writer.write(lambda: take_in(self.outbox))
        except EventKeyTaken:
            return True
        for row_id, reason in taken.refused:
            log.warning("row %s of the table intake cannot be an event, and stays: %s", row_id, reason)
        return bool(taken.stored or taken.refused)

    async def _watch(self) -> bool:
        return await self.writer.write(self.notices.watch)

    async def _end_held(self) -> bool:
        return await self.writer.write(lambda: end_held(self.outbox.mailbox))

    async def _note_waiting(self) -> bool:
        await self._waiting.look(self.targets, self.writer)
        return False

    async def _write_past(self) -> bool:
        waits = await self.database.fetch(self._backfill.waits)
        return waits and await self.writer.write(self._backfill.step)

    def stop(self) -> None:
        """End `run`, also one that has not begun. Call it on its event loop."""
        self._stopped = True
        if self._performer is not None:
            self._performer.stop()

    def close(self) -> None:
        """Commit what waits and close the database."""
        self.writer.close()
        self.deliverer.guard.close()
        self.database.close()
