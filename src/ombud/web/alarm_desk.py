"""What the pages, the REST API and the command line do alike with alarms: channels, and trying one."""

from ombud.admin.access import Caller
from ombud.admin.alarms.channel import Channel, Kind
from ombud.admin.alarms.channels import ChannelEdits, note_test
from ombud.admin.alarms.courier import Courier
from ombud.db.database import Writer
from ombud.settings import Settings
from ombud.web.alarm_words import Composer


class AlarmDesk:
    """The channels of an installation. For one event loop."""

    def __init__(self, writer: Writer, settings: Settings) -> None:
        """`writer` writes where the channels are. Raises ConfigurationError for a mail server that cannot be used."""
        self.writer = writer
        self.database = writer.database
        self.courier = Courier(settings)
        self.compose = Composer(settings.public_url)
        self.edits = ChannelEdits(self.courier.guard, mail=self.courier.mails)

    async def check(self, kind: str, target: str) -> None:
        """Raise InvalidInput for a URL to which nothing may be sent, as far as its name can be resolved now."""
        if kind == Kind.WEBHOOK:
            await self.courier.guard.check_now(target, "target")

    async def test(self, caller: Caller, number: int) -> tuple[Channel, str | None]:
        """Send a test now, and return the channel as it was and why it failed. Raises NotFound, Conflict."""
        now = self.database.clock()
        channel = await self.writer.write(lambda: self.edits.begin_test(caller, number, now))
        edit = channel.edit
        reason = await self.courier.send(edit.kind, edit.target, self.compose.test(edit.language), (number, now))
        await self.writer.write(lambda: note_test(number, reason, self.database.clock()))
        return channel, reason
