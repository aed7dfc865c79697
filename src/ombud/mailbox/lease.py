"""Owning lanes: lease, prove, extend, release. Whoever holds the token of a lane's lease is its one owner."""

import random
import secrets
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from ombud.db.operation import Afterwards, Operation
from ombud.mailbox.mailbox import Mailbox, sql
from ombud.mailbox.model import Health, Lane

# Seconds between two signs of life for a lane that stays owned: each is a write.
EXTEND_SECONDS = 5.0
# Of a lease, the share after which a sign of life is due: two may be missed.
EXTEND_SHARE = 1 / 3
# Of those seconds, the share by which each may come earlier: lanes that were leased together do not stay together.
EXTEND_SPREAD = 1 / 4

_ID = itemgetter(Lane._fields.index("id"))


def new_token() -> int:
    """Return what proves a lease: random, because a number that comes back would let a late owner in."""
    return secrets.randbits(62)


def next_sign(now: float, lease_seconds: float) -> float:
    """Return when a lane that has given a sign of life at `now` is to give the next; both in seconds."""
    most = min(EXTEND_SECONDS, lease_seconds * EXTEND_SHARE)
    return now + most * (1 - EXTEND_SPREAD * random.random())  # noqa: S311 - it spreads, it guards nothing


def next_wake(mailbox: Mailbox) -> Operation[int | None]:
    """Return the microseconds until the next lane must be looked at, or None."""
    rows = yield sql["next_wake"], {"box": mailbox.box}
    wait: int | None = rows[0]["wait"]
    return wait


def free_leases(mailbox: Mailbox) -> Operation[None]:
    """Make the lanes of dead performers due. Only for a performer that was elected as the only one of its box."""
    yield sql["free_leases"], {"box": mailbox.box}


def lease(mailbox: Mailbox, lanes: int) -> Operation[list[Lane]]:
    """Become the owner of up to that many lanes that are due, those that have waited longest first."""
    values = {"box": mailbox.box, "token": new_token(), "lease": mailbox.policy.lease, "lanes": lanes}
    return [lane_of(row) for row in (yield sql["lease_lanes"], values, tuple)]


def fence(lanes: Sequence[Lane]) -> Operation[Mapping[int, Sequence[Any]]]:
    """Return which of these lanes are still mine, and lock them until the commit: id, hold_until, given_up_at.

    The first thing of an owner's transaction. A condition on the token in each later statement would not do: it locks
    nothing, and a thief that leased the lane meanwhile would load what this transaction is about to settle.
    """
    # In the order in which they are stored: a page of lanes is looked up once.
    rows = yield sql["fence"], [(lane.id, lane.proof) for lane in sorted(lanes, key=_ID)], tuple
    return {row[0]: row for row in rows}


def extend(mailbox: Mailbox, lanes: Sequence[Lane]) -> Operation[None]:
    """Keep lanes beyond the end of their lease, and store a lease that was in memory alone."""
    lease = mailbox.policy.lease
    yield sql["extend_leases"], [(lane.id, lane.proof, lease, lane.token) for lane in lanes]


def keep_health(lanes: Sequence[tuple[Lane, Health, int]]) -> Operation[None]:
    """Store how owned lanes do; with each, the crashes that still count."""
    yield sql["keep_health"], [(lane.id, lane.proof, *health, crashes) for lane, health, crashes in lanes]


def note_start(lane: Lane, event_id: int | None) -> Operation[None]:
    """Put on record what is about to start, or that nothing is; for a lane whose last owner died."""
    yield sql["note_start"], [(lane.id, lane.proof, event_id)]


def release(lanes: Sequence[tuple[Lane, Health]]) -> Operation[None]:
    """Give lanes back with the crashes that still count; each wakes when its earliest pending delivery is due."""
    yield (
        sql["release_lanes"],
        [(lane.id, lane.proof, health.window, health.failures, lane.crashes) for lane, health in lanes],
    )
    yield Afterwards(sql["recheck_lanes"], [(lane.id,) for lane, _ in lanes])


def sweep() -> Operation[None]:
    """Ring the lanes that would sleep past pending work: a process may have died between an append and its ring."""
    lane_ids = yield sql["lanes_with_work"], {}, tuple
    yield Afterwards(sql["sweep_lanes"], lane_ids)


def lane_of(row: Sequence[Any]) -> Lane:
    """Return a leased lane from its row, as the statements that lease return it."""
    (id_, shop_id, destination_id, token, window, failures, subjects, closed_at, closed_time, probes, warned) = row[:11]
    crashes, hold_until, given_up_at, started, leased_until, stored = row[11:]
    health = Health(window, failures, subjects, closed_at, closed_time, probes, warned, given_up_at, hold_until)
    return Lane(id_, shop_id, destination_id, token, leased_until, health, crashes, started, bool(stored))
