"""Sending many deliveries again: everything that a filter finds, a step at a time, with its progress on record.

Each step reads a page, then re-opens its deliveries in one short transaction together with how far it has come: a
process that dies in the middle leaves a job that goes on where it was.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ombud.admin.access import Caller
from ombud.admin.audit_log import number_at, record
from ombud.admin.deliveries import Cursor, Filter, find_deliveries
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput, NotFound
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import State

sql = read_queries("ombud.admin", "deliveries.sql")

# Deliveries of one step: its commit stays short, and live traffic has the disk in between.
STEP_ROWS = 200
# How many a dry run counts, and in how many pages; more are told as at least that many.
MOST_COUNTED = 10_000
MOST_PAGES = 25
# Microseconds without a step after which a job that has not ended stands still: its process has gone.
STILL = 30 * 1_000_000

_PENDING = "Deliveries that wait are sent anyway. Choose those that failed, were skipped or are done."


@dataclass(frozen=True)
class Resending:
    """A job. Times are UTC microseconds; `filter` is a query string, `cursor` where the next step begins."""

    id: int
    shop_id: int
    made_by: str
    made_at: int
    filter: str
    cursor: str
    sent: int
    seen_at: int
    ended_at: int | None
    cancelled: bool

    def stands_still(self, now: int) -> bool:
        """Return whether nobody works on it any more though it has not ended."""
        return self.ended_at is None and now > self.seen_at + STILL


def check_wanted(wanted: Filter) -> None:
    """Raise InvalidInput for a filter of which nothing can be sent again."""
    if wanted.state is None or wanted.state is State.PENDING:
        raise InvalidInput("state", _PENDING)


def count_wanted(caller: Caller, wanted: Filter) -> Operation[tuple[int, bool]]:
    """Return how many deliveries a filter finds, and whether these are all."""
    check_wanted(wanted)
    found, cursor = 0, Cursor()
    for _ in range(MOST_PAGES):
        rows, more = yield from find_deliveries(caller, wanted, cursor, MOST_COUNTED - found)
        found += len(rows)
        if more is None:
            return found, True
        if found >= MOST_COUNTED:
            break
        cursor = more
    return found, False


def start_resending(caller: Caller, wanted: Filter, text: str, now: int) -> Operation[int]:
    """Put a job on record; returns its number. `text` is the filter as a query string."""
    check_wanted(wanted)
    number = number_at(now)
    values = {"id": number, "shop_id": caller.shop_id, "made_by": caller.name, "filter": text, "now": now}
    yield sql["insert_resending"], values
    yield from record(caller, "delivery.resend_many", str(number), now, shop_id=caller.shop_id, detail=text)
    return number


def get_resending(caller: Caller, number: int) -> Operation[Resending]:
    """Return a job; raises NotFound for one that is not the caller's to see."""
    rows = yield sql["get_resending"], {"id": number}
    if not rows or not caller.sees(rows[0]["shop_id"]):
        raise NotFound("There is no such resending.")
    row = dict(rows[0])
    return Resending(**row | {"cancelled": bool(row["cancelled"])})


def cancel_resending(caller: Caller, number: int, now: int) -> Operation[None]:
    """End a job early; raises NotFound."""
    yield from get_resending(caller, number)
    if (yield sql["cancel_resending"], {"id": number, "now": now}):
        yield from record(caller, "delivery.resend_cancel", str(number), now, shop_id=caller.shop_id)


def find_step(caller: Caller, wanted: Filter, cursor: Cursor) -> Operation[tuple[list[tuple[int, int]], Cursor | None]]:
    """Return the next deliveries (event, lane) of a job, and where to go on."""
    rows, more = yield from find_deliveries(caller, wanted, cursor, STEP_ROWS)
    return [(row["id"], row["lane_id"]) for row in rows], more


def take_step(
    mailbox: Mailbox, number: int, keys: Sequence[tuple[int, int]], more: Cursor | None, now: Callable[[], int]
) -> Operation[bool]:
    """Re-open these deliveries and note how far the job has come; returns False when it was ended meanwhile."""
    sent = (yield from mailbox.replay(keys)) if keys else 0
    values = {"id": number, "cursor": str(more) if more else "", "sent": sent, "last": int(more is None), "now": now()}
    return bool((yield sql["move_resending"], values))
