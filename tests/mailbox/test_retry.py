"""What a try means: pure functions, so every rule is tried with every value."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ombud.mailbox.model import Dead, Done, Fault, Interrupted, Outcome, Retry, Skip, State
from ombud.mailbox.retry import JITTER, LONGEST_PAUSE_SECONDS, Terms, judge, retry_delay
from ombud.settings import RETRY_PRESETS, RETRY_SECONDS

USUAL = Terms(RETRY_SECONDS)
NOW = 1_800_000_000_000_000

schedules = st.lists(st.floats(0, 200_000), max_size=15)
chances = st.floats(0, 1)
attempts = st.integers(1, 20)
faults = st.sampled_from(Fault)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Done),
    st.builds(Retry, st.text(), st.none() | st.floats(), faults),
    st.builds(Dead, st.text(), faults),
    st.builds(Skip, st.text()),
    st.just(Interrupted()),
)


def test_the_default_schedule_is_what_the_docstring_says() -> None:
    delays = [retry_delay(RETRY_SECONDS, attempt, 0.0) for attempt in range(1, 13)]

    assert delays == [5, 30, 300, 1_800, 7_200, 18_000, 36_000, 43_200, 43_200, 43_200, 43_200, None]
    assert sum(delay for delay in delays if delay) < 72 * 3_600


@given(schedules, attempts, chances)
def test_jitter_adds_and_never_subtracts(schedule: list[float], attempt: int, chance: float) -> None:
    delay = retry_delay(schedule, attempt, chance)

    if attempt > len(schedule):
        assert delay is None
    else:
        assert delay is not None
        assert schedule[attempt - 1] <= delay <= schedule[attempt - 1] * (1 + JITTER)


def test_jitter_spreads_what_failed_together() -> None:
    assert retry_delay([100.0], 1, 0.0) == 100.0
    assert retry_delay([100.0], 1, 1.0) == 120.0


@given(schedules, attempts, chances, st.none() | st.floats())
def test_a_retry_waits_for_the_schedule_or_for_what_was_asked(
    schedule: list[float], attempt: int, chance: float, after: float | None
) -> None:
    verdict = judge(Retry("refused", after), attempt, Terms(schedule), NOW, chance)

    if attempt > len(schedule):
        assert verdict.state is State.DEAD
        assert verdict.reason == f"refused (attempt {attempt} was the last)"
        return
    waits = (verdict.due_at - NOW) / 1_000_000
    assert verdict.state is State.PENDING
    assert verdict.counts
    if after is not None and after >= 0:
        assert waits == pytest.approx(min(after, LONGEST_PAUSE_SECONDS), abs=1e-6)
    else:
        assert schedule[attempt - 1] - 1e-6 <= waits <= schedule[attempt - 1] * (1 + JITTER) + 1e-6


@pytest.mark.parametrize(
    ("after", "waits"),
    [
        (None, 5.0),
        (1.0, 1.0),
        (0.0, 0.0),
        (-3.0, 5.0),
        (60.0, 60.0),
        (86_400.0, 86_400.0),
        (90_000.0, 86_400.0),
        (math.inf, 86_400.0),
        (-math.inf, 5.0),
        (math.nan, 5.0),
    ],
)
def test_up_to_a_day_may_be_asked_for_and_nonsense_is_not_heard(after: float | None, waits: float) -> None:
    assert judge(Retry("busy", after), 1, USUAL, NOW, 0.0).due_at == NOW + waits * 1_000_000


def test_a_schedule_may_be_slower_than_a_day() -> None:
    assert judge(Retry("refused"), 1, Terms([200_000.0]), NOW, 0.0).due_at == NOW + 200_000 * 1_000_000


@given(schedules, attempts, chances)
def test_an_interruption_never_counts_and_is_due_at_once(schedule: list[float], attempt: int, chance: float) -> None:
    verdict = judge(Interrupted(), attempt, Terms(schedule), NOW, chance)

    assert (verdict.state, verdict.due_at, verdict.counts) == (State.PENDING, NOW, False)


@pytest.mark.parametrize(
    ("outcome", "state"), [(Done(), State.DONE), (Dead("gone"), State.DEAD), (Skip("covered"), State.SKIPPED)]
)
def test_an_end_is_an_end(outcome: Done | Dead | Skip, state: State) -> None:
    verdict = judge(outcome, 1, USUAL, NOW, 0.0)

    assert (verdict.state, verdict.counts, verdict.reason) == (state, True, outcome.reason)


@given(outcomes, attempts, chances, st.integers(0, 1 << 50))
def test_nothing_is_due_before_now_and_nothing_ends_twice(
    outcome: Outcome, attempt: int, chance: float, age: int
) -> None:
    verdict = judge(outcome, attempt, Terms(RETRY_SECONDS, 3_600.0), NOW, chance, age)

    assert verdict.due_at >= NOW
    assert (verdict.due_at == NOW) or verdict.state is State.PENDING
    assert verdict.counts == (not isinstance(outcome, Interrupted))


@pytest.mark.parametrize(
    ("open_hours", "after", "state"),
    [
        (0.0, None, State.PENDING),
        (71.99, None, State.PENDING),
        (72.0, None, State.DEAD),
        (100.0, None, State.DEAD),
        (71.0, 3_600.0, State.PENDING),
        (71.0, 3_601.0, State.DEAD),
    ],
)
def test_no_try_is_planned_for_after_the_deadline(open_hours: float, after: float | None, state: State) -> None:
    """Hours for which its lane was open since the first try; the schedule's first pause is 5 seconds."""
    age = round(open_hours * 3_600_000_000)
    verdict = judge(Retry("busy", after), 1, Terms(RETRY_SECONDS, 72 * 3_600.0), NOW, 0.0, age)

    assert verdict.state is state
    if state is State.DEAD:
        assert verdict.reason == "busy (the next try would come after 72 hours)"


@given(schedules, attempts, chances, st.floats(1, 1e6), st.integers(0, 1 << 42))
def test_what_is_planned_lies_before_the_deadline(
    schedule: list[float], attempt: int, chance: float, deadline: float, age: int
) -> None:
    verdict = judge(Retry("busy"), attempt, Terms(schedule, deadline), NOW, chance, age)
    without = judge(Retry("busy"), attempt, Terms(schedule), NOW, chance, age)

    if verdict.state is State.PENDING:
        assert verdict == without
        assert age + verdict.due_at - NOW <= deadline * 1_000_000
    else:
        assert without.state is State.DEAD or age + without.due_at - NOW > deadline * 1_000_000


@pytest.mark.parametrize(
    ("fault", "attempt", "age_hours", "state", "wait"),
    [
        (Fault.LANE, 1, 0.0, State.PENDING, 5.0),
        (Fault.LANE, 12, 0.0, State.PENDING, 43_200.0),
        (Fault.LANE, 500, 0.0, State.PENDING, 43_200.0),
        (Fault.LANE, 12, 71.0, State.PENDING, 3_600.0),
        (Fault.LANE, 12, 73.0, State.PENDING, 0.0),
        (Fault.DELIVERY, 11, 0.0, State.PENDING, 43_200.0),
        (Fault.DELIVERY, 12, 0.0, State.DEAD, 0.0),
        (Fault.DELIVERY, 1, 72.0, State.DEAD, 0.0),
    ],
)
def test_in_a_closed_lane_neither_number_nor_time_is_held_against_a_delivery(
    fault: Fault, attempt: int, age_hours: float, state: State, wait: float
) -> None:
    terms = Terms(RETRY_SECONDS, 72 * 3_600.0, closed=True)

    verdict = judge(Retry("busy", fault=fault), attempt, terms, NOW, 0.0, round(age_hours * 3_600_000_000))

    assert (verdict.state, verdict.due_at - NOW) == (state, round(wait * 1_000_000))


@pytest.mark.parametrize(
    ("name", "tries", "hours"), [("standard", 10, 75.6), ("svix", 8, 27.6), ("stripe", 15, 65.0), ("shopify", 9, 4.0)]
)
def test_schedules_by_name(name: str, tries: int, hours: float) -> None:
    schedule = RETRY_PRESETS[name]

    assert len(schedule) + 1 == tries
    assert round(sum(schedule) / 3_600, 1) == hours
    assert list(schedule) == sorted(schedule)
    assert max(schedule) <= LONGEST_PAUSE_SECONDS
