"""How a lane does: open, ramping, closed, probing, given up. Pure, so every rule is tried with every value."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ombud.mailbox.health import (
    CLOSING_FAILURES,
    CLOSING_SUBJECTS,
    GIVE_UP_DAYS,
    WARNING_DAYS,
    Care,
    LaneState,
    after_try,
    probe_delay,
    state_of,
    warnings_due,
)
from ombud.mailbox.model import Dead, Delivery, Done, Fault, Health, Interrupted, Outcome, Result, Retry, Skip
from ombud.mailbox.retry import JITTER, LONGEST_PAUSE_SECONDS

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
DAY = 86_400 * SECOND
SICK = Retry("No answer.", fault=Fault.LANE)
CARE = Care()
GIVING_UP = Care(gives_up=True)


def result(outcome: Outcome, at: int = NOW, subject: str = "order/1") -> Result:
    delivery = Delivery(0, 1, 1, 1, "order.new", subject, None, at, at, 0, 0, 0, None)
    return Result(delivery, at, 12, outcome)


def tried(health: Health, outcome: Outcome, at: int = NOW, subject: str = "order/1", care: Care = CARE) -> Health:
    return after_try(health, result(outcome, at, subject), at, care, 0.0)


def closed(care: Care = CARE) -> Health:
    health = Health(window=32)
    for number in range(CLOSING_FAILURES):
        health = tried(health, SICK, subject=f"order/{number}", care=care)
    assert state_of(health, NOW, care) is LaneState.CLOSED
    return health


outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Done),
    st.builds(Retry, st.just("no"), st.none() | st.floats(), st.sampled_from(Fault)),
    st.builds(Dead, st.just("gone"), st.sampled_from(Fault)),
    st.builds(Skip, st.just("covered")),
    st.just(Interrupted()),
)
steps = st.lists(
    st.tuples(
        outcomes, st.integers(0, 2 * DAY), st.sampled_from([f"order/{number}" for number in range(4)]), st.floats(0, 1)
    ),
    max_size=40,
)
cares = st.builds(Care, st.integers(1, 64), st.floats(0.1, 10), st.floats(10, 1_000), st.booleans())


@given(steps, cares)
def test_whatever_happens_it_stays_sensible(lived: list[tuple[Outcome, int, str, float]], care: Care) -> None:
    health, now = Health(), NOW
    for outcome, passed, subject, chance in lived:
        now += passed
        before, health = health, after_try(health, result(outcome, now, subject), now, care, chance)
        assert 1 <= health.window <= care.window_cap
        assert health.open_time(now) <= now
        assert health.open_time(now) >= before.open_time(now - passed)
        assert health.closed_at is None or health.hold_until >= health.closed_at
        assert health.closed_at is not None or health.given_up_at is None
        assert (health.closed_at is None) == (state_of(health, now, care) in (LaneState.OPEN, LaneState.RAMPING))
        assert health.failed_subjects.count("\n") < CLOSING_SUBJECTS
        if isinstance(outcome, Interrupted):
            assert health == before
        if isinstance(outcome, Done):
            assert (health.failures, health.closed_at, health.hold_until) == (0, None, 0)


def test_success_widens_a_lane_to_its_cap_and_doubles_it_in_a_round() -> None:
    health, rounds = Health(), [1]
    while health.window < CARE.window_cap:
        for _ in range(health.window):
            health = tried(health, Done())
        rounds.append(health.window)

    assert rounds == [1, 2, 4, 8, 16, 32, 64]
    assert state_of(health, NOW) is LaneState.OPEN
    assert tried(health, Done()) is health


@pytest.mark.parametrize(
    ("outcome", "window", "failures"),
    [
        (Done(), 9, 0),
        (Skip("covered"), 9, 0),
        (Retry("404", fault=Fault.DELIVERY), 9, 0),
        (Dead("410", fault=Fault.DELIVERY), 9, 0),
        (Retry("500", fault=Fault.LANE), 4, 3),
        (Dead("gone", fault=Fault.LANE), 4, 3),
        (Interrupted(), 8, 2),
    ],
)
def test_an_answer_widens_and_trouble_of_the_lane_halves(outcome: Outcome, window: int, failures: int) -> None:
    health = tried(Health(window=8, failures=2, failed_subjects="order/1"), outcome)

    assert (health.window, health.failures) == (window, failures)
    assert state_of(health, NOW) is LaneState.RAMPING


@pytest.mark.parametrize(
    ("subjects", "closes"),
    [
        (["a", "b", "c", "a"], False),
        (["a", "b", "c", "a", "b"], True),
        (["a", "a", "a", "a", "a", "a", "b"], False),
        (["a", "a", "a", "b", "c"], True),
        (["a", "b"] * 10, False),
        (["a", "b"] * 10 + ["c"], True),
    ],
)
def test_it_closes_after_five_failures_over_three_subjects(subjects: list[str], closes: bool) -> None:
    """Fewer subjects may be the deliveries' own fault: a healthy destination must not close for one bad order."""
    health = Health()
    for subject in subjects:
        health = tried(health, SICK, subject=subject)

    assert (health.closed_at is not None) == closes


def test_a_success_in_between_starts_the_count_anew() -> None:
    health = Health()
    for number in range(20):
        health = tried(health, SICK if number % 5 < 4 else Done(), subject=f"order/{number}")

    assert (health.closed_at, health.failures) == (None, 0)


@pytest.mark.parametrize(
    ("after", "seconds"),
    [(0.0, 5), (3.0, 5), (60.0, 60), (100_000.0, LONGEST_PAUSE_SECONDS), (float("inf"), LONGEST_PAUSE_SECONDS)],
)
def test_a_pause_that_is_asked_for_closes_it_at_once(after: float, seconds: float) -> None:
    health = tried(Health(window=32), Retry("429", after, Fault.LANE))

    assert (health.closed_at, health.window) == (NOW, 1)
    assert health.hold_until == NOW + seconds * SECOND


@pytest.mark.parametrize(
    "outcome",
    [Retry("later", 60.0, Fault.DELIVERY), Retry("?", -1.0, Fault.LANE), Retry("?", float("nan"), Fault.LANE)],
)
def test_a_pause_for_one_delivery_or_no_pause_at_all_closes_nothing(outcome: Outcome) -> None:
    assert tried(Health(window=32), outcome).closed_at is None


def test_it_probes_ever_more_rarely_until_an_answer_opens_it() -> None:
    health, now, pauses = closed(), NOW, []
    for _ in range(9):
        pauses.append((health.hold_until - now) / SECOND)
        assert state_of(health, health.hold_until - 1) is LaneState.CLOSED
        now = health.hold_until
        assert state_of(health, now) is LaneState.PROBING
        health = tried(health, SICK, at=now)
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]

    health = tried(health, Done(), at=now)
    assert health == Health(window=1, closed_time=now - NOW)
    assert state_of(health, now) is LaneState.RAMPING


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_chance_adds_to_a_probes_pause_and_never_subtracts(probes: int, chance: float) -> None:
    delay = probe_delay(probes, CARE, chance)
    least = probe_delay(probes, CARE, 0.0)

    assert CARE.first_probe_seconds <= least <= CARE.last_probe_seconds
    assert least <= delay <= least * (1 + JITTER)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_pauses_never_shrink(chances: list[float]) -> None:
    for few, more in pairwise(range(40)):
        assert probe_delay(few, CARE, chances[0]) <= probe_delay(more, CARE, chances[0])


def test_what_was_in_flight_when_it_closed_is_no_probe() -> None:
    health = closed()

    assert after_try(health, result(SICK, NOW - 1), NOW + 9 * SECOND, CARE, 0.0) == health
    opened = after_try(health, result(Done(), NOW - 1), NOW + 9 * SECOND, CARE, 0.0)
    assert opened.closed_at is None


def test_a_delivery_that_is_to_blame_itself_shows_that_the_destination_is_there() -> None:
    assert tried(closed(), Retry("404", fault=Fault.DELIVERY)).closed_at is None


def test_its_own_clock_stands_still_while_it_is_closed() -> None:
    health = closed()
    before = Health().open_time(NOW)
    assert health.open_time(NOW + DAY) == before
    opened = tried(health, Done(), at=NOW + DAY)

    assert opened.open_time(NOW + DAY) == before
    assert opened.open_time(NOW + DAY + 5) == before + 5


@pytest.mark.parametrize(
    ("days", "warned", "due"),
    [
        (0.9, 0, []),
        (1.0, 0, [1]),
        (1.0, 1, []),
        (2.9, 1, []),
        (3.0, 1, [3]),
        (4.5, 3, [4]),
        (4.5, 0, [1, 3, 4]),
        (6.0, 4, []),
    ],
)
def test_it_is_said_on_the_first_third_and_fourth_day(days: float, warned: int, due: list[int]) -> None:
    health = closed()._replace(warned=warned)

    assert warnings_due(health, NOW + round(days * DAY)) == due
    assert warnings_due(Health(warned=warned), NOW + round(days * DAY)) == ()


def test_the_days_of_warning_come_before_it_is_given_up() -> None:
    assert sorted(WARNING_DAYS) == list(WARNING_DAYS)
    assert WARNING_DAYS[-1] < GIVE_UP_DAYS


@pytest.mark.parametrize(("care", "state"), [(GIVING_UP, LaneState.GIVEN_UP), (CARE, LaneState.CLOSED)])
def test_after_five_days_it_is_given_up_where_that_is_done(care: Care, state: LaneState) -> None:
    health = closed(care)
    almost = tried(health, SICK, at=NOW + GIVE_UP_DAYS * DAY - 1, care=care)
    assert almost.given_up_at is None
    now = NOW + GIVE_UP_DAYS * DAY
    health = tried(health, SICK, at=now, care=care)

    assert health.closed_at == NOW
    assert state_of(health, now, care) is state
