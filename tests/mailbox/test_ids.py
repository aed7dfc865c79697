"""Ids: always growing, never twice, the same in text as in number."""

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ombud.errors import InvalidInput
from ombud.mailbox.ids import EPOCH_MILLISECONDS, ID_LIMIT, NODES, IdSource, format_id, parse_id

EPOCH = EPOCH_MILLISECONDS * 1_000
# The last millisecond that fits: in 2095.
LAST = EPOCH + ((1 << 41) - 5_000) * 1_000

nodes = st.integers(0, NODES - 1)
# Forwards, backwards, standing still, and before the epoch.
clocks = st.lists(st.integers(0, LAST), min_size=1, max_size=60)
ids = st.integers(0, ID_LIMIT - 1)


def stopped(now: int) -> Callable[[], int]:
    return lambda: now


def stepping(times: list[int]) -> Callable[[], int]:
    rest: Iterator[int] = iter(times)
    return lambda: next(rest)


@given(nodes, clocks)
def test_ids_grow_whatever_the_clock_does(node: int, times: list[int]) -> None:
    source = IdSource(node, stepping(times))
    made = [source.next() for _ in times]

    assert all(earlier < later for earlier, later in pairwise(made))
    assert all(0 <= number < ID_LIMIT for number in made)


@given(st.lists(nodes, min_size=2, max_size=4, unique=True), clocks)
def test_nodes_never_make_the_same_id(chosen: list[int], times: list[int]) -> None:
    made = [source.next() for source in [IdSource(node, stepping(times)) for node in chosen] for _ in times]

    assert len(set(made)) == len(made)


@pytest.mark.parametrize("now", [EPOCH + 1_000_000, 0, LAST])
def test_five_thousand_in_one_millisecond(now: int) -> None:
    source, neighbour = IdSource(5, stopped(now)), IdSource(6, stopped(now))
    made = [source.next() for _ in range(5_000)]

    assert made == sorted(set(made))
    assert made[-1] < ID_LIMIT
    assert not set(made) & {neighbour.next() for _ in range(5_000)}


def test_a_clock_that_catches_up_changes_nothing() -> None:
    """5,000 ids borrow from the next millisecond; when it comes it is not used twice."""
    now = EPOCH + 1_000_000
    source = IdSource(5, stepping([now] * 5_000 + [now + 1_000] * 5_000))
    made = [source.next() for _ in range(10_000)]

    assert made == sorted(set(made))


def test_threads_share_a_source() -> None:
    source = IdSource(1, stopped(EPOCH + 1_000_000))
    made: list[list[int]] = [[] for _ in range(4)]

    def take(mine: list[int]) -> None:
        mine += [source.next() for _ in range(2_000)]

    threads = [threading.Thread(target=take, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({number for mine in made for number in mine}) == 8_000


def test_ids_follow_time_across_nodes() -> None:
    early, late = IdSource(NODES - 1, stopped(EPOCH + 5_000)), IdSource(0, stopped(EPOCH + 6_000))

    assert early.next() < late.next()


@pytest.mark.parametrize("node", [-1, NODES])
def test_a_node_outside_its_bits_is_refused(node: int) -> None:
    with pytest.raises(ValueError, match=f"node {node} is not between 0 and 1023"):
        IdSource(node, stopped(EPOCH))


@given(ids)
def test_an_id_is_read_as_it_was_written(number: int) -> None:
    assert parse_id("evt", format_id("evt", number)) == number


@given(ids, ids)
def test_text_sorts_as_the_numbers_do(first: int, second: int) -> None:
    assert (format_id("evt", first) < format_id("evt", second)) == (first < second)


def test_people_see_a_prefix_and_thirteen_characters() -> None:
    assert format_id("evt", 0) == "evt_0000000000000"
    assert format_id("dlv", ID_LIMIT - 1) == "dlv_7zzzzzzzzzzzz"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "evt",
        "evt_",
        "dlv_0000000000000",
        "evt_000000000000",
        "evt_00000000000000",
        "evt_8000000000000",
        "evt_000000000000u",
        "evt_000000000000A",
        "evt_\u0660000000000000",
        " evt_0000000000000",
        "evt_0000000000000\n",
    ],
)
def test_anything_else_is_refused_and_the_field_is_named(text: str) -> None:
    with pytest.raises(InvalidInput, match="looks like evt_0000000000000") as caught:
        parse_id("evt", text, "[3].id")

    assert caught.value.field == "[3].id"


@given(st.text(max_size=30))
def test_no_text_makes_the_parser_fall_over(text: str) -> None:
    try:
        number = parse_id("evt", text)
    except InvalidInput:
        return
    assert format_id("evt", number) == text
