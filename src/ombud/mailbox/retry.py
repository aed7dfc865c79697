"""When to try again, and what a try means for its delivery and its lane: pure functions of values."""

from collections.abc import Sequence
from dataclasses import dataclass

from ombud.mailbox.model import Dead, Done, Fault, Interrupted, Outcome, Retry, Skip, State

# Share of the delay that chance may add, never subtract: a thousand deliveries that failed together spread out.
JITTER = 0.2
# Seconds: the longest pause that a try may ask for instead of the schedule's.
LONGEST_PAUSE_SECONDS = 86_400.0
# Deliveries in flight for one lane: what one destination can hold of a process.
WINDOW_CAP = 64


@dataclass(frozen=True)
class Verdict:
    """What a try does to its delivery: the state, when it is due again (UTC microseconds), and whether it counts."""

    state: State
    due_at: int
    reason: str | None
    counts: bool = True


def retry_delay(schedule: Sequence[float], attempt: int, chance: float) -> float | None:
    """Return the seconds to wait after that attempt (1 is the first) failed, or None when it was the last.

    `chance` is between 0 and 1. With the default schedule and no chance: 5, 30, 300, 1,800, 7,200, 18,000, 36,000 and
    four times 43,200 seconds; after the twelfth failure None.
    """
    if attempt > len(schedule):
        return None
    return schedule[attempt - 1] * (1 + JITTER * chance)


def judge(outcome: Outcome, attempt: int, schedule: Sequence[float], now: int, chance: float) -> Verdict:
    """Decide what becomes of a delivery after its attempt of that number (1 is the first) ended so at `now`."""
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
            delay = retry_delay(schedule, attempt, chance)
            if delay is None:
                return Verdict(State.DEAD, now, f"{reason} (attempt {attempt} was the last)")
            # A try may ask for another pause. What is below 0, or no number at all, was not asked for.
            pause = min(after, LONGEST_PAUSE_SECONDS) if after is not None and after >= 0 else delay
            return Verdict(State.PENDING, now + round(pause * 1_000_000), reason)


def window_after(window: int, outcome: Outcome) -> int:
    """Return how many deliveries a lane may have in flight after this outcome: from 1, one more for each success."""
    match outcome:
        case Retry(fault=Fault.LANE) | Dead(fault=Fault.LANE):
            return max(1, window // 2)
        case Interrupted():
            return window
        case _:
            return min(WINDOW_CAP, window + 1)
