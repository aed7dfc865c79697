"""What of a lane may start: by its window, one of a subject, each once, from loads and from appends."""

import pytest

from ombud.mailbox.appetite import KNOWN_MOST, hungry
from ombud.mailbox.model import NEVER, Loaded, Rank, Retry
from ombud.mailbox.stock import START
from tests.mailbox.owner import EXTEND_SECONDS, NOW, OPEN, Owner, deliveries, delivery


def test_it_starts_as_many_as_its_window_and_the_oldest_first() -> None:
    owner = Owner(window=3)
    assert owner.start() == []
    owner.fill(deliveries(1, 2, 3, 4, 5))

    assert owner.start() == [1, 2, 3]
    owner.finish(2)
    assert owner.start() == [4, 5], "a success has widened it"


def test_of_a_subject_one_is_in_flight_and_the_next_follows_at_once() -> None:
    owner = Owner(window=10)
    owner.fill([delivery(1, "a"), delivery(2, "a"), delivery(3, "b"), delivery(4, "a"), delivery(5, "b")])

    assert owner.start() == [1, 3]
    owner.finish(1)
    assert owner.start() == [2]
    owner.finish(3)
    owner.finish(2)
    assert sorted(owner.start()) == [4, 5]
    assert not owner.held.idle


def test_what_is_known_is_not_taken_twice() -> None:
    owner = Owner(window=10)
    owner.fill(deliveries(1, 2))
    assert owner.start() == [1, 2]
    owner.fill(deliveries(1, 2, 3))
    assert owner.start() == [3]
    owner.finish(1)
    owner.fill(deliveries(1))
    assert owner.start() == [], "its result is not stored yet"
    owner.turn()
    owner.fill(deliveries(1))
    assert owner.start() == [1], "a replay"


def test_live_comes_before_replays_which_hold_a_quarter_of_the_window() -> None:
    owner = Owner(window=8)
    replays = [delivery(number, rank=Rank.REPLAY) for number in range(1, 5)]
    owner.fill([*replays, *deliveries(11, 12, 13, 14, 15, 16, 17, 18, 19)])

    assert owner.start() == [11, 12, 13, 14, 15, 16, 17, 18]
    owner.finish(11, 12, 13, 14, 15, 16, 17, 18)
    assert owner.start() == [19, 1, 2, 3, 4][: 1 + 16 // 4]


@pytest.mark.parametrize(("window", "share"), [(1, 1), (4, 1), (8, 2), (64, 16)])
def test_replays_alone_hold_a_quarter_of_the_window(window: int, share: int) -> None:
    owner = Owner(window=window)
    owner.fill([delivery(number, rank=Rank.REPLAY) for number in range(1, 40)])

    assert owner.start() == list(range(1, share + 1))


def test_first_tries_do_not_stand_behind_retries_that_find_no_slot() -> None:
    owner = Owner(window=4)
    owner.fill([*(delivery(number, attempts=1) for number in range(1, 20)), *deliveries(21, 22)])
    first = owner.held.take(owner.clock, lambda _, one: one.attempts == 0)

    assert first is not None
    assert first.event_id == 21
    again = owner.held.take(owner.clock, lambda _, __: True)
    assert again is not None
    assert again.event_id == 1, "the oldest due, when there is a slot"


def test_past_the_end_of_its_lease_it_starts_nothing() -> None:
    owner = Owner()
    owner.fill(deliveries(1, 2))
    owner.now = 29.9
    assert owner.start() == [1, 2]
    owner.fill(deliveries(3))
    owner.now = 30.0
    assert owner.start() == []
    touch = owner.begin()
    assert touch.extend
    owner.end(touch)
    assert owner.start() == [3]


# Loads and cursors ----------------------------------------------------------------------------------------------------


def test_it_asks_for_more_while_its_window_could_start_more() -> None:
    owner = Owner(window=4)
    owner.fill(deliveries(1, 2, 3, 4, 5, 6, 7, 8), more=True, cursor=(NOW + 8, 8))
    assert owner.touch() is None, "twice the window is loaded"
    assert owner.start() == [1, 2, 3, 4]
    owner.finish(1, 2, 3)
    touch = owner.begin()
    assert touch.wanted is not None, "seven may be in flight"
    assert touch.wanted.cursor == (NOW + 8, 8)
    assert touch.wanted.known == {1, 2, 3, 4, 5, 6, 7, 8}


def test_a_ring_while_a_load_is_committed_is_not_forgotten() -> None:
    owner = Owner()
    owner.held.rung(changed=False)
    touch = owner.begin()
    owner.held.rung(changed=False)
    owner.end(touch, Loaded([], OPEN))

    assert owner.begin().wanted is not None


def test_what_is_dropped_while_a_load_is_committed_is_read_again_from_the_front() -> None:
    """Else it would lie behind the cursor that the load brings."""
    owner = Owner(window=1)
    owner.fill(deliveries(1, 2, 3), more=True, cursor=(NOW + 3, 3))
    assert owner.start() == [1]
    owner.finish(1)
    assert owner.start() == [2, 3]
    touch = owner.begin()
    owner.held.drop_unstarted()
    owner.end(touch, Loaded(deliveries(4), OPEN, (NOW + 4, 4)))

    assert owner.begin().wanted is not None
    assert owner.held.stock.cursor == START


def test_when_a_turn_comes_to_nothing_all_is_asked_for_again() -> None:
    owner = Owner()
    owner.fill(deliveries(1, 2), more=True)
    owner.start()
    owner.finish(1, outcome=Retry("later"))
    touch = owner.begin()
    assert touch.asks_due
    owner.held.undo(touch)

    again = owner.begin()
    assert (again.results, again.asks_due, again.wanted is not None) == (touch.results, True, True)
    assert (touch.again, again.again) == (False, True), "nobody knows whether the first was stored"
    owner.end(again)
    assert owner.held.results == []


def test_results_that_come_while_a_turn_is_committed_stay() -> None:
    owner = Owner()
    owner.fill(deliveries(1, 2))
    owner.start()
    owner.finish(1)
    touch = owner.begin()
    owner.finish(2)
    owner.end(touch)

    assert [result.delivery.event_id for result in owner.held.results] == [2]


def test_memory_is_bounded_however_much_waits_for_one_subject() -> None:
    owner = Owner(window=64)
    owner.fill([delivery(number, "hot") for number in range(KNOWN_MOST)], more=True)
    assert owner.start() == [0]
    assert not hungry(owner.held, owner.clock)
    assert not owner.held.takes_over
    owner.finish(0)
    owner.turn()
    assert hungry(owner.held, owner.clock)


def test_merging_reads_past_a_busy_subject_and_comes_back_when_it_is_free() -> None:
    owner = Owner(window=4, merging=True)
    owner.fill([delivery(1, "a")], more=True)
    assert owner.start() == [1]
    touch = owner.begin()
    assert touch.wanted is not None
    assert touch.wanted.busy == {"a"}
    owner.end(touch, Loaded([delivery(9, "b")], OPEN, (NOW + 9, 9), more=False, passed=frozenset("a")))
    assert owner.start() == [9]
    owner.finish(9)
    assert owner.begin().wanted is None
    owner.finish(1)
    touch = owner.begin()
    assert touch.wanted is not None
    assert touch.wanted.cursor == START


def test_a_subject_that_is_free_before_the_load_says_that_it_was_passed_is_read_again() -> None:
    owner = Owner(window=4, merging=True)
    owner.fill([delivery(1, "a")], more=True)
    owner.start()
    touch = owner.begin()
    owner.finish(1)
    owner.end(touch, Loaded([], OPEN, (NOW + 9, 9), passed=frozenset("a")))

    assert owner.begin().wanted is not None
    assert owner.held.stock.cursor == START


# Hand-over ------------------------------------------------------------------------------------------------------------


def test_what_a_load_has_brought_is_not_taken_over_again() -> None:
    owner = Owner()
    owner.fill(deliveries(1))
    assert owner.start() == [1]
    owner.held.take_over(deliveries(1, 2), OPEN, owner.now, merging=False)
    assert owner.start() == [2]


def test_merging_leaves_a_busy_subject_to_a_load() -> None:
    owner = Owner(merging=True)
    owner.fill([delivery(1, "a")])
    owner.start()
    owner.held.take_over([delivery(2, "a"), delivery(3, "b")], OPEN, owner.now, merging=True)

    assert owner.start() == [3]
    assert 2 not in owner.held.stock.known
    assert owner.begin().wanted is not None


@pytest.mark.parametrize("state", ["stale", "paused", "giving way", "leaving", "lost", "careful", "closed"])
def test_a_lane_with_something_older_or_in_trouble_takes_nothing_over(state: str) -> None:
    owner = Owner(crashes=int(state == "careful"), closed_at=NOW if state == "closed" else None)
    held = owner.held
    owner.fill([])
    match state:
        case "stale":
            held.rung(changed=False)
        case "paused":
            owner.now = EXTEND_SECONDS
            owner.end(owner.begin(), hold_until=NEVER)
        case "giving way":
            held.give_way()
        case "leaving":
            assert owner.begin().leaves
        case "lost":
            held.lose()
    assert not held.takes_over


def test_an_idle_lane_in_order_takes_over() -> None:
    owner = Owner()
    owner.fill([])
    assert owner.held.takes_over
