"""The only place of these campaigns that knows the mailbox: append events, and ask the file which are there."""

from typing import Any

import apsw

from ombud.db.migrate import migrate
from ombud.db.operation import Make, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.mailbox import Mailbox, Policy
from ombud.mailbox.model import Box, Draft
from ombud.mailbox.opening import open_ids

_FACTS = Statement("facts", "select null as closed where :lane_id is not null")
# Two destinations, so that an event is three rows in two tables.
_LANES = (1, 2)


class Letters:
    """A mailbox on an open database."""

    def __init__(self, database: SqliteDatabase) -> None:
        migrate(database, ["ombud.mailbox"])
        self._mailbox = Mailbox(Box.OUTBOX, _FACTS, open_ids(database), database.clock, Policy())

    def append(self, texts: list[str]) -> Make[list[int]]:
        """Make an operation that stores an event with each of these texts and returns their ids."""
        drafts = [Draft(1, "order.new", f"order/{number}", _LANES, text) for number, text in enumerate(texts)]
        return lambda: self._mailbox.append(drafts)


def stored_events(connection: apsw.Connection) -> tuple[set[int], int]:
    """Return the ids of the events that are there with all of their deliveries, and how many others there are."""
    sql = "select id, fan_out = (select count(*) from delivery d where d.event_id = event.id) from event"
    rows: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
    whole = {number for number, is_whole in rows if is_whole}
    return whole, len(rows) - len(whole)


def stored_subjects(connection: apsw.Connection) -> set[str]:
    """Return what the events that are there are about."""
    return {row[0] for row in connection.execute("select subject from event")}
