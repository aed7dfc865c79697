"""What a campaign's diaries and its database must say together, once everything has ended.

After Jepsen's total-queue, and more: since the database keeps a record of each try, every one can be asked for.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ombud.admin.audit import audit
from ombud.db.database import Database
from ombud.db.operation import Operation, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.model import Box, State
from tests.faults.mailbox.diary import Line, read
from tests.faults.mailbox.post import asleep, once

_EVENTS = Statement("list_events", "select id from event")
_KEYS = Statement("list_keys", "select key, event_id from event_key")
_DELIVERIES = Statement(
    "list_deliveries", "select event_id, lane_id, state, attempts, generation, reason from delivery"
)
_ATTEMPTS = Statement("list_attempts", "select event_id, lane_id, generation, outcome, late from attempt")

_PAGES = Statement("check_pages", "select integrity_check from pragma_integrity_check where integrity_check <> 'ok'")

# What ends a delivery.
DECIDING = {"done": State.DONE, "dead": State.DEAD, "skipped": State.SKIPPED}
# A worker that died in careful mode is taken for a failed try by whoever comes next; nobody has written that down.
CRASHED = "crashed"
# What must not be, in any campaign.
WRONG = ["lost", "unexpected", "doubled", "unended", "asleep", "contradictory", "unexplained", "together", "unsound"]
INTERRUPTED = "interrupted"


class Delivery(NamedTuple):
    """A delivery as it is stored."""

    event: int
    lane: int
    state: int
    attempts: int
    generation: int
    reason: str | None


class Attempt(NamedTuple):
    """A try as it is on record."""

    event: int
    lane: int
    generation: int
    outcome: str
    late: int


class Try(NamedTuple):
    """A try as its process wrote it down. `end`: None when it was killed meanwhile."""

    event: int
    lane: int
    subject: str
    begin: int
    end: int | None
    process: str


@dataclass
class Findings:
    """What was found. All sets and lists must be empty, but for what a campaign's own faults explain.

    `lost`: confirmed, and not stored, or not tried. `unexpected`: tried, and nobody appended it. `doubled`: a key with
    two events. `unended`: still pending. `asleep`: lanes. `contradictory`: deliveries whose record does not add up.
    `unexplained`: deliveries with a try that nobody recorded, although no process was killed that had begun it.
    `together`: two tries of one subject at once, although no lease was lost. `unsound`: what the audit says.

    `late`: tries recorded as such. `repeated`: tries that decided, after one that had. `unrecorded`: tries that were in
    flight when their process was killed, so that they were repeated.
    """

    attempted: int = 0
    confirmed: int = 0
    deliveries: int = 0
    tries: int = 0
    late: int = 0
    repeated: int = 0
    unrecorded: int = 0
    lost: set[str] = field(default_factory=set)
    unexpected: set[int] = field(default_factory=set)
    doubled: set[int] = field(default_factory=set)
    unended: set[tuple[int, int]] = field(default_factory=set)
    asleep: set[int] = field(default_factory=set)
    contradictory: list[str] = field(default_factory=list)
    unexplained: set[tuple[int, int]] = field(default_factory=set)
    together: list[str] = field(default_factory=list)
    unsound: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> Mapping[str, object]:
        """What must not be, in every campaign."""
        return {name: getattr(self, name) for name in WRONG if getattr(self, name)}

    def __str__(self) -> str:
        counts = ("attempted", "confirmed", "deliveries", "tries", "late", "repeated", "unrecorded")
        return ", ".join(
            [*(f"{name} {getattr(self, name)}" for name in counts), *(f"{len(getattr(self, n))} {n}" for n in WRONG)]
        )


def judge(folder: Path, database: Database, killed: Collection[str] = ()) -> Findings:
    """Compare what the processes wrote down with what is stored; those that were `killed` could not record all."""
    lines = list(read(folder))
    deliveries, attempts = database.read(_tables)
    findings = Findings(deliveries=len(deliveries), asleep=asleep(database))
    tries = _tries(lines)
    _look_for_lost(findings, lines, deliveries, tries, database)
    _look_at_records(findings, deliveries, attempts, tries, killed)
    late = {(one.event, one.lane) for one in attempts if one.late}
    findings.together = list(_together(tries, late))
    # Nobody performs any more, and on PostgreSQL everything that was to follow a commit has.
    report = database.write(lambda: audit(_nobody))
    findings.unsound = [example for finding in report.findings for example in finding.examples]
    if isinstance(database, SqliteDatabase):
        findings.unsound += [said for (said,) in database.read(once(_PAGES))]
    return findings


def _nobody(_: Box) -> bool:
    return False


def _tables() -> Operation[tuple[list[Delivery], list[Attempt]]]:
    deliveries = yield _DELIVERIES, {}, Delivery._make
    attempts = yield _ATTEMPTS, {}, Attempt._make
    return deliveries, attempts


def _tries(lines: Iterable[Line]) -> list[Try]:
    begun: dict[str, Line] = {}
    ended: dict[str, int] = {}
    for line in lines:
        if line["what"] == "begin":
            begun[line["try"]] = line
        elif line["what"] == "end":
            ended[line["try"]] = line["at"]
    return [
        Try(line["event"], line["lane"], line["subject"], line["at"], ended.get(number), number.partition(".")[0])
        for number, line in begun.items()
    ]


def _look_for_lost(
    findings: Findings,
    lines: Sequence[Line],
    deliveries: Sequence[Delivery],
    tries: Sequence[Try],
    database: Database,
) -> None:
    keys = dict(database.read(once(_KEYS)))
    events = {event for (event,) in database.read(once(_EVENTS))}
    attempted = {line["key"] for line in lines if line["what"] == "attempt"}
    confirmed = {line["key"]: line["event"] for line in lines if line["what"] == "ack"}
    tried = {one.event for one in tries}
    delivered = {one.event: one for one in deliveries}
    findings.attempted, findings.confirmed, findings.tries = len(attempted), len(confirmed), len(tries)
    for key, event in confirmed.items():
        stored = delivered.get(event)
        untried = stored is not None and stored.state == State.DONE and event not in tried
        if keys.get(key) != event or event not in events or stored is None or untried:
            findings.lost.add(key)
    known = {event for key, event in keys.items() if key in attempted}
    findings.unexpected = {one.event for one in tries} - known
    findings.doubled = events - set(keys.values())
    findings.unended = {(one.event, one.lane) for one in deliveries if one.state == State.PENDING}


def _look_at_records(
    findings: Findings,
    deliveries: Sequence[Delivery],
    attempts: Sequence[Attempt],
    tries: Sequence[Try],
    killed: Collection[str],
) -> None:
    records: defaultdict[tuple[int, int], list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        records[attempt.event, attempt.lane].append(attempt)
    tried = Counter((one.event, one.lane) for one in tries)
    cut = Counter((one.event, one.lane) for one in tries if one.process in killed)
    for one in deliveries:
        own = records.pop((one.event, one.lane), [])
        findings.late += sum(attempt.late for attempt in own)
        findings.contradictory += [f"{one}: {fault}; its record: {own}" for fault in _contradictions(one, own)]
        recorded = sum(attempt.outcome != CRASHED for attempt in own)
        unrecorded = max(0, tried[one.event, one.lane] - recorded)
        findings.unrecorded += unrecorded
        if unrecorded > cut[one.event, one.lane]:
            findings.unexplained.add((one.event, one.lane))
        if recorded > tried[one.event, one.lane]:
            findings.contradictory.append(f"{one}: {recorded} records of {tried[one.event, one.lane]} tries: {own}")
        for generation in range(one.generation + 1):
            done = sum(a.generation == generation and a.outcome in DECIDING for a in own)
            findings.repeated += max(0, done - 1)


def _contradictions(delivery: Delivery, attempts: Sequence[Attempt]) -> Iterable[str]:
    for generation in range(delivery.generation + 1):
        counted = [
            one.outcome
            for one in attempts
            if one.generation == generation and not one.late and one.outcome != INTERRUPTED
        ]
        deciding = [outcome for outcome in counted if outcome in DECIDING]
        if len(deciding) > 1:
            yield f"generation {generation} was decided {len(deciding)} times"
        if generation < delivery.generation:
            continue
        skipped_untried = delivery.state == State.SKIPPED and not deciding
        if delivery.attempts != len(counted) and not skipped_untried:
            yield f"it counts {delivery.attempts} tries, and {len(counted)} counted"
        if deciding and DECIDING[deciding[0]] != delivery.state:
            yield f"{deciding[0]} decided it, and its state is {delivery.state}"
        if not deciding and delivery.state == State.DONE:
            yield "it is done, and no try was"


def _together(tries: Sequence[Try], late: set[tuple[int, int]]) -> Iterable[str]:
    """Return pairs of tries of one subject in one lane that were in flight at once, though nobody lost the lane.

    A try that never ended was killed with its process.
    """
    by_subject: defaultdict[tuple[int, str], list[Try]] = defaultdict(list)
    for one in tries:
        if one.end is not None:
            by_subject[one.lane, one.subject].append(one)
    for group in by_subject.values():
        for first, second in pairwise(sorted(group, key=lambda one: one.begin)):
            assert first.end is not None
            if second.begin < first.end and not {(first.event, first.lane), (second.event, second.lane)} & late:
                yield f"{first} and {second}"
