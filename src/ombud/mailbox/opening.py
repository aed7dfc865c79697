"""Taking part in a database whose tables are there: its days are open, its time goes on, ids are this process's own."""

from functools import partial

from ombud.clock import SteadyClock
from ombud.db.database import Database
from ombud.db.operation import Operation
from ombud.mailbox.ids import IdSource
from ombud.mailbox.mailbox import Mailbox, claim_node, sql
from ombud.mailbox.model import Box
from ombud.mailbox.retention import open_days
from ombud.mailbox.ring import WakeBell


def open_ids(database: Database) -> IdSource:
    """Open today for new rows and return what makes this process's ids."""
    seen = database.read(_time_seen)
    if isinstance(database.clock, SteadyClock):
        # A machine whose clock was set back while nothing ran: what is due must not wait until it has caught up.
        database.clock.not_before(seen)
    return IdSource(database.write(partial(_join, database.clock())), database.clock)


def wake_others(database: Database, mailbox: Mailbox) -> Mailbox:
    """Have appends of this process wake whoever performs the mailbox; returns it."""
    mailbox.bell = WakeBell(partial(database.wake, seat_name(mailbox.box)))
    return mailbox


def seat_name(box: Box) -> str:
    """Return the name under which performers of a box are elected and woken."""
    return box.name.lower()


def _time_seen() -> Operation[int]:
    ((seen,),) = yield sql["time_seen"], {}, tuple
    return int(seen)


def _join(now: int) -> Operation[int]:
    yield from open_days(now)
    return (yield from claim_node())
