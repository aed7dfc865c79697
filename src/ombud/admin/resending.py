"""Sending many deliveries again: everything that a filter finds, a step at a time, with its progress on record.

Each step reads a page, then re-opens its deliveries in one short transaction together with how far it has come: a
process that dies in the middle leaves a job that goes on where it was, and of two that take one step only one does.
"""

from dataclasses import dataclass, replace

from ombud.admin.access import Caller
from ombud.admin.audit_log import number_at, record
from ombud.admin.deliveries import Cursor, Filter, find_deliveries, read_cursor
from ombud.admin.delivery_filter import Asked, parse_asked
from ombud.admin.events import Document, rfc3339, rfc3339_or_none
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput, NotFound
from ombud.mailbox.ids import format_id, time_of_id
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import State

sql = read_queries("ombud.admin", "resending.sql")

# Deliveries of one step: its commit stays short, and live traffic has the disk in between.
STEP_ROWS = 200
# The same beside live work, which waits for the end of a step's transaction.
FEW_ROWS = 16
# Deliveries a second of a job: what is re-opened cannot be called back, so a mistake can be cancelled in time.
PER_SECOND = 200
HIGHEST_PER_SECOND = 5_000
# How many a dry run counts, and in how many pages; more are told as at least that many.
MOST_COUNTED = 10_000
MOST_PAGES = 25
# Microseconds without a step after which a job that has not ended stands still: nobody delivers, or the disk is full.
STILL = 30 * 1_000_000

_PENDING = "Deliveries that wait are sent anyway. Choose those that failed, were skipped or are done."


@dataclass(frozen=True)
class Found:
    """What a dry run found: how many deliveries, and whether these are all."""

    count: int
    whole: bool


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
    per_second: int
    next_at: int
    found: int
    whole: bool

    def stands_still(self, now: int) -> bool:
        """Return whether nobody works on it though it has not ended."""
        return self.ended_at is None and now > self.seen_at + STILL

    @property
    def state(self) -> str:
        """`running`, `done` or `cancelled`."""
        return "running" if self.ended_at is None else "cancelled" if self.cancelled else "done"

    @property
    def asked(self) -> Asked:
        """Its filter."""
        return parse_asked(self.filter)

    @property
    def reached(self) -> int | None:
        """Back to events of which time it has come; None before its first step, and at its end."""
        return time_of_id(read_cursor(self.cursor).event_id) if self.cursor else None


def check_wanted(wanted: Filter) -> None:
    """Raise InvalidInput for a filter of which nothing can be sent again."""
    if wanted.state is None or wanted.state is State.PENDING:
        raise InvalidInput("state", _PENDING)


def count_wanted(caller: Caller, wanted: Filter) -> Operation[Found]:
    """Return how many deliveries a filter finds: a dry run. Raises InvalidInput."""
    check_wanted(wanted)
    found, cursor = 0, Cursor()
    for _ in range(MOST_PAGES):
        rows, more = yield from find_deliveries(caller, wanted, cursor, MOST_COUNTED - found)
        found += len(rows)
        if more is None:
            return Found(found, whole=True)
        if found >= MOST_COUNTED:
            break
        cursor = more
    return Found(found, whole=False)


def fixed(asked: Asked, now: int) -> Asked:
    """Return a filter whose end is now: what is sent again and fails once more is not sent a third time."""
    since = rfc3339(asked.filter(now).since) if asked.time else asked.since
    until = rfc3339(min(now, asked.filter(now).until or now))
    return replace(asked, time="", since=since, until=until)


def start_resending(caller: Caller, asked: Asked, per_second: int, found: Found, now: int) -> Operation[int]:
    """Put a job on record; returns its number. `found`: what a dry run found. Raises InvalidInput."""
    check_wanted(asked.filter(now))
    if not 1 <= per_second <= HIGHEST_PER_SECOND:
        raise InvalidInput("per_second", f"It is a whole number from 1 to {HIGHEST_PER_SECOND}.")
    number, text = number_at(now), fixed(asked, now).query()
    values = {"id": number, "shop_id": caller.shop_id, "made_by": caller.name, "filter": text, "now": now}
    yield sql["insert_resending"], values | {"per_second": per_second, "found": found.count, "whole": int(found.whole)}
    yield from record(caller, "delivery.resend_many", str(number), now, shop_id=caller.shop_id, detail=text)
    return number


def get_resending(caller: Caller, number: int) -> Operation[Resending]:
    """Return a job; raises NotFound for one that is not the caller's to see."""
    rows = yield sql["get_resending"], {"id": number}
    if not rows or not caller.sees(rows[0]["shop_id"]):
        raise NotFound("There is no such replay.")
    return _resending(rows[0])


def list_resendings(caller: Caller, before: int, rows: int) -> Operation[list[Resending]]:
    """Return jobs with a number below `before`, newest first."""
    values = {"before": before, "shop_id": caller.shop_id, "rows": rows}
    return [_resending(row) for row in (yield sql["list_resendings"], values)]


def next_resending() -> Operation[Resending | None]:
    """Return the job of which a step is to be taken now, if there is one."""
    rows = yield sql["next_resending"], {}
    return _resending(rows[0]) if rows else None


def cancel_resending(caller: Caller, number: int, now: int) -> Operation[Resending]:
    """End a job early, and return it; one that has ended stays as it is. Raises NotFound."""
    job = yield from get_resending(caller, number)
    if (yield sql["cancel_resending"], {"id": number, "now": now}):
        yield from record(caller, "delivery.resend_cancel", str(number), now, shop_id=caller.shop_id)
        job = yield from get_resending(caller, number)
    return job


def find_step(job: Resending, rows: int) -> Operation[tuple[list[tuple[int, int]], Cursor | None]]:
    """Return the next deliveries (event, lane) of a job, so many at most, and where to go on."""
    # It sends what its maker could have sent.
    maker, wanted = Caller(job.made_by, job.shop_id), job.asked.filter(job.made_at)
    found, more = yield from find_deliveries(maker, wanted, read_cursor(job.cursor), min(rows, job.per_second))
    return [(row["id"], row["lane_id"]) for row in found], more


def take_step(mailbox: Mailbox, job: Resending, keys: list[tuple[int, int]], more: Cursor | None) -> Operation[bool]:
    """Re-open these deliveries and note how far the job has come; returns False when the step is not ours any more."""
    values = {"id": job.id, "seen": job.cursor, "cursor": str(more) if more else "", "last": int(more is None)}
    if not (yield sql["move_resending"], values):
        return False
    sent = (yield from mailbox.replay(keys)) if keys else 0
    yield sql["count_resending"], {"id": job.id, "sent": sent}
    return True


def resending_document(job: Resending, now: int) -> Document:
    """Return a job as the API has it."""
    return {
        "id": format_id("rpl", job.id),
        "shop_id": job.shop_id or None,
        "made_by": job.made_by,
        "created_at": rfc3339(job.made_at),
        "filter": job.asked.texts(),
        "per_second": job.per_second,
        "count": job.found,
        "count_is_exact": job.whole,
        "sent": job.sent,
        "state": job.state,
        "stands_still": job.stands_still(now),
        "reached": rfc3339_or_none(job.reached),
        "ended_at": rfc3339_or_none(job.ended_at),
    }


def _resending(row: Row) -> Resending:
    return Resending(**dict(row) | {"cancelled": bool(row["cancelled"]), "whole": bool(row["whole"])})
