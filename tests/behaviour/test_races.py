"""Lost wake-ups and late owners, step by step: what is pending is looked at, and nothing is done twice.

An append and its ring, a release and its recheck are taken apart, as where they are commits of their own.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import permutations

import pytest

from ombud.db.database import Database
from ombud.db.operation import Afterwards, Operation
from ombud.mailbox import lease as leases
from ombud.mailbox.lease import sweep
from ombud.mailbox.mailbox import Policy
from ombud.mailbox.model import NEVER, Done, Health, Lane, Result, State
from ombud.mailbox.settle import settle
from tests.behaviour.broken import broken
from tests.behaviour.conftest import LEASE_SECONDS
from tests.mailbox.office import PATIENCE_SECONDS, Office, StoppedClock
from tests.support.commits import A_MOMENT_SECONDS, held_open
from tests.support.databases import POSTGRES, Home


@pytest.fixture
def lane(office: Office) -> Lane:
    lane_id = office.add_lane()
    office.rows("update lane set wake_at = 0 where id = :id", id=lane_id)
    return office.lease_one()


@pytest.fixture
def other(home: Home, clock: StoppedClock, office: Office) -> Iterator[Office]:
    """Another process with the same mailbox."""
    database: Database = home.open(clock)
    yield Office(database, Policy(lease_seconds=LEASE_SECONDS))
    database.close()


def follow(office: Office, left: Sequence[Afterwards]) -> None:
    """Do what follows a commit."""

    def do() -> Operation[None]:
        yield from (step for step in left)  # a list cannot be sent rows

    office.run(do)


orders = [order for order in permutations("ARWC") if order.index("A") < order.index("R")]


@pytest.mark.parametrize("order", ["".join(order) for order in orders if order.index("W") < order.index("C")])
def test_no_order_of_append_ring_release_and_recheck_loses_a_wake_up(
    office: Office, lane: Lane, clock: StoppedClock, order: str
) -> None:
    left: dict[str, list[Afterwards]] = {}

    def append() -> None:
        _, left["R"] = office.die_after(lambda: office.mailbox.append([office.draft(lane.id)]))

    def release() -> None:
        _, left["C"] = office.die_after(lambda: leases.release([(lane, Health())]))

    steps: dict[str, Callable[[], None]] = {
        "A": append,
        "R": lambda: follow(office, left["R"]),
        "W": release,
        "C": lambda: follow(office, left["C"]),
    }
    for step in order:
        steps[step]()

    assert office.lane(lane.id)["wake_at"] <= clock()


def test_a_process_that_dies_before_its_ring_is_made_good_by_the_sweep(
    office: Office, lane: Lane, clock: StoppedClock
) -> None:
    office.release(lane)
    office.die_after(lambda: office.mailbox.append([office.draft(lane.id)]))
    assert office.lane(lane.id)["wake_at"] == NEVER
    office.run(sweep)

    assert office.lane(lane.id)["wake_at"] <= clock()


def test_a_sweep_wakes_nobody_too_early(office: Office, clock: StoppedClock) -> None:
    """It looks into every lane with pending work; what waits for its time, is held or owned, stays as it is."""
    waits, held, paused, idle = (office.add_lane() for _ in range(4))
    later = office.append(waits)
    office.rows("update delivery set due_at = due_at + 60000000 where event_id = :id", id=later)
    office.append(held, paused)
    office.release(office.lease_one())
    for lane in office.lease():
        office.release(lane)
    office.pause(paused)
    hold_until = clock() + 30_000_000
    office.rows("update lane set hold_until = :at, wake_at = :at where id = :id", at=hold_until, id=held)
    owned = office.add_lane()
    office.append(owned)
    owner = office.lease_one()
    before = office.rows("select * from lane order by id")
    office.run(sweep)

    assert office.rows("select * from lane order by id") == before
    assert [office.lane(lane_id)["wake_at"] for lane_id in (waits, held, paused, idle, owned)] == [
        clock() + 60_000_000,
        hold_until,
        NEVER,
        NEVER,
        owner.leased_until,
    ]


def test_an_append_while_a_release_is_being_committed_is_not_lost(
    office: Office, other: Office, lane: Lane, clock: StoppedClock
) -> None:
    """It may find the lane still owned, while the release does not find it yet."""
    with ThreadPoolExecutor(1) as pool:
        with held_open(office.run, lambda: leases.release([(lane, Health())])):
            appending = pool.submit(other.append, lane.id)
            wait([appending], A_MOMENT_SECONDS)
        appending.result(PATIENCE_SECONDS)

    assert office.lane(lane.id)["wake_at"] <= clock()


def test_a_thief_cannot_come_between_the_fence_and_the_commit(
    office: Office, other: Office, lane: Lane, clock: StoppedClock
) -> None:
    """Else it would load as pending what is being settled."""
    event_id = office.append(lane.id)
    delivery = office.load_one(lane)
    clock.jump(LEASE_SECONDS)

    def settle_it() -> Operation[None]:
        owned = yield from leases.fence([lane])
        assert set(owned) == {lane.id}
        yield from settle(office.mailbox, [Result(delivery, clock(), 12, Done())], {lane.id})

    def steal() -> list[int]:
        stolen = [other.load(thief) for thief in other.lease()]
        return [found.event_id for loaded in stolen for found in loaded.deliveries]

    with ThreadPoolExecutor(1) as pool:
        with held_open(office.run, settle_it):
            stealing = pool.submit(steal)
            wait([stealing], A_MOMENT_SECONDS)
        assert stealing.result(PATIENCE_SECONDS) == []
    assert steal() == []
    assert office.state(event_id) == State.DONE


# Where several write at once, the two above need the recheck and the fence's lock.
where_several_write_at_once = pytest.mark.parametrize("home", POSTGRES, indirect=True)


@where_several_write_at_once
def test_without_the_recheck_the_append_is_lost(office: Office, other: Office, lane: Lane, clock: StoppedClock) -> None:
    with broken("recheck_lanes", "l.lease_token is null", "false"), pytest.raises(AssertionError):
        test_an_append_while_a_release_is_being_committed_is_not_lost(office, other, lane, clock)

    assert office.lane(lane.id)["wake_at"] == NEVER
    office.run(sweep)
    assert office.lane(lane.id)["wake_at"] <= clock()


@where_several_write_at_once
def test_without_the_fences_lock_the_thief_loads_what_is_being_settled(
    office: Office, other: Office, lane: Lane, clock: StoppedClock
) -> None:
    with broken("fence", "for no key update of l", ""), pytest.raises(AssertionError):
        test_a_thief_cannot_come_between_the_fence_and_the_commit(office, other, lane, clock)
