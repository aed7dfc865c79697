"""What a person may do with replays, by the panel and by the REST API: count, start, follow, cancel."""

from functools import partial

from ombud.admin.access import Caller
from ombud.admin.delivery_filter import Texts
from ombud.admin.resending import (
    Found,
    Resending,
    cancel_resending,
    count_wanted,
    get_resending,
    list_resendings,
    start_resending,
)
from ombud.db.database import Writer
from ombud.mailbox.model import Box
from ombud.web.looking import look


class ReplayDesk:
    """The replays of one database."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.clock = writer.database.clock

    async def count(self, caller: Caller, asked: Texts) -> Found:
        """Return how many things a filter finds; raises InvalidInput."""
        return await look(self._writer.database, partial(count_wanted, caller, asked, self.clock()))

    async def start(self, caller: Caller, asked: Texts, per_second: int) -> Resending:
        """Count once more, and put a job on record; raises InvalidInput."""
        now = self.clock()
        found = await look(self._writer.database, partial(count_wanted, caller, asked, now))
        number = await self._writer.write(partial(start_resending, caller, asked, per_second, found, now))
        return await self.get(caller, number)

    async def get(self, caller: Caller, number: int) -> Resending:
        """Return a job; raises NotFound."""
        return await look(self._writer.database, partial(get_resending, caller, number))

    async def list(self, caller: Caller, before: int, rows: int, box: Box | None = None) -> list[Resending]:
        """Return jobs with a number below `before`, newest first."""
        return await look(self._writer.database, partial(list_resendings, caller, box, before, rows))

    async def cancel(self, caller: Caller, number: int) -> Resending:
        """End a job early; raises NotFound."""
        return await self._writer.write(partial(cancel_resending, caller, number, self.clock()))
