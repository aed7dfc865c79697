"""How a call is carried out: wait for its turn, send it, and repeat it when the API was only busy.

Both clients run these generators. What comes out is a `Wait` or a `Call`; a call is sent back its `Answer`.
"""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Self, TypeAlias, TypeVar

from ombud.client.answer import Answer, retry_after_seconds
from ombud.client.budget import Budget, Priority, Ticket
from ombud.client.call import Call, Steps
from ombud.client.errors import RateLimited
from ombud.errors import OmbudError

PATIENCE_SECONDS = 60.0  # the API's longest pause that somebody who waits for an answer may be expected to sit through
LOOK_SECONDS = 0.5  # who comes and goes in the queue changes everybody's turn: look again at least this often

T = TypeVar("T")


@dataclass(frozen=True)
class Wait:
    """Do nothing for so many seconds."""

    seconds: float


Talk: TypeAlias = Generator[Wait | Call[Any], Answer | None, T]


@dataclass(frozen=True)
class Terms:
    """On what terms a client asks: its budget if it has one, its priority in it, and how long one call may wait.

    `heard` hears of each request that was answered: its priority, and the status.
    """

    budget: Budget | None = None
    patience_seconds: float = PATIENCE_SECONDS
    priority: Priority = Priority.CALL
    clock: Callable[[], float] = time.monotonic
    heard: Callable[[Priority, int], None] | None = None

    def at(self, priority: Priority) -> Self:
        return replace(self, priority=priority)


def exchange(call: Call[T], terms: Terms) -> Talk[T]:
    """Carry out one call; with no budget, send it once and at once.

    Raises `RateLimited` when the turn, or the next one after a 429, would come later than patience allows.
    """
    if terms.budget is None:
        return call.parse(_complete((yield call)))
    until = terms.clock() + terms.patience_seconds
    turn = yield from _turn(terms.budget, terms, until)
    if isinstance(turn, float):
        raise RateLimited(turn, sent=False)
    while True:
        answer = _complete((yield call))
        if terms.heard is not None:
            terms.heard(terms.priority, answer.status)
        if not _busy(answer):
            terms.budget.succeeded(turn)
            return call.parse(answer)
        terms.budget.limited(turn, retry_after_seconds(answer.headers))
        turn = (yield from _turn(terms.budget, terms, until)) if _may_repeat(call, answer) else 0.0
        if isinstance(turn, float):
            return call.parse(answer)


def converse(steps: Steps[T], terms: Terms) -> Talk[T]:
    """Carry out several calls, each on the same terms; an error goes to the steps, which may know what to do."""
    try:
        call = next(steps)
        while True:
            try:
                result = yield from exchange(call, terms)
            except OmbudError as problem:
                call = steps.throw(problem)
            else:
                call = steps.send(result)
    except StopIteration as end:
        found: T = end.value
        return found


def _turn(budget: Budget, terms: Terms, until: float) -> Generator[Wait, Any, Ticket | float]:
    """Wait for a turn; give its ticket, or the seconds that it would still take when that is too long."""
    ticket = budget.join(terms.priority)
    try:
        while (seconds := budget.ask(ticket)) > 0:
            if terms.clock() + seconds > until:
                return seconds
            yield Wait(min(seconds, LOOK_SECONDS))
    finally:
        budget.leave(ticket)
    return ticket


def _busy(answer: Answer) -> bool:
    """429, or 503 with the header that makes it the same: come back later."""
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return retry_after_seconds(answer.headers) is not None
    return answer.status == HTTPStatus.TOO_MANY_REQUESTS


def _may_repeat(call: Call[Any], answer: Answer) -> bool:
    """A 429 was not served, whatever it asked for. A 503 may have been written by something that gave up half-way."""
    return call.method == "GET" or answer.status == HTTPStatus.TOO_MANY_REQUESTS


def _complete(answer: Answer | None) -> Answer:
    assert answer is not None, "a call is sent back its answer"
    return answer
