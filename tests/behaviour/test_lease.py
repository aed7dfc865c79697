"""Leasing: one owner for a lane, the longest waiting first, and evidence when an owner dies."""

from ombud.mailbox.lease import free_leases
from ombud.mailbox.model import Box
from tests.behaviour.conftest import LEASE_SECONDS
from tests.mailbox.office import Office, StoppedClock


def test_lanes_that_are_due_are_leased_for_a_while(office: Office, clock: StoppedClock) -> None:
    lane_id = office.add_lane(window=3, shop_id=5)
    office.append(lane_id, shop_id=5)
    (lane,) = office.lease()

    row = office.lane(lane_id)
    assert (lane.id, lane.shop_id, lane.destination_id, lane.health.window) == (lane_id, 5, 1, 3)
    assert row["lease_token"] == lane.token
    assert row["wake_at"] == lane.leased_until == clock() + LEASE_SECONDS * 1_000_000
    assert row["crashes"] == 0


def test_a_leased_lane_has_one_owner(office: Office) -> None:
    office.append(office.add_lane())

    assert len(office.lease()) == 1
    assert office.lease() == []


def test_nothing_is_due_and_nothing_is_leased(office: Office, clock: StoppedClock) -> None:
    lane_id = office.add_lane()
    assert office.lease() == []

    office.rows("update lane set wake_at = :at where id = :id", id=lane_id, at=clock() + 1)
    assert office.lease() == []


def test_who_has_waited_longest_comes_first(office: Office, clock: StoppedClock) -> None:
    lanes = [office.add_lane() for _ in range(6)]
    waits = [30, 10, 50, 20, 60, 40]
    for lane_id, seconds in zip(lanes, waits, strict=True):
        office.rows("update lane set wake_at = :at where id = :id", id=lane_id, at=clock() - seconds)

    batches = [{lane.id for lane in office.lease(2)} for _ in range(4)]

    oldest_first = [lane_id for _, lane_id in sorted(zip(waits, lanes, strict=True), reverse=True)]
    assert batches == [set(oldest_first[0:2]), set(oldest_first[2:4]), set(oldest_first[4:6]), set()]


def test_each_lease_has_a_token_of_its_own(office: Office) -> None:
    lane_id = office.add_lane()
    tokens = set()
    for _ in range(5):
        office.append(lane_id)
        (lane,) = office.lease()
        tokens.add(lane.token)
        office.release(lane)

    assert len(tokens) == 5


def test_a_box_leases_its_own_lanes(office: Office) -> None:
    lane_id = office.add_lane()
    office.rows("update lane set box = :box where id = :id", box=Box.INBOX, id=lane_id)
    office.append(lane_id)

    assert office.lease() == []


def test_a_lease_that_ends_makes_the_lane_due_and_counts_a_crash(office: Office, clock: StoppedClock) -> None:
    lane_id = office.add_lane()
    office.append(lane_id)
    (dead,) = office.lease()
    clock.jump(LEASE_SECONDS - 0.000001)
    assert office.lease() == []

    clock.jump(0.000001)
    (taken,) = office.lease()
    assert (taken.id, taken.token == dead.token) == (lane_id, False)
    assert office.lane(lane_id)["crashes"] == 1


def test_a_sign_of_life_extends_a_lease(office: Office, clock: StoppedClock) -> None:
    lane_id = office.add_lane()
    office.append(lane_id)
    (lane,) = office.lease()
    clock.jump(LEASE_SECONDS - 1)
    office.extend(lane)
    clock.jump(LEASE_SECONDS - 1)

    assert office.lease() == []


def test_a_lost_lease_cannot_be_extended(office: Office, clock: StoppedClock) -> None:
    lane_id = office.add_lane()
    office.append(lane_id)
    (lost,) = office.lease()
    clock.jump(LEASE_SECONDS)
    office.lease()
    leased_until = office.lane(lane_id)["wake_at"]
    clock.jump(1)
    office.extend(lost)

    assert office.lane(lane_id)["wake_at"] == leased_until


def test_a_new_performer_takes_what_a_dead_one_held(office: Office, clock: StoppedClock) -> None:
    held, free, other = office.add_lane(), office.add_lane(), office.add_lane()
    office.append(held, other)
    office.rows("update lane set box = :box where id = :id", box=Box.INBOX, id=other)
    office.lease()
    office.rows("update lane set lease_token = 5, wake_at = wake_at + 1000000 where id = :id", id=other)
    before = office.lane(other)
    office.run(lambda: free_leases(office.mailbox))

    assert [lane.id for lane in office.lease()] == [held]
    assert office.lane(held)["crashes"] == 1
    assert office.lane(free)["wake_at"] > clock()
    assert office.lane(other) == before


def test_a_release_forgives_a_crash(office: Office) -> None:
    lane_id = office.add_lane()
    office.append(lane_id)
    office.lease()
    office.run(lambda: free_leases(office.mailbox))
    (lane,) = office.lease()
    office.release(lane, 4, 2)

    row = office.lane(lane_id)
    assert (row["crashes"], row["window_size"], row["failures"], row["lease_token"]) == (0, 4, 2, None)
