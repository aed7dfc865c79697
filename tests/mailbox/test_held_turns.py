"""How a lane is kept: it stays or leaves, heeds what people do, closes and opens, and is careful after a crash."""

from ombud.mailbox.appetite import hungry
from ombud.mailbox.held import CAREFUL_TRIES, FRONT_SECONDS
from ombud.mailbox.model import NEVER, Health, Loaded
from ombud.mailbox.stay import LINGER_LOADS
from ombud.mailbox.stock import START
from tests.mailbox.owner import EXTEND_SECONDS, LEASE, LINGER_SECONDS, NOW, OPEN, SICK, Owner, deliveries


def test_it_leaves_when_nothing_waits_and_lingers_when_it_was_busy() -> None:
    owner = Owner()
    owner.fill(deliveries(1))
    owner.start()
    owner.finish(1)
    assert owner.begin().leaves

    busy = Owner()
    for number in range(LINGER_LOADS):
        busy.fill(deliveries(number))
        busy.start()
        busy.finish(number)
        touch = busy.begin()
        assert touch.leaves == (number < LINGER_LOADS - 1)
        busy.end(touch)
    assert busy.touch() is None
    busy.now = LINGER_SECONDS - 0.01
    assert busy.touch() is None
    busy.now = LINGER_SECONDS - 0.0
    assert busy.begin().leaves


def test_it_rests_for_a_moment_where_its_end_must_be_written() -> None:
    for stored in (True, False):
        owner = Owner()
        owner.rest_seconds = 0.5
        owner.held.lane = owner.held.lane._replace(stored=stored)
        owner.fill(deliveries(1))
        owner.start()
        owner.finish(1)
        touch = owner.begin()
        assert touch.leaves is not stored
        owner.end(touch)
        owner.now = 0.5
        assert owner.begin().leaves


def test_what_ends_after_the_last_touch_is_not_in_it() -> None:
    """It would be said to be stored by a commit that has not seen it."""
    owner = Owner()
    owner.fill(deliveries(1, 2))
    owner.start()
    owner.finish(1)
    touch = owner.held.last_touch()
    owner.finish(2)
    assert [result.delivery.event_id for result in touch.results] == [1]


def test_what_is_in_flight_keeps_it() -> None:
    owner = Owner()
    owner.fill(deliveries(1))
    owner.start()
    assert owner.touch() is None
    owner.now = EXTEND_SECONDS
    touch = owner.begin()
    assert (touch.extend, touch.leaves) == (True, False)


def test_a_lane_that_gives_way_starts_nothing_more_and_leaves() -> None:
    owner = Owner(window=2)
    owner.fill(deliveries(1, 2, 3, 4))
    assert owner.start() == [1, 2]
    owner.held.give_way()
    assert owner.start() == []
    owner.finish(1)
    owner.finish(2)
    assert owner.start() == []
    touch = owner.begin()
    assert (touch.leaves, touch.wanted) == (True, None)


def test_a_lost_lane_only_records_what_was_in_flight() -> None:
    owner = Owner(window=2)
    owner.fill(deliveries(1, 2, 3))
    owner.start()
    owner.held.lose()
    assert owner.start() == []
    owner.finish(1, outcome=SICK)
    touch = owner.begin()
    assert [result.delivery.event_id for result in touch.results] == [1]
    assert (touch.wanted, touch.keeps) == (None, None)


def test_leased_anew_it_goes_on_with_what_is_in_flight() -> None:
    owner = Owner(window=2)
    owner.fill(deliveries(1, 2, 3))
    owner.start()
    owner.held.lose()
    owner.held.own_again(owner.held.lane._replace(token=100, leased_until=NOW + 2 * LEASE))
    touch = owner.begin()
    owner.end(touch, Loaded(deliveries(1, 2, 3), OPEN))
    assert owner.start() == []
    owner.finish(1)
    assert owner.start() == [3]


def test_a_destination_that_closes_starts_nothing_that_was_loaded_before() -> None:
    owner = Owner(window=1)
    owner.fill(deliveries(1, 2, 3), more=True)
    owner.start()
    touch = owner.begin() if owner.touch() else None
    assert touch is None
    owner.held.rung(changed=True)
    touch = owner.begin()
    owner.end(touch, Loaded((), {"closed": "destination deleted"}))
    owner.finish(1)
    assert owner.start() == []


# What people do, and how it does --------------------------------------------------------------------------------------


def test_a_pause_drops_what_has_not_started_and_its_end_reads_it_again() -> None:
    owner = Owner(window=1)
    owner.fill(deliveries(1, 2))
    owner.start()
    owner.now = EXTEND_SECONDS
    owner.end(owner.begin(), hold_until=NEVER)
    owner.finish(1)
    assert owner.start() == []
    touch = owner.begin()
    assert touch.leaves
    owner.end(touch, hold_until=0)
    owner.turn(*deliveries(2))
    assert owner.start() == [2]


def fall_ill(owner: Owner) -> None:
    owner.fill(deliveries(1, 2, 3, 4, 5, 6, 7, 8))
    owner.start()
    owner.finish(1, 2, 3, 4, 5, outcome=SICK)


def test_it_closes_and_drops_what_has_not_started() -> None:
    owner = Owner(window=6)
    fall_ill(owner)
    held = owner.held

    assert held.health.closed_at == NOW
    assert held.health.hold_until >= NOW + 5_000_000
    assert owner.start() == []
    assert held.stock.ready.count == 0


def test_the_turn_that_stores_that_it_is_closed_does_not_take_the_row_before_for_a_resume() -> None:
    owner = Owner(window=6)
    fall_ill(owner)
    touch = owner.begin()
    assert touch.keeps is not None
    assert not touch.leaves, "one is in flight"
    owner.end(touch, hold_until=0)

    assert owner.held.health.hold_until > owner.clock
    assert owner.start() == []


def test_the_turn_that_stores_that_it_is_given_up_does_not_take_the_row_before_for_a_resume() -> None:
    owner = Owner(closed_at=NOW - 10, given_up_at=None)
    held = owner.held
    owner.fill(deliveries(1))
    held.health = held.health._replace(given_up_at=NOW)
    touch = owner.begin()
    owner.end(touch, Loaded((), OPEN), given_up=None)

    assert held.health.given_up_at == NOW
    assert owner.start() == []


def test_a_resume_of_a_closed_lane_in_hand_lets_it_be_probed_at_once() -> None:
    owner = Owner(window=6)
    fall_ill(owner)
    owner.end(owner.begin(), hold_until=0)
    hold_until = owner.held.health.hold_until
    owner.now = EXTEND_SECONDS
    assert owner.now >= owner.held.extend_at, "a sign of life is due"
    owner.end(owner.begin(), hold_until=hold_until)
    assert owner.held.health.hold_until == hold_until, "nobody has changed it"
    owner.now = 2 * EXTEND_SECONDS
    assert owner.now >= owner.held.extend_at
    owner.end(owner.begin(), hold_until=0)

    assert owner.held.health.hold_until == 0
    assert owner.held.window(owner.clock) == 1


def test_a_resume_of_what_was_given_up_opens_it_and_counts_the_time() -> None:
    owner = Owner(closed_at=NOW - 1_000, closed_time=50, given_up_at=NOW - 10)
    owner.held.rung(changed=False)
    owner.end(owner.begin(), Loaded((), OPEN), given_up=None)

    assert owner.held.health == Health(closed_time=1_050)


def test_probes_take_turns_among_the_subjects() -> None:
    owner = Owner(window=1, closed_at=NOW - 10, failures=5, failed_subjects="order/2\norder/1\norder/3")
    probed = []
    for _ in range(6):
        owner.held.rung(changed=False)
        owner.now = (owner.held.health.hold_until - NOW) / 1_000_000 + 1 if owner.held.health.hold_until else 0.0
        touch = owner.begin()
        owner.end(touch, Loaded(deliveries(1, 2, 3, 4), OPEN) if touch.wanted else None, hold_until=10**18)
        probed += owner.start()
        owner.finish(probed[-1], outcome=SICK)

    assert probed == [4, 2, 1, 3, 4, 2]


# After a crash --------------------------------------------------------------------------------------------------------


def test_after_a_crash_one_is_tried_at_a_time_until_as_many_as_may_have_been_in_flight() -> None:
    owner = Owner(window=16, crashes=1)
    owner.held.rung(changed=False)
    for number in range(CAREFUL_TRIES):
        touch = owner.begin()
        assert touch.careful
        assert touch.wanted is not None
        owner.end(touch, Loaded(deliveries(number), OPEN, more=True))
        assert not hungry(owner.held, owner.clock), "while it waits to start, nothing else is put on record"
        assert owner.start() == [number]
        assert not hungry(owner.held, owner.clock)
        owner.finish(number)
    touch = owner.begin()
    assert not touch.careful
    owner.end(touch, Loaded(deliveries(*range(100, 120)), OPEN))
    assert len(owner.start()) > 1


def test_a_lane_that_hangs_is_read_from_the_front_once_a_try_has_ended() -> None:
    owner = Owner(window=2)
    owner.fill(deliveries(1, 2, 3))
    owner.start()
    owner.now = FRONT_SECONDS
    assert not owner.look(), "nothing could start"
    touch = owner.begin()
    assert touch.wanted is None
    assert touch.extend
    owner.end(touch)
    assert not owner.look()
    owner.finish(1)
    touch = owner.turn(*deliveries(3))
    assert touch.wanted is not None
    assert touch.wanted.cursor == START
    assert owner.start() == [3]
    owner.finish(2)
    assert owner.begin().wanted is None, "it was read"


def test_a_lane_that_could_start_more_is_read_from_the_front_at_once() -> None:
    owner = Owner(window=2)
    owner.fill(deliveries(1))
    owner.start()
    owner.now = FRONT_SECONDS
    assert owner.look()
    wanted = owner.begin().wanted
    assert wanted is not None
    assert (wanted.cursor, set(wanted.known)) == (START, {1})


def test_until_when_it_needs_no_look() -> None:
    owner, pause = Owner(window=6), 0.5

    owner.fill(deliveries(1, 2, 3, 4))
    owner.start()
    assert not owner.look(pause)
    assert owner.held.look_at == pause
    owner.now = 1.8
    assert not owner.look(pause), "it is busy"
    assert owner.held.look_at == EXTEND_SECONDS
    owner.held.next_due, owner.held.look_at = 1.9, 0.0
    assert not owner.look(pause)
    assert owner.held.look_at == 1.9
    fall_ill(owner)
    assert owner.held.look_at == 0.0, "a probe may be due any time"
