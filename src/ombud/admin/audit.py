"""The audit: whether every accepted event is delivered to all who wanted it, or will be, or it is said why not.

It only reads, in one snapshot, so it may run beside everything else. A finding is something that no sequence of commits
can bring about: a row that is lost, damaged or changed by hand, or a mistake of ours.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ombud.admin.events import delivery_id, rfc3339
from ombud.db.migrate import migrations_of
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import ConfigurationError
from ombud.mailbox.ids import format_id
from ombud.mailbox.model import NEVER, Box

sql = read_queries("ombud.admin", "audit.sql")

# Findings of one kind that are told one by one; of the others there is only the number.
EXAMPLES = 5
# Seconds that clocks may disagree, and that a lease may be over before somebody takes the lane: an election takes 0.5.
GRACE_SECONDS = 60.0
# Seconds that a lane may be due while somebody performs: with more lanes than fit, each has its turn far sooner.
OVERLOOKED_SECONDS = 3_600.0
# Seconds: no lease lasts as long.
LONGEST_LEASE_SECONDS = 3_600.0

MAILBOX, SENDER, RECEIVER = "ombud.mailbox", "ombud.sender", "ombud.receiver"
# The boxes that each part works.
BOXES: Mapping[str, Sequence[Box]] = {SENDER: [Box.OUTBOX], RECEIVER: [Box.INBOX, Box.CHANGES]}

Performs = Callable[[Box], bool]


@dataclass(frozen=True)
class Check:
    """One thing that must not be: the name of its statement, and what is said of each row that it finds."""

    name: str
    sentence: str
    part: str = MAILBOX


@dataclass(frozen=True)
class Finding:
    """What was found of one kind: how many, and the first of them in plain words."""

    kind: str
    count: int
    examples: Sequence[str]


@dataclass(frozen=True)
class Waiting:
    """Pending deliveries of a box that are due, or that nobody may start now. `since`: UTC microseconds."""

    box: Box
    due: int
    held: int
    since: int | None
    performed: bool


@dataclass(frozen=True)
class Report:
    """What an audit has found, beside how much it has looked at."""

    findings: Sequence[Finding]
    rows: Mapping[str, int]
    waiting: Sequence[Waiting] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


CHECKS = (
    Check("wrong_fan_out", "{event} was stored for {fan_out} deliveries, and there are {deliveries}."),
    Check("event_of_unknown_box", "{event} is in box {box}, which does not exist."),
    Check("delivery_without_event", "{delivery} is for {event}, which is not stored."),
    Check("delivery_without_lane", "{delivery} is on {lane}, which does not exist."),
    Check("delivery_on_foreign_lane", "{delivery} of {event} is on {lane}, which belongs to another box or shop."),
    Check("delivery_to_one_destination_twice", "{event} goes to one destination twice; {delivery} is one of the two."),
    Check("delivery_of_other_subject", "{delivery} is about {subject}, but {event} is about {event_subject}."),
    Check("delivery_in_unknown_state", "{delivery} of {event} is in state {state}, which does not exist."),
    Check("delivery_ended_without_reason", "{delivery} of {event} is {state}, and nothing says why."),
    Check("delivery_done_without_attempt", "{delivery} of {event} is done, but no attempt says that it succeeded."),
    Check("attempts_not_counted", "{delivery} of {event} counts {attempts} attempts, and {recorded} are recorded."),
    Check("attempt_without_delivery", "An attempt of {at} is for {delivery} of {event}, which does not exist."),
    Check("delivery_never_due", "{delivery} of {event} is pending, but never due."),
    Check("lane_asleep", "{lane} wakes {wakes}, but {delivery} on it is due {due}; pending: {pending}."),
    Check("lane_of_unknown_box", "{lane} is in box {box}, which nothing works in this database."),
    Check("event_key_without_event", "The event key {key!r} of shop {shop_id} stands for {event}, not stored.", SENDER),
    Check("endpoint_without_lane", "{endpoint} has no lane of its own; it names {lane}.", SENDER),
    Check("lane_without_endpoint", "{lane} leads to no endpoint.", SENDER),
    Check("subscription_without_endpoint", "{endpoint} is to hear of {event_type}, but does not exist.", SENDER),
    Check("shop_without_lane", "The shop {name!r} has no lane for its reader.", RECEIVER),
    Check("lane_without_shop", "{lane} leads to no shop's reader.", RECEIVER),
    Check("lane_without_handler", "{lane} leads to no handler.", RECEIVER),
    Check("event_without_shop", "{event} belongs to shop {shop_id}, which is not in this inbox.", RECEIVER),
    Check("reading_without_arrival", "{reading} was asked for by {event}, which is not stored.", RECEIVER),
    Check("reading_without_document", "{reading} of {subject} found version {version}, not stored.", RECEIVER),
    Check("mirror_without_reading", "What is known of {subject} comes from {reading}, which is not stored.", RECEIVER),
    Check("mirror_without_document", "{subject} is known in version {version}, which is not stored.", RECEIVER),
    Check("ledger_without_handler", "A handler that does not exist was told {event_type} of {subject}.", RECEIVER),
    Check("ledger_without_document", "{handler} was told {event_type} of {subject}: a version not stored.", RECEIVER),
    Check("change_without_document", "{delivery} of {event} would tell of {subject}: a version not stored.", RECEIVER),
)
ABANDONED = Check(
    "lane_abandoned", "The lease of {lane} ended {wakes}, and nobody took over; pending: {pending}, as {delivery}."
)
OVERLOOKED = Check(
    "lane_overlooked", "{lane} was due {wakes}, and its performer has not looked; pending: {pending}, as {delivery}."
)


def audit(now: int, performs: Performs) -> Operation[Report]:
    """Look for everything that must not be. `performs` says whether a process works a box at this moment.

    Raises ConfigurationError when the tables are not those of this version.
    """
    parts = yield from _parts()
    boxes = [box for part, worked in BOXES.items() if part in parts for box in worked]
    values = {
        "examples": EXAMPLES,
        "soon": now + _microseconds(GRACE_SECONDS),
        "longest_lease": now + _microseconds(LONGEST_LEASE_SECONDS),
        "boxes": json.dumps(boxes),
    }
    findings: list[Finding] = []
    for check in CHECKS:
        if check.part in parts:
            findings += yield from _run(check, values)
    waiting = []
    for box in boxes:
        performed = performs(box)
        findings += yield from _unattended(box, now, performed=performed)
        waiting.append((yield from _waiting(box, now, performed=performed)))
    return Report(findings, (yield from count_rows()), waiting)


def check_pages() -> Operation[Finding | None]:
    """Have the database look at its own pages and indexes; returns what is damaged, or None."""
    rows = yield sql["damaged_page"], {"examples": EXAMPLES}
    problems = [" ".join(str(row["problem"]).split()) for row in rows]
    return Finding("damaged_page", len(problems), problems) if problems else None


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


def _run(check: Check, values: Mapping[str, Any]) -> Operation[list[Finding]]:
    rows = yield sql[check.name], values
    if not rows:
        return []
    return [Finding(check.name, rows[0]["total"], [check.sentence.format(**_words(row)) for row in rows])]


def _unattended(box: Box, now: int, *, performed: bool) -> Operation[list[Finding]]:
    """Find lanes that will not be looked at. That nobody performs at the moment is no finding, an old lease is."""
    before = now - _microseconds(OVERLOOKED_SECONDS if performed else GRACE_SECONDS)
    values = {"examples": EXAMPLES, "box": box, "before": before}
    findings = yield from _run(ABANDONED, values)
    if performed:
        findings += yield from _run(OVERLOOKED, values)
    return findings


def _waiting(box: Box, now: int, *, performed: bool) -> Operation[Waiting]:
    [row] = yield sql["count_waiting"], {"box": box, "now": now}
    return Waiting(box, row["due"], row["held"], row["since"], performed)


def _words(row: Row) -> dict[str, Any]:
    """Return a row with the words that its sentence needs: the ids as people see them, and times."""
    return {**row, **dict(_ids(row)), **dict(_times(row))}


def _ids(row: Row) -> Iterator[tuple[str, str]]:
    for column, prefix in (("event_id", "evt"), ("lane_id", "lane"), ("endpoint_id", "ep"), ("reading_id", "rd")):
        number = row.get(column)
        yield column.removesuffix("_id"), format_id(prefix, number) if isinstance(number, int) else repr(number)
    if isinstance(row.get("event_id"), int) and isinstance(row.get("lane_id"), int):
        yield "delivery", delivery_id(row["event_id"], row["lane_id"])
    else:
        yield "delivery", "A delivery without an id"


def _times(row: Row) -> Iterator[tuple[str, str]]:
    for column, word in (("wake_at", "wakes"), ("due_at", "due"), ("at", "at")):
        if column in row:
            yield word, _time(row[column])


def _time(microseconds: Any) -> str:
    """Return a time in words; what stands there may be anything."""
    if microseconds == NEVER:
        return "never"
    try:
        return rfc3339(microseconds)
    except (OverflowError, TypeError):
        return repr(microseconds)


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)
