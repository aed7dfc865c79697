"""Doing many things again: everything that a filter finds, a step at a time, with its progress on record.

Deliveries of a sender are sent again, arrivals of a receiver read again, held ones among them, and runs made again.

Each step reads a page, then re-opens its deliveries in one short transaction together with how far it has come: a
process that dies in the middle leaves a job that goes on where it was, and of two that take one step only one does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ombud.admin.access import Caller
from ombud.admin.audit_log import number_at, record
from ombud.admin.deliveries import Cursor, read_cursor
from ombud.admin.delivery_filter import Asked, Texts, read_time
from ombud.admin.events import Document, rfc3339, rfc3339_or_none
from ombud.admin.inbox_filter import AskedArrivals, AskedRuns
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput, NotFound
from ombud.mailbox.ids import format_id, time_of_id
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Box

sql = read_queries("ombud.admin", "resending.sql")

# What one step does: its commit stays short, and live traffic has the disk in between.
STEP_ROWS = 200
# The same beside live work, which waits for the end of a step's transaction.
FEW_ROWS = 16
# What a job does in a second: what is re-opened cannot be called back, so a mistake can be cancelled in time.
PER_SECOND = 200
HIGHEST_PER_SECOND = 5_000
# How many a dry run counts, and in how many pages; more are told as at least that many.
MOST_COUNTED = 10_000
MOST_PAGES = 25
# Microseconds without a step after which a job that has not ended stands still: nobody delivers, or the disk is full.
STILL = 30 * 1_000_000

_WAITS = "What waits is done anyway. Choose what failed, was skipped, is held or is done."

# What is found in each box, and in words what begins and ends a job there.
KINDS: Mapping[Box, type[Texts]] = {one.box: one for one in (Asked, AskedArrivals, AskedRuns)}
_VERBS = {Box.OUTBOX: "delivery.resend", Box.INBOX: "arrival.retry", Box.CHANGES: "run.retry"}


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
    box: int

    def stands_still(self, now: int) -> bool:
        """Return whether nobody works on it though it has not ended."""
        return self.ended_at is None and now > self.seen_at + STILL

    @property
    def state(self) -> str:
        """`running`, `done` or `cancelled`."""
        return "running" if self.ended_at is None else "cancelled" if self.cancelled else "done"

    @property
    def asked(self) -> Texts:
        """Its filter."""
        return KINDS[Box(self.box)].parse(self.filter)

    @property
    def reached(self) -> int | None:
        """Back to events of which time it has come; None before its first step, and at its end."""
        return time_of_id(read_cursor(self.cursor).event_id) if self.cursor else None


def check_wanted(asked: Texts) -> None:
    """Raise InvalidInput for a filter of which nothing can be done again."""
    if asked.state not in asked.again:
        raise InvalidInput("state", _WAITS)


def count_wanted(caller: Caller, asked: Texts, now: int) -> Operation[Found]:
    """Return how many things a filter finds: a dry run. Raises InvalidInput."""
    check_wanted(asked)
    found, cursor = 0, Cursor()
    for _ in range(MOST_PAGES):
        rows, more = yield from asked.find(caller, now, cursor, MOST_COUNTED - found)
        found += len(rows)
        if more is None:
            return Found(found, whole=True)
        if found >= MOST_COUNTED:
            break
        cursor = more
    return Found(found, whole=False)


def fixed(asked: Texts, now: int) -> Texts:
    """Return a filter whose end is now: what is done again and fails once more is not done a third time."""
    since = rfc3339(asked.from_(now)) if asked.time else asked.since
    until = rfc3339(min(now, read_time(asked.until, "until") or now))
    return replace(asked, time="", since=since, until=until)


def start_resending(caller: Caller, asked: Texts, per_second: int, found: Found, now: int) -> Operation[int]:
    """Put a job on record; returns its number. `found`: what a dry run found. Raises InvalidInput."""
    check_wanted(asked)
    if not 1 <= per_second <= HIGHEST_PER_SECOND:
        raise InvalidInput("per_second", f"It is a whole number from 1 to {HIGHEST_PER_SECOND}.")
    number, text = number_at(now), fixed(asked, now).query()
    values = {
        "id": number,
        "shop_id": caller.shop_id,
        "box": asked.box,
        "made_by": caller.name,
        "filter": text,
        "per_second": per_second,
        "found": found.count,
        "whole": int(found.whole),
        "now": now,
    }
    yield sql["insert_resending"], values
    yield from record(caller, f"{_VERBS[asked.box]}_many", str(number), now, shop_id=caller.shop_id, detail=text)
    return number


def get_resending(caller: Caller, number: int) -> Operation[Resending]:
    """Return a job; raises NotFound for one that is not the caller's to see."""
    rows = yield sql["get_resending"], {"id": number}
    if not rows or not caller.sees(rows[0]["shop_id"]):
        raise NotFound("There is no such replay.")
    return _resending(rows[0])


def list_resendings(caller: Caller, box: Box | None, before: int, rows: int) -> Operation[list[Resending]]:
    """Return jobs of a box, or of every one, with a number below `before`, newest first."""
    values = {"box": box or 0, "before": before, "shop_id": caller.shop_id, "rows": rows}
    return [_resending(row) for row in (yield sql["list_resendings"], values)]


def next_resending(box: Box) -> Operation[Resending | None]:
    """Return the job of a box of which a step is to be taken now, if there is one."""
    rows = yield sql["next_resending"], {"box": box}
    return _resending(rows[0]) if rows else None


def cancel_resending(caller: Caller, number: int, now: int) -> Operation[Resending]:
    """End a job early, and return it; one that has ended stays as it is. Raises NotFound."""
    job = yield from get_resending(caller, number)
    if (yield sql["cancel_resending"], {"id": number, "now": now}):
        yield from record(caller, f"{_VERBS[Box(job.box)]}_cancel", str(number), now, shop_id=caller.shop_id)
        job = yield from get_resending(caller, number)
    return job


def find_step(job: Resending, rows: int) -> Operation[tuple[list[tuple[int, int]], Cursor | None]]:
    """Return the next deliveries (event, lane) of a job, so many at most, and where to go on."""
    # It does what its maker could have done.
    maker, cursor = Caller(job.made_by, job.shop_id), read_cursor(job.cursor)
    found, more = yield from job.asked.find(maker, job.made_at, cursor, min(rows, job.per_second))
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
        "of": job.asked.kind,
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
