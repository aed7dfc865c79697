"""Alarms on a database, with a clock that is moved and channels that keep what they are told."""

from collections.abc import Callable
from functools import partial
from typing import Any

from ombud.admin.access import OPERATOR
from ombud.admin.alarms import channels
from ombud.admin.alarms.alarms import Alarms, Watch
from ombud.admin.alarms.channel import Channel, ChannelEdit
from ombud.admin.alarms.courier import Message
from ombud.db.database import Database, Writer
from ombud.settings import Settings
from ombud.web.alarm_words import Composer
from tests.admin.post import once

SECOND = 1_000_000
# A Monday at noon in UTC.
NOON = 1_799_668_800 * SECOND
SETTINGS = Settings(
    alarm_after_seconds=60.0, alarm_gap_seconds=30.0, mail_from="ombud@shop.test", smtp_host="mail.test"
)
TABLES = ("alarm", "alarm_channel", "alarm_message", "dead_letter", "dead_letter_hours", "audit_entry", "endpoint")


class Courier:
    """Keeps what it is given, or says why it does not."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.down: str | None = None
        self.before: Callable[[], None] = lambda: None

    async def send(self, _: str, target: str, message: Message, __: object) -> str | None:
        self.before()
        if self.down is None:
            self.told.append((target, f"{message.subject}\n{message.text}"))
        return self.down

    def close(self) -> None:
        """Nothing is open."""


class Told:
    """The alarms of a database, of some watches."""

    def __init__(self, database: Database, writer: Writer, watches: list[Watch], settings: Settings = SETTINGS) -> None:
        self.now = NOON
        self.database = database
        self.writer = writer
        self.courier = Courier()
        self.alarms = self.node(watches, settings)
        self._edits = channels.ChannelEdits(self.alarms.courier.guard, mail=True)
        self.alarms.courier = self.courier  # type: ignore[assignment]

    def node(self, watches: list[Watch], settings: Settings = SETTINGS) -> Alarms:
        """Return the alarms as another process has them."""
        made = Alarms(self.writer, settings, watches, Composer("https://ombud.test"))
        made._clock = lambda: self.now
        return made

    def add(self, target: str = "anna@example.com", shop_id: int = 0, **choices: Any) -> Channel:
        """Add a channel."""
        edit = ChannelEdit(**({"kind": "email", "target": target} | choices))
        return self.database.write(lambda: self._edits.add(OPERATOR, edit, shop_id, self.now))

    def change(self, channel: Channel, **changes: Any) -> None:
        """Edit one."""
        self.database.write(lambda: self._edits.change(OPERATOR, channel.id, None, self.now, **changes))

    def get(self, channel: Channel) -> Channel:
        """Return one as it is now."""
        return self.database.read(lambda: self._edits.get(OPERATOR, channel.id))

    async def after(self, seconds: float) -> list[tuple[str, str]]:
        """Let time pass, look and tell, and return what was told."""
        self.now += round(seconds * SECOND)
        await self.alarms.look()
        await self.alarms.tell()
        told, self.courier.told = self.courier.told, []
        return told

    async def passing(self, seconds: float, looks: int = 6) -> list[tuple[str, str]]:
        """Let time pass with some looks, and return what was told."""
        return [one for _ in range(looks) for one in await self.after(seconds / looks)]


def cleared(database: Database) -> None:
    """Forget what other tests have left."""
    for table in TABLES:
        database.write(partial(once, f"delete from {table}"))
