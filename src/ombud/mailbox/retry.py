"""When to try again, and what a try means for its delivery: pure functions of values."""

from collections.abc import Sequence
from typing import NamedTuple

from ombud.mailbox.model import Dead, Done, Interrupted, Outcome, Retry, Skip, State

# Share of the delay that chance may add, never subtract: a thousand deliveries that failed together spread out.
JITTER = 0.2
# Seconds: the longest pause that a try may ask for instead of the schedule's.
LONGEST_PAUSE_SECONDS = 86_400.0


class Verdict(NamedTuple):
    """What a try does to its delivery: the state, when it is due again (UTC microseconds), and whether it counts."""

    state: State
    due_at: int
    reason: str | None
    counts: bool = True


class Terms(NamedTuple):
    """How long deliveries of a mailbox are tried: the pauses between tries and the time in all, in seconds."""

    retry_seconds: Sequence[float]
    deadline_seconds: float | None = None


def retry_delay(schedule: Sequence[float], attempt: int, chance: float) -> float | None:
    """Return the seconds to wait after that attempt (1 is the first) failed, or None when it was the last.

    `chance` is between 0 and 1. With the default schedule and no chance: 5, 30, 300, 1,800, 7,200, 18,000, 36,000 and
    four times 43,200 seconds; after the twelfth failure None.
    """
    if attempt > len(schedule):
        return None
    return schedule[attempt - 1] * (1 + JITTER * chance)


def judge(outcome: Outcome, attempt: int, terms: Terms, now: int, chance: float, open_age: int = 0) -> Verdict:
    """Decide what becomes of a delivery after its attempt of that number (1 is the first) ended so at `now`.

    `open_age`: microseconds that it has lived while its lane was open; a retry that would come after the deadline is
    not made.
    """
    match outcome:
        case Done(reason=reason):
            return Verdict(State.DONE, now, reason)
        case Skip(reason=reason):
            return Verdict(State.SKIPPED, now, reason)
        case Dead(reason=reason):
            return Verdict(State.DEAD, now, reason)
        case Interrupted(reason=reason):
            return Verdict(State.PENDING, now, reason, counts=False)
        case Retry(reason=reason, after=after):
            delay = retry_delay(terms.retry_seconds, attempt, chance)
            if delay is None:
                return Verdict(State.DEAD, now, f"{reason} (attempt {attempt} was the last)")
            # A try may ask for another pause. What is below 0, or no number at all, was not asked for.
            pause = min(after, LONGEST_PAUSE_SECONDS) if after is not None and after >= 0 else delay
            return _again(reason, round(pause * 1_000_000), terms, now, open_age)


def _again(reason: str, wait: int, terms: Terms, now: int, open_age: int) -> Verdict:
    if terms.deadline_seconds is not None and open_age + wait > terms.deadline_seconds * 1_000_000:
        hours = terms.deadline_seconds / 3600
        return Verdict(State.DEAD, now, f"{reason} (the next try would come after {hours:g} hours)")
    return Verdict(State.PENDING, now + wait, reason)
