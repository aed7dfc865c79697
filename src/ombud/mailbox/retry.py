"""When to try again, and what a try means for its delivery: pure functions of values."""

from collections.abc import Sequence
from typing import NamedTuple

from ombud.mailbox.model import Dead, Done, Fault, Interrupted, Outcome, Retry, Skip, State

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
    """How long deliveries of a mailbox are tried: the pauses between tries and the time in all, in seconds.

    `closed`: the lane is closed. Then neither the number of its attempts nor the time is held against a delivery whose
    lane is at fault: it waits as long as after the last one, but not past its deadline, should the lane open at once.
    """

    retry_seconds: Sequence[float]
    deadline_seconds: float | None = None
    closed: bool = False


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
        case Interrupted(reason=reason, after=after):
            return Verdict(State.PENDING, now + round(after * 1_000_000), reason, counts=False)
        case Retry():
            return _judge_failure(outcome, attempt, terms, chance).at(now, open_age)


class _Failure(NamedTuple):
    """A try that failed, and in how many microseconds it would be made again; None: it was the last."""

    reason: str
    attempt: int
    wait: int | None
    closed: bool
    deadline_seconds: float | None

    def at(self, now: int, open_age: int) -> Verdict:
        if self.wait is None:
            return Verdict(State.DEAD, now, f"{self.reason} (attempt {self.attempt} was the last)")
        if self.deadline_seconds is None:
            return Verdict(State.PENDING, now + self.wait, self.reason)
        left = self.deadline_seconds * 1_000_000 - open_age
        if self.wait > left and not self.closed:
            hours = self.deadline_seconds / 3600
            return Verdict(State.DEAD, now, f"{self.reason} (the next try would come after {hours:g} hours)")
        wait = max(0, min(self.wait, int(left))) if self.closed else self.wait
        return Verdict(State.PENDING, now + wait, self.reason)


def _judge_failure(outcome: Retry, attempt: int, terms: Terms, chance: float) -> _Failure:
    schedule = terms.retry_seconds
    closed = terms.closed and outcome.fault is Fault.LANE and len(schedule) > 0
    delay = retry_delay(schedule, min(attempt, len(schedule)) if closed else attempt, chance)
    wait = None
    if delay is not None:
        # A try may ask for another pause. What is below 0, or no number at all, was not asked for.
        after = outcome.after
        pause = min(after, LONGEST_PAUSE_SECONDS) if after is not None and after >= 0 else delay
        wait = round(pause * 1_000_000)
    return _Failure(outcome.reason, attempt, wait, closed, terms.deadline_seconds)
