"""The book of alarms: what a look has found becomes alarms and messages, in one transaction."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ombud.admin.access import Caller
from ombud.admin.alarms.causes import Cause, Finding
from ombud.admin.alarms.state import Known, judge
from ombud.admin.audit_log import number_at
from ombud.admin.events import Document, rfc3339, rfc3339_or_none
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.db.turns import lock
from ombud.mailbox.ids import format_id

sql = read_queries("ombud.admin", "alarms.sql")

# What is locked while alarms and what is to be told of them are written.
ALARMS = "alarms"
BEGAN, ENDED = "began", "ended"
# Microseconds that an alarm is kept after its end: as long as what has failed is.
KEPT = 30 * 86_400_000_000
# Old alarms that one look deletes.
MOST_FORGOTTEN = 1_000


@dataclass(frozen=True)
class Look:
    """What somebody has looked at and found. `whole`: all of it; else nothing is over for not being there.

    `abouts`: of these causes only what concerns these; another process may look at the rest.
    """

    causes: Collection[Cause]
    findings: Sequence[Finding]
    whole: bool = True
    abouts: Collection[str] | None = None

    def covers(self, cause: str, about: str) -> bool:
        """Return whether it would have seen this."""
        return cause in self.causes and (self.abouts is None or about in self.abouts)


def note(looks: Sequence[Look], now: int, hold: int) -> Operation[None]:
    """Write down what looks have found, each at something else, and what is to be told of it.

    `hold`: microseconds that a trouble lasts before it is an alarm, and is away before it is over.
    """
    # Two that look at the same moment write one after the other, and no two wait for each other.
    yield from lock(ALARMS)
    rows = yield sql["known_alarms"], {}
    for look in looks:
        yield from _note(look, rows, now, hold)


def present_alarms(caller: Caller, rows: int) -> Operation[list[Document]]:
    """Return the alarms that a caller sees and that are not over, newest first."""
    found = yield sql["present_alarms"], {"shop_id": caller.shop_id, "rows": rows}
    return [_alarm_document(row) for row in found]


def list_alarms(caller: Caller, before: int, rows: int) -> Operation[list[Document]]:
    """Return the alarms that a caller sees, those with an id below `before`, newest first."""
    found = yield sql["alarms_before"], {"shop_id": caller.shop_id, "before": before, "rows": rows}
    return [_alarm_document(row) for row in found]


def _note(look: Look, rows: Sequence[Row], now: int, hold: int) -> Operation[None]:
    found = {(one.cause, one.about) for one in look.findings}
    known = [_known(row) for row in rows if look.covers(row["cause"], row["about"])]
    known = [one for one in known if look.whole or (one.cause, one.about) in found]
    changes = judge(known, look.findings, now, hold)
    if changes.facts:
        yield sql["set_facts"], [{"id": number, "facts": text} for number, text in changes.facts]
    for name, numbers in (
        ("see_alarm_again", changes.again),
        ("miss_alarm", changes.missed),
        ("drop_alarm", changes.nothing),
    ):
        if numbers:
            yield sql[name], [{"id": number, "now": now} for number in numbers]
    began = yield from _turn("begin_alarm", changes.began, now)
    ended = yield from _turn("end_alarm", changes.ended, now)
    yield from _turn("end_alarm", changes.replaced, now)
    if changes.new:
        yield sql["insert_alarm"], [_values(one, now) for one in changes.new]
    yield from _tell(began, BEGAN, now)
    yield from _tell(ended, ENDED, now)
    if changes.ended or changes.replaced:
        yield sql["forget_alarms"], {"before": now - KEPT, "most": MOST_FORGOTTEN}


def _turn(name: str, numbers: Sequence[int], now: int) -> Operation[list[Row]]:
    if not numbers:
        return []
    return list((yield sql[name], [{"id": number, "now": now} for number in numbers]))


def _tell(rows: Sequence[Row], phase: str, now: int) -> Operation[None]:
    """Have everybody told who wants to hear of it."""
    messages = []
    channels: dict[int, Sequence[Row]] = {}
    for row in rows:
        shop_id = row["shop_id"]
        if shop_id not in channels:
            channels[shop_id] = yield sql["channels_of_shop"], {"shop_id": shop_id}
        messages += [
            {"channel_id": channel["id"], "alarm_id": row["id"], "phase": phase, "now": now}
            for channel in channels[shop_id]
            if not channel["causes"] or row["cause"] in channel["causes"].split(",")
        ]
    if messages:
        yield sql["insert_message"], messages


def _known(row: Row) -> Known:
    return Known(**{**row, "cause": Cause(row["cause"])})


def _values(finding: Finding, now: int) -> dict[str, int | str]:
    return {
        "id": number_at(now),
        "cause": finding.cause,
        "about": finding.about,
        "shop_id": finding.shop_id,
        "since": finding.since,
        "facts": finding.text,
        "now": now,
    }


def _alarm_document(row: Row) -> Document:
    """Return an alarm in the shape of the REST API."""
    return {
        "id": format_id("alm", row["id"]),
        "cause": row["cause"],
        "about": row["about"],
        "shop_id": row["shop_id"],
        "since": rfc3339(row["since"]),
        "facts": json.loads(row["facts"]),
        "began_at": rfc3339(row["began_at"]),
        "ended_at": rfc3339_or_none(row["ended_at"]),
    }
