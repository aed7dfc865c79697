"""Whether the time of a refusal tells a stranger how near a guess of a token is: a Welch test of pairs of guesses.

OMBUD_TEST_TIMINGS says how many guesses of each kind are timed: 2,000 here, 100,000 by hand (docs/testing.md).
"""

import gc
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import sqrt
from statistics import fmean, variance

import pytest

from ombud.receiver import shops
from ombud.receiver.inbox import Inbox
from tests.receiver.world import TOKEN, Desk

pytestmark = pytest.mark.alone

TIMINGS = int(os.environ.get("OMBUD_TEST_TIMINGS", "2000"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
# Of |t|: what chance exceeds once in 150,000 times. It is the threshold of dudect, the usual test for leaks of time.
MOST_T = 4.5
# The slowest tenth says what else the machine did.
KEPT = 0.9


def other(text: str) -> str:
    """Return a text of that length with nothing in common with it."""
    return "".join("Q" if letter != "Q" else "q" for letter in text)


# What of each pair is nearer to the token than the other one; both have one length, which a stranger chooses anyway.
PAIRS: Mapping[str, tuple[str, str]] = {
    "all but the last letter": (TOKEN[:-1] + "~", other(TOKEN)),
    "a prefix": (TOKEN[:8], other(TOKEN[:8])),
    "the token and more": (TOKEN + "~" * 20, other(TOKEN + "~" * 20)),
    "the same token twice": (other(TOKEN), other(TOKEN)),
}


def seconds(inbox: Inbox, token: str) -> float:
    """Return how long the whole answer takes to a webhook with this token, which is wrong."""
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/hooks/{token}", "QUERY_STRING": ""}
    said: list[str] = []
    began = time.perf_counter()
    body = list(inbox.wsgi(environ, lambda status, _: said.append(status)))
    took = time.perf_counter() - began
    assert (said, body) == (["404 Not Found"], [b"Not found."])
    return took


@contextmanager
def undisturbed() -> Iterator[None]:
    """Collect no garbage meanwhile."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def welch(one: list[float], another: list[float]) -> float:
    """Return Welch's t of two samples, the slowest of both together left out."""
    limit = sorted([*one, *another])[int(KEPT * (len(one) + len(another))) - 1]
    left, right = ([value for value in sample if value <= limit] for sample in (one, another))
    return (fmean(left) - fmean(right)) / sqrt(variance(left) / len(left) + variance(right) / len(right))


def measured(ask: Callable[[str], float], pair: tuple[str, str]) -> float:
    """Return t of a pair, whose guesses come in an order of chance."""
    chance, samples = random.Random(SEED), ([], [])  # type: tuple[random.Random, tuple[list[float], list[float]]]
    with undisturbed():
        for number in chance.sample([0, 1] * TIMINGS, 2 * TIMINGS):
            samples[number].append(ask(pair[number]))
    return welch(*samples)


@pytest.mark.timeout(60 + TIMINGS // 100)
@pytest.mark.parametrize("name", PAIRS)
def test_the_time_of_a_refusal_tells_nothing(quiet: Desk, name: str) -> None:
    seconds(quiet.inbox, "nobody")
    t = measured(lambda token: seconds(quiet.inbox, token), PAIRS[name])
    print(f"{name}: t = {t:.2f} of {TIMINGS} each, seed {SEED}")
    assert abs(t) < MOST_T


def test_a_comparison_letter_by_letter_is_found_out(quiet: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def hash_while_it_is_right(token: str) -> bytes:
        for right, given in zip(TOKEN, token, strict=False):
            if right != given:
                break
            # As dear as a letter is anywhere: beside what else a request costs a comparison would be lost in the noise.
            real(right)
        return real(token)

    real = shops.token_hash
    monkeypatch.setattr("ombud.receiver.hook.token_hash", hash_while_it_is_right)
    t = measured(lambda token: seconds(quiet.inbox, token), PAIRS["all but the last letter"])
    print(f"letter by letter: t = {t:.2f} of {TIMINGS} each, seed {SEED}")
    assert abs(t) > MOST_T
