"""The audit: whether every accepted event is delivered to all who wanted it, or will be, or it is said why not.

It only reads, in one snapshot, so it may run beside everything else. A finding is something that no sequence of commits
can bring about: a row that is lost, damaged or changed by hand, or a mistake of ours. That a process has died, that
nobody performs, that a destination fails: these are no findings, they are told beside them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ombud.admin.checks import ABANDONED, ASLEEP, CHECKS, MAILBOX, OVERLOOKED, RECEIVER, SENDER, Check
from ombud.db.migrate import migrations_of
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import ConfigurationError
from ombud.mailbox.ids import ID_LIMIT, first_id_of
from ombud.mailbox.mailbox import DAY_MICROSECONDS
from ombud.mailbox.model import Box

sql = read_queries("ombud.admin", "audit.sql")

# Findings of one kind that are told one by one; of the others there is only the number.
EXAMPLES = 5
# Microseconds that clocks may disagree. Also: how old the last sign of a performer may be, and how long what PostgreSQL
# does after a commit may take: both are done every few seconds.
GRACE = 60_000_000
# Microseconds that a lane may be due while somebody performs: with more lanes than fit, each has its turn far sooner.
OVERLOOKED_TIME = 3_600_000_000
# Microseconds: nobody waits that long for the lanes of a process that has died.
LONGEST_LEASE = DAY_MICROSECONDS
# Full days, beside today, of which retention never deletes anything: the least that it can be told to keep.
KEPT_DAYS = 1

# The boxes that each part works.
BOXES: Mapping[str, Sequence[Box]] = {SENDER: [Box.OUTBOX], RECEIVER: [Box.INBOX, Box.CHANGES]}

# Whether a process performs a box at this moment.
Performs = Callable[[Box], bool]


@dataclass(frozen=True)
class Finding:
    """What was found of one kind: how many, and the first of them in plain words."""

    kind: str
    count: int
    examples: Sequence[str]


@dataclass(frozen=True)
class Waiting:
    """What waits in a box, and why.

    `performed`: whether somebody works the box; None when nothing tells. Of its pending deliveries: how many are due,
    how many nobody may start now, and `since` when the oldest is due (UTC microseconds). Of its lanes: `closed` because
    the destination fails as a whole, `given_up` after days of that, `careful` for working one by one after a crash,
    and `left` by a process that died.
    """

    box: Box
    performed: bool | None
    due: int
    held: int
    since: int | None
    closed: int
    given_up: int
    careful: int
    left: int


@dataclass(frozen=True)
class Report:
    """What an audit has found, beside how much it has looked at. `notes`: what it could not look at."""

    findings: Sequence[Finding]
    rows: Mapping[str, int]
    waiting: Sequence[Waiting] = ()
    notes: Sequence[str] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


@dataclass(frozen=True)
class _Time:
    """`now`, and the latest time that a performer has noted: its own clock may be behind. UTC microseconds."""

    now: int
    seen: int


def audit(performs: Performs | None) -> Operation[Report]:
    """Look for everything that must not be, in one snapshot of the database.

    `performs` says whether a process works a box. None: there is no seat to ask about. Raises ConfigurationError when
    the tables are not of this version.
    """
    parts = yield from _parts()
    boxes = [box for part, worked in BOXES.items() if part in parts for box in worked]
    [row] = yield sql["what_time"], {}
    time = _Time(**row)
    values = {
        "examples": EXAMPLES,
        "longest_lease": time.now + LONGEST_LEASE,
        "certain": (yield from _certain_from(time.now)),
        **dict(zip(("box_one", "box_two", "box_three"), boxes * len(Box), strict=False)),
    }
    findings: list[Finding] = []
    for check in CHECKS:
        if check.part in parts:
            findings += yield from _run(check, values)
    waiting = []
    for box in boxes:
        waiting.append((yield from _waiting(box, time.now, performs)))
        if waiting[-1].performed:
            findings += yield from _unattended(box, time)
    return Report(findings, (yield from count_rows()), waiting)


def count_rows() -> Operation[Mapping[str, int]]:
    """Return how many rows there are, deliveries also by state."""
    [rows], [deliveries] = (yield sql["count_rows"], {}), (yield sql["count_deliveries"], {})
    return {**rows, **deliveries}


def _parts() -> Operation[Collection[str]]:
    """Return the parts of Ombud whose tables are here."""
    rows = yield sql["applied_migrations"], {}
    applied = {row["part"]: row["version"] for row in rows}
    parts = [part for part in (MAILBOX, SENDER, RECEIVER) if part in applied]
    for part in parts:
        if applied[part] != migrations_of(part)[-1].version:
            raise ConfigurationError(
                f"The {part} tables are of version {applied[part]}, and this Ombud's are of"
                f" {migrations_of(part)[-1].version}. Run the audit of the Ombud that writes them."
            )
    if MAILBOX not in parts or len(parts) == 1:
        raise ConfigurationError("The database holds neither a sender's nor a receiver's tables.")
    return parts


def _certain_from(now: int) -> Operation[int]:
    """Return the id from which on no event can have gone with its day: what still names an older one proves nothing.

    A day that has gone holds nothing that was appended after the next day was opened; that happens on the very date of
    the next day, though maybe late in it.
    """
    rows = yield sql["open_days"], {}, tuple
    days = [day for (day,) in rows]
    kept = [day for day in days if day >= now // DAY_MICROSECONDS - KEPT_DAYS]
    if not days:
        return ID_LIMIT - 1
    [first_lane] = yield sql["first_lane"], {}, lambda row: row[0]
    if days == kept and first_lane is not None and first_lane >= first_id_of(days[0] * DAY_MICROSECONDS):
        return 0
    return first_id_of(((kept or days[-1:])[0] + 1) * DAY_MICROSECONDS)


def _run(check: Check, values: Mapping[str, Any]) -> Operation[list[Finding]]:
    rows = yield sql[check.name], values
    return [Finding(check.name, rows[0]["total"], [check.say(row) for row in rows])] if rows else []


def _unattended(box: Box, time: _Time) -> Operation[list[Finding]]:
    """Find lanes that will not be looked at although somebody performs: whoever begins to, looks everywhere."""
    values = {"examples": EXAMPLES, "box": box}
    before = values | {"before": min(time.now, time.seen) - OVERLOOKED_TIME}
    findings = yield from _run(ASLEEP, values | {"soon": time.now + GRACE, "settled": time.seen - GRACE})
    findings += yield from _run(ABANDONED, before)
    findings += yield from _run(OVERLOOKED, before)
    return findings


def _waiting(box: Box, now: int, performs: Performs | None) -> Operation[Waiting]:
    [work], [lanes] = (
        (yield sql["count_waiting"], {"box": box, "now": now}),
        (yield sql["count_lanes"], {"box": box, "now": now}),
    )
    performed = _signs_of_work(work, lanes, now) if performs is None else performs(box)
    states = {name: lanes[name] for name in ("closed", "given_up", "careful")}
    return Waiting(box, performed, work["due"], work["held"], work["since"], **states, left=lanes["left_behind"])


def _signs_of_work(work: Row, lanes: Row, now: int) -> bool | None:
    """Return whether somebody works a box, as far as its rows tell; None when nothing was there to be done."""
    if lanes["leased"] or lanes["rested_at"] >= now - GRACE:
        return True
    return False if work["since"] is not None and work["since"] < now - GRACE else None
