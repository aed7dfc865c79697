"""How a call is carried out: its turn, its repeats, its patience. No clock but the test's, no socket."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from ombud.client import ApiError, Budget, Priority, RateLimited, reads, writes
from ombud.client.answer import Answer
from ombud.client.call import Call, Steps
from ombud.client.exchange import LOOK_SECONDS, Talk, Terms, Wait, converse, exchange
from ombud.client.secret import Secret

SECRET = Secret("some key")
THREE = Answer(200, {}, b'{"count": "3"}', SECRET)
DONE = Answer(200, {}, b'{"success": 1}', SECRET)


def busy(status: int = 429, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"", SECRET)


@dataclass
class World:
    """Time, and an API that gives these answers in turn."""

    answers: Iterator[Answer]
    now: float = 50.0
    sent: list[tuple[float, str]] = field(default_factory=list)

    def terms(self, budget: Budget | None = None, **more: Any) -> Terms:
        return Terms(budget, clock=lambda: self.now, **more)

    def budget(self, per_second: float = 1.0) -> Budget:
        return Budget(per_second, clock=lambda: self.now)

    def run(self, talk: Talk[Any]) -> Any:
        try:
            step = next(talk)
            while True:
                if isinstance(step, Wait):
                    assert 0 < step.seconds <= LOOK_SECONDS
                    self.now += step.seconds
                    step = talk.send(None)
                else:
                    self.sent.append((round(self.now - 50.0, 3), step.method))
                    step = talk.send(next(self.answers))
        except StopIteration as end:
            return end.value


def world(*answers: Answer) -> World:
    return World(iter(answers))


def test_without_a_budget_a_call_is_one_request() -> None:
    here = world(busy(retry_after="7"))

    with pytest.raises(RateLimited) as caught:
        here.run(exchange(reads.product_count(), here.terms()))

    assert (caught.value.retry_after_seconds, caught.value.sent) == (7, True)
    assert here.sent == [(0.0, "GET")]


def test_with_a_budget_a_call_waits_for_its_turn() -> None:
    here = world(*[THREE] * 6)
    terms = here.terms(here.budget(2.0))
    for _ in range(6):
        assert here.run(exchange(reads.product_count(), terms)) == 3

    assert [at for at, _ in here.sent] == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.5, 1.0], abs=0.02)


@pytest.mark.parametrize("call", [reads.product_count(), writes.update_product("7", stock=1)], ids=["read", "write"])
def test_429_is_waited_for_and_repeated(call: Any) -> None:
    here = world(busy(retry_after="3"), busy(), THREE if call.method == "GET" else DONE)

    here.run(exchange(call, here.terms(here.budget())))

    assert [at for at, _ in here.sent] == [0.0, 3.0, 5.0]


def test_a_read_is_repeated_after_a_503_that_says_when() -> None:
    here = world(busy(503, retry_after="3"), THREE)

    assert here.run(exchange(reads.product_count(), here.terms(here.budget()))) == 3


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (reads.product_count(), busy(503)),
        (reads.product_count(), busy(500, retry_after="1")),
        (writes.update_product("7", stock=1), busy(503, retry_after="1")),
    ],
    ids=["503 that does not say when", "500", "a write that may have been done"],
)
def test_anything_else_is_not_repeated(call: Call[Any], answer: Answer) -> None:
    here = world(answer)

    with pytest.raises(ApiError) as caught:
        here.run(exchange(call, here.terms(here.budget())))

    assert caught.value.status == answer.status
    assert len(here.sent) == 1


def test_patience_ends_a_wait_before_it_begins() -> None:
    here = world(busy(retry_after="90"))
    terms = here.terms(here.budget(), patience_seconds=60.0)

    with pytest.raises(RateLimited) as answered:
        here.run(exchange(reads.product_count(), terms))
    with pytest.raises(RateLimited, match=r"budget .* 90 s") as kept_back:
        here.run(exchange(reads.product_count(), terms))

    assert (answered.value.sent, kept_back.value.sent) == (True, False)
    assert (answered.value.retry_after_seconds, kept_back.value.retry_after_seconds) == (90, 90)
    assert answered.value.__context__ is None
    assert len(here.sent) == 1
    assert here.now == 50.0


def test_patience_is_for_a_call_as_a_whole() -> None:
    here = world(*[busy(retry_after="25")] * 9)

    with pytest.raises(RateLimited):
        here.run(exchange(reads.product_count(), here.terms(here.budget(), patience_seconds=60.0)))

    assert [at for at, _ in here.sent] == [0.0, 25.0, 50.0]


def test_who_gives_up_leaves_the_queue() -> None:
    here = world(*[THREE] * 4)
    budget = here.budget()
    for _ in range(4):
        here.run(exchange(reads.product_count(), here.terms(budget)))
    talk = exchange(reads.product_count(), here.terms(budget))
    assert isinstance(next(talk), Wait)
    assert budget.state().waiting == 1

    talk.close()

    assert budget.state().waiting == 0


def test_what_is_urgent_goes_first() -> None:
    here = world(*[THREE] * 6)
    budget = here.budget()
    for _ in range(4):
        here.run(exchange(reads.product_count(), here.terms(budget)))
    slow = exchange(reads.product_count(), here.terms(budget).at(Priority.BASELINE))
    urgent = exchange(reads.product_count(), here.terms(budget).at(Priority.CONFIRM_ORDER))
    assert isinstance(next(slow), Wait)
    assert isinstance(next(urgent), Wait)
    here.now += 1.0

    assert isinstance(slow.send(None), Wait)
    assert isinstance(urgent.send(None), Call)


def test_an_error_goes_to_the_steps_which_may_know_better() -> None:
    def steps() -> Steps[str]:
        try:
            yield reads.product_count()
        except ApiError as error:
            found = yield reads.product_count()
            return f"{error.status} then {found}"
        return "no error"

    here = world(Answer(500, {}, b"", SECRET), THREE)

    assert here.run(converse(steps(), here.terms())) == "500 then 3"


def test_an_error_that_nobody_knows_better_about_comes_out() -> None:
    def steps() -> Steps[Sequence[int]]:
        return [(yield reads.product_count()), (yield reads.product_count())]

    here = world(THREE, Answer(500, {}, b"", SECRET))

    with pytest.raises(ApiError, match="500"):
        here.run(converse(steps(), here.terms()))


def test_steps_that_need_no_call_give_their_result() -> None:
    def steps() -> Steps[int]:
        yield from ()
        return 7

    here = world()

    assert here.run(converse(steps(), here.terms())) == 7
