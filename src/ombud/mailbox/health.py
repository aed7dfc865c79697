"""How a lane does as a whole: open, ramping, closed or probing. Pure functions of values.

    open ──5 failures of the lane in a row, over 3 subjects, or an asked-for pause──▶ closed ──5 days──▶ given up
      ▲                                                                              │  ▲                   │
      └── ramping ◀── a success ── probing ◀── 5 s, 10 s, … 5 min (+ 0-20 %) ────────┘  └── a failure       │
             ▲                                                                                              │
             └──────────────────────────────────── somebody resumes it ◀──────────────────────────────────┘

A closed lane makes one try at a time, a probe, at another subject than the last ones that failed: one thing that a
destination cannot digest must not keep the whole of it closed.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from ombud.mailbox.model import Dead, Done, Fault, Health, Interrupted, Result, Retry, Skip
from ombud.mailbox.retry import JITTER, LONGEST_PAUSE_SECONDS

# Failures in a row that close a lane, and over how many subjects: fewer may be the deliveries' own fault.
CLOSING_FAILURES = 5
CLOSING_SUBJECTS = 3
# Days closed after which it is said, and after which nothing is tried any more.
WARNING_DAYS = (1, 3, 4)
GIVE_UP_DAYS = 5

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND


class Care(NamedTuple):
    """How a mailbox treats its lanes.

    `window_cap`: deliveries in flight for one lane, which is what one destination can hold of a process.
    `first_probe_seconds`: until the first probe of a closed lane, doubled with each that fails, up to
    `last_probe_seconds`. `gives_up`: after GIVE_UP_DAYS closed nothing is tried any more; else the probes go on.
    """

    window_cap: int = 64
    first_probe_seconds: float = 5.0
    last_probe_seconds: float = 300.0
    gives_up: bool = False


USUAL_CARE = Care()


class LaneState(StrEnum):
    """What a lane does next."""

    OPEN = "open"
    RAMPING = "ramping"
    CLOSED = "closed"
    PROBING = "probing"
    GIVEN_UP = "given up"


def state_of(health: Health, now: int, care: Care = USUAL_CARE) -> LaneState:
    """Return the state at that time (UTC microseconds)."""
    if health.given_up_at is not None:
        return LaneState.GIVEN_UP
    if health.closed_at is not None:
        return LaneState.CLOSED if now < health.hold_until else LaneState.PROBING
    return LaneState.RAMPING if health.window < care.window_cap else LaneState.OPEN


def probe_delay(probes: int, care: Care, chance: float) -> float:
    """Return the seconds until the next probe after that many have failed: 5, 10, 20 … 300, and up to a fifth more."""
    doubled = care.first_probe_seconds * math.pow(2, min(probes, 32))
    return min(doubled, care.last_probe_seconds) * (1 + JITTER * chance)


def after_try(health: Health, result: Result, now: int, care: Care, chance: float) -> Health:
    """Return how a lane does after a try that ended so at `now`; `chance` is between 0 and 1."""
    match result.outcome:
        case Done() | Skip():
            return after_answer(health, now, care)
        case Interrupted():
            return health
        case Retry(fault=Fault.LANE, after=after):
            # What is below 0, or no number at all, was not asked for.
            asked = after if after is not None and after >= 0 else None
            return _Failure(result, asked, now, care, chance).of(health)
        case Dead(fault=Fault.LANE):
            return _Failure(result, None, now, care, chance).of(health)
        case Retry() | Dead():
            return after_answer(health, now, care)


def resumed(health: Health, hold_until: int, given_up_at: int | None, now: int) -> Health:
    """Return how a lane does that was stored so: itself, unless what is stored by now says that somebody resumed it."""
    if given_up_at is None and health.given_up_at is not None:
        closed_at = now if health.closed_at is None else health.closed_at
        return Health(closed_time=health.closed_time + max(0, now - closed_at))
    if health.closed_at is not None and hold_until < health.hold_until:
        return health._replace(hold_until=hold_until)  # probe now
    return health


def warnings_due(health: Health, now: int) -> Sequence[int]:
    """Return the days closed that have been reached and not been said."""
    if health.closed_at is None:
        return ()
    return [day for day in WARNING_DAYS if health.warned < day and now - health.closed_at >= day * _DAY]


def after_answer(health: Health, now: int, care: Care) -> Health:
    """Return how a lane does whose destination answered: it is there, whatever it thinks of that delivery."""
    if health.closed_at is not None:
        return Health(closed_time=health.closed_time + max(0, now - health.closed_at))
    if health.failures == 0 and health.window >= care.window_cap:
        return health
    # One more for each success doubles the window in a round of them.
    return Health(min(care.window_cap, health.window + 1), 0, "", *health[3:])


class _Failure(NamedTuple):
    """A try that failed by the fault of the lane; `asked`: the pause that it asked for, in seconds."""

    result: Result
    asked: float | None
    now: int
    care: Care
    chance: float

    def of(self, health: Health) -> Health:
        if health.closed_at is not None:
            return self._of_probe(health, health.closed_at)
        subjects = _with(health.failed_subjects, self.result.delivery.subject)
        health = health._replace(
            failures=health.failures + 1, failed_subjects=subjects, window=max(1, health.window // 2)
        )
        fails_as_a_whole = health.failures >= CLOSING_FAILURES and subjects.count("\n") + 1 >= CLOSING_SUBJECTS
        if self.asked is None and not fails_as_a_whole:
            return health
        return health._replace(closed_at=self.now, probes=0, warned=0, window=1, hold_until=self._hold(0))

    def _of_probe(self, health: Health, closed_at: int) -> Health:
        # What was in flight already when the lane closed says nothing new.
        if self.result.at < closed_at:
            return health
        subjects = _with(health.failed_subjects, self.result.delivery.subject)
        health = health._replace(probes=health.probes + 1, failed_subjects=subjects)
        if self.care.gives_up and self.now - closed_at >= GIVE_UP_DAYS * _DAY:
            return health._replace(given_up_at=self.now)
        return health._replace(hold_until=self._hold(health.probes))

    def _hold(self, probes: int) -> int:
        """Return until when nobody tries: a pause that was asked for makes it longer, never shorter."""
        seconds = probe_delay(probes, self.care, self.chance)
        if self.asked is not None:
            seconds = max(seconds, min(self.asked, LONGEST_PAUSE_SECONDS))
        return self.now + round(seconds * _SECOND)


def _with(subjects: str, subject: str) -> str:
    """Return the last few different subjects that failed, this one last."""
    others = [other for other in subjects.split("\n") if other and other != subject]
    return "\n".join([*others, subject][-CLOSING_SUBJECTS:])
