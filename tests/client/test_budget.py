"""One budget for one key: never faster than its rate, in order of priority, and away from the API's own limit."""

import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ombud.client import Budget, Budgets, Priority
from ombud.client.budget import (
    BURST,
    FAIR_SHARE,
    GROWTH,
    LEAST_PER_SECOND,
    LONGEST_ASKED_PAUSE_SECONDS,
    LONGEST_OWN_PAUSE_SECONDS,
    MOST_PER_SECOND,
    Ticket,
)
from ombud.errors import ConfigurationError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def take(budget: Budget, clock: Clock, priority: Priority = Priority.CALL) -> Ticket:
    """Wait as a client does, on the clock of the test."""
    ticket = budget.join(priority)
    for _ in range(1_000):
        seconds = budget.ask(ticket)
        if not seconds:
            return ticket
        clock.now += seconds
    raise AssertionError("it never had its turn")


def drain(budget: Budget, clock: Clock) -> None:
    for _ in range(BURST):
        take(budget, clock)


def test_a_burst_leaves_at_once_and_the_rest_at_the_rate(clock: Clock) -> None:
    budget, times = Budget(2.0, clock=clock), []
    for _ in range(BURST + 4):
        take(budget, clock)
        times.append(clock.now - 100.0)

    assert times[:BURST] == [0.0] * BURST
    assert times[BURST:] == pytest.approx([0.5, 1.0, 1.5, 2.0])


@settings(deadline=None)
@given(
    gaps=st.lists(st.floats(0, 5), max_size=60),
    per_second=st.floats(0.2, 50),
    priorities=st.lists(st.sampled_from(Priority), min_size=1, max_size=5),
)
def test_never_more_than_a_burst_above_the_rate(gaps: Any, per_second: Any, priorities: Any) -> None:
    clock = Clock()
    budget = Budget(per_second, most_per_second=per_second, clock=clock)
    times: list[float] = []
    for number, gap in enumerate(gaps):
        clock.now += gap
        take(budget, clock, priorities[number % len(priorities)])
        times.append(clock.now)

    for start, first in enumerate(times):
        for end in range(start, len(times)):
            assert end - start + 1 <= BURST + (times[end] - first) * per_second + 1e-6


@settings(deadline=None)
@given(arrivals=st.permutations(list(Priority) * 2))
def test_turns_go_by_priority_and_then_by_arrival(arrivals: Any) -> None:
    clock = Clock()
    budget = Budget(1.0, clock=clock)
    drain(budget, clock)
    tickets = [budget.join(priority) for priority in arrivals]
    served: list[Ticket] = []
    while len(served) < FAIR_SHARE - BURST - 1:
        clock.now += 0.999
        served += [ticket for ticket in tickets if ticket not in served and not budget.ask(ticket)]
        clock.now += 0.001
        served += [ticket for ticket in tickets if ticket not in served and not budget.ask(ticket)]

    assert served == sorted(tickets, key=lambda ticket: (ticket.priority, ticket.arrived))[: len(served)]


def test_who_is_told_to_wait_is_told_how_long(clock: Clock) -> None:
    budget = Budget(2.0, clock=clock)
    drain(budget, clock)
    first, second = budget.join(Priority.SWEEP), budget.join(Priority.SWEEP)

    assert (budget.ask(first), budget.ask(second)) == pytest.approx((0.5, 1.0))
    urgent = budget.join(Priority.CONFIRM_ORDER)
    assert (budget.ask(urgent), budget.ask(first), budget.ask(second)) == pytest.approx((0.5, 1.0, 1.5))
    budget.leave(urgent)
    budget.leave(first)
    budget.leave(first)
    assert budget.ask(second) == pytest.approx(0.5)
    assert budget.state().waiting == 1


def wait_among_the_urgent(chance: Random, *kinds: Priority) -> int:
    """How many turns others had before the last in rank has its own, while more urgent ones wait and keep coming."""
    clock = Clock()
    budget = Budget(1.0, clock=clock)
    drain(budget, clock)
    urgent = [budget.join(kind) for kind in kinds for _ in range(12)]
    patient = budget.join(Priority.BASELINE)
    for turns in range(3 * FAIR_SHARE):
        clock.now += 1.0
        asking = [*urgent, patient]
        chance.shuffle(asking)
        served = [ticket for ticket in asking if not budget.ask(ticket)]
        assert len(served) <= 1
        if served == [patient]:
            return turns
        urgent = [one for one in urgent if one not in served] + [budget.join(one.priority) for one in served]
    raise AssertionError("it waits still")


@settings(deadline=None)
@given(chance=st.randoms(use_true_random=False))
def test_nobody_waits_for_ever(chance: Any) -> None:
    assert wait_among_the_urgent(chance, Priority.CONFIRM_ORDER) <= FAIR_SHARE
    assert wait_among_the_urgent(chance, Priority.CONFIRM_ORDER, Priority.CONFIRM_PRODUCT) <= 2 * FAIR_SHARE


def test_whom_others_go_before_is_not_told_to_wait_for_all_of_them(clock: Clock) -> None:
    """Else it would give up, as a list does behind the webhooks of a flood."""
    budget = Budget(1.0, clock=clock)
    drain(budget, clock)
    urgent = [budget.join(Priority.CONFIRM_ORDER) for _ in range(64)]
    patient = budget.join(Priority.SWEEP)
    assert budget.ask(patient) == pytest.approx(FAIR_SHARE)
    assert budget.ask(urgent[-1]) == pytest.approx(64)


def test_without_a_fair_share_somebody_would(clock: Clock, monkeypatch: Any) -> None:
    """The control of the test above: with strict priorities the last in rank is never served."""
    monkeypatch.setattr("ombud.client.budget.FAIR_SHARE", 10**9)
    with pytest.raises(AssertionError, match="waits still"):
        wait_among_the_urgent(Random(7), Priority.CONFIRM_ORDER)


def test_429_halves_the_rate_and_keeps_still_as_long_as_it_says(clock: Clock) -> None:
    budget = Budget(8.0, clock=clock)
    ticket = take(budget, clock)
    budget.limited(ticket, 7.0)

    assert budget.state().per_second == 4.0
    assert budget.state().paused_seconds == 7.0
    before = clock.now
    times = []
    for _ in range(3):
        take(budget, clock)
        times.append(clock.now - before)
    assert times == pytest.approx([7.0, 7.25, 7.5])


def test_the_429s_of_requests_that_left_together_count_once(clock: Clock) -> None:
    budget = Budget(8.0, clock=clock)
    tickets = [take(budget, clock) for _ in range(BURST)]
    for ticket in tickets:
        budget.limited(ticket)

    assert budget.state().per_second == 4.0
    assert budget.state().paused_seconds == 1.0
    budget.succeeded(tickets[0])
    budget.limited(take(budget, clock))
    assert budget.state().per_second == 2.0
    assert budget.state().paused_seconds == 2.0


def test_pauses_that_nobody_asked_for_grow_up_to_a_bound_and_end_with_a_success(clock: Clock) -> None:
    budget, pauses = Budget(8.0, clock=clock), []
    for _ in range(12):
        budget.limited(take(budget, clock))
        pauses.append(budget.state().paused_seconds)

    assert pauses[:4] == pytest.approx([1.0, 2.0, 4.0, 8.0])
    assert pauses[-1] == LONGEST_OWN_PAUSE_SECONDS
    assert budget.state().per_second == LEAST_PER_SECOND
    budget.succeeded(take(budget, clock))
    budget.limited(take(budget, clock))
    assert budget.state().paused_seconds == 1.0


@pytest.mark.parametrize(("asked", "pause"), [(0.0, 1.0), (-3.0, 1.0), (1e12, LONGEST_ASKED_PAUSE_SECONDS)])
def test_a_pause_that_makes_no_sense_is_bounded(clock: Clock, asked: Any, pause: Any) -> None:
    budget = Budget(2.0, clock=clock)
    budget.limited(take(budget, clock), asked)

    assert budget.state().paused_seconds == pause


def test_it_grows_only_while_it_is_used_in_full(clock: Clock) -> None:
    budget = Budget(2.0, clock=clock)
    for _ in range(50):
        clock.now += 10.0
        budget.succeeded(take(budget, clock))
    assert budget.state().per_second == 2.0

    start = clock.now
    while clock.now < start + 60.0:
        budget.succeeded(take(budget, clock))
    assert budget.state().per_second == pytest.approx(2.0 * math.exp(GROWTH * 60), rel=0.03)
    while clock.now < start + 600.0:
        budget.succeeded(take(budget, clock))
    assert budget.state().per_second == MOST_PER_SECOND


def server(limit: float, clock: Clock, ask: Callable[[], Ticket], seconds: float, budget: Budget) -> tuple[int, int]:
    """An API that takes `limit` requests per second and five at once; how many it served and refused."""
    tokens, at, served, refused, start = 5.0, clock.now, 0, 0, clock.now
    while clock.now < start + seconds:
        ticket = ask()
        tokens, at = min(5.0, tokens + (clock.now - at) * limit), clock.now
        if tokens < 1:
            refused += 1
            budget.limited(ticket, math.ceil((1 - tokens) / limit))
            continue
        tokens -= 1
        served += 1
        budget.succeeded(ticket)
    return served, refused


@pytest.mark.parametrize("limit", [0.5, 1.0, 3.0, 8.0])
def test_it_finds_the_limit_of_an_api_that_names_none(clock: Clock, limit: Any) -> None:
    budget = Budget(clock=clock)

    served, refused = server(limit, clock, lambda: take(budget, clock), 3_600.0, budget)

    assert served >= 0.6 * limit * 3_600
    assert refused <= 0.1 * served


def test_a_budget_that_does_not_listen_is_refused_all_the_time(clock: Clock) -> None:
    """The control of the test above: at a fixed rate above the limit most requests are refused."""

    class Deaf(Budget):
        def limited(self, ticket: Ticket, retry_after_seconds: float | None = None) -> None:
            pass

    budget = Deaf(10.0, clock=clock)

    served, refused = server(1.0, clock, lambda: take(budget, clock), 600.0, budget)

    assert refused > 5 * served


@pytest.mark.parametrize(
    "wrong", [{"per_second": 0.0}, {"per_second": -1.0}, {"per_second": 3.0, "most_per_second": 2.0}, {"burst": 0}]
)
def test_an_impossible_budget_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="budget"):
        Budget(**wrong)


def test_a_start_above_the_usual_bound_is_its_own_bound(clock: Clock) -> None:
    budget = Budget(1_000.0, clock=clock)
    for _ in range(5_000):
        budget.succeeded(take(budget, clock))

    assert budget.state().per_second == 1_000.0


def test_one_key_has_one_budget() -> None:
    budgets = Budgets()

    assert budgets.of("a") is budgets.of("a")
    assert budgets.of("a") is not budgets.of("b")
    assert repr(budgets) == "<Budgets of 2 keys>"
    with pytest.raises(ConfigurationError):
        budgets.of("")


def test_a_budget_says_how_it_is(clock: Clock) -> None:
    state = "per_second=2.0, waiting=0, paused_seconds=0.0, turns=0"
    assert repr(Budget(2.0, clock=clock)) == f"<Budget BudgetState({state})>"
