"""How an alarm begins and ends. Pure.

    nothing ── seen ──▶ may be ── seen for `hold` ──▶ alarm ── not seen for `hold` ──▶ over
       ▲                  │                             ▲            │
       └── not seen ──────┘                             └── seen ────┘

What comes and goes within `hold` is told once: neither a moment's trouble nor a moment's rest is news.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ombud.admin.alarms.causes import Cause, Finding

# What the first would say of its end, the second says better.
TAKEN_OVER = {Cause.ENDPOINT_FAILING: Cause.ENDPOINT_DISABLED}


@dataclass(frozen=True)
class Known:
    """An alarm that is not over, or what may become one. Times are UTC microseconds."""

    id: int
    cause: Cause
    about: str
    text: str
    seen_at: int
    began_at: int | None = None
    missed_at: int | None = None


@dataclass
class Changes:
    """What one look changes: ids of known ones, or new findings. `replaced`: they end, and nobody hears of it."""

    new: list[Finding] = field(default_factory=list)
    began: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)
    nothing: list[int] = field(default_factory=list)
    facts: list[tuple[int, str]] = field(default_factory=list)


def judge(known: Sequence[Known], findings: Sequence[Finding], now: int, hold: int) -> Changes:
    """Return what a look changes: `known` are all that are not over of the causes that were looked at.

    `hold`: microseconds.
    """
    changes = Changes()
    found = {(one.cause, one.about): one for one in findings}
    left = dict(found)
    for one in known:
        finding = left.pop((one.cause, one.about), None)
        if finding is not None:
            _seen(changes, one, finding, now - hold)
        elif one.began_at is None:
            changes.nothing.append(one.id)
        elif (TAKEN_OVER.get(one.cause), one.about) in found:
            changes.replaced.append(one.id)
        elif (one.missed_at if one.missed_at is not None else now) <= now - hold:
            changes.ended.append(one.id)
        elif one.missed_at is None:
            changes.missed.append(one.id)
    changes.new = sorted(left.values(), key=lambda finding: (finding.cause, finding.about))
    return changes


def _seen(changes: Changes, one: Known, finding: Finding, before: int) -> None:
    if one.began_at is None and one.seen_at <= before:
        changes.began.append(one.id)
    if one.missed_at is not None:
        changes.again.append(one.id)
    if one.text != finding.text:
        changes.facts.append((one.id, finding.text))
