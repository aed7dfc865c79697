"""The words of the mailbox as values. What an event is about and what a destination is, it does not know."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from ombud.db.operation import Make

# "Never", as a time in microseconds.
NEVER = 1 << 62


class Box(IntEnum):
    """Which use of the mailbox a lane belongs to; several may live in one database, each with its own performer."""

    OUTBOX = 1
    INBOX = 2
    CHANGES = 3


class State(IntEnum):
    """Where a delivery is in its life. Pending is the only state with work left."""

    PENDING = 0
    DONE = 1
    DEAD = 2
    SKIPPED = 3


class Fault(StrEnum):
    """Whom a failure speaks against: everything behind the lane, or this delivery alone."""

    LANE = "lane"
    DELIVERY = "delivery"


@dataclass(frozen=True)
class Draft:
    """An event about to be stored, and the lanes that must hear of it."""

    shop_id: int
    type: str
    subject: str
    lane_ids: Sequence[int]
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one lane, as loaded: due, not started, and owned by whoever loaded it."""

    shop_id: int
    event_id: int
    lane_id: int
    type: str
    subject: str
    data: str | None
    created_at: int
    due_at: int
    attempts: int
    generation: int


@dataclass(frozen=True)
class Lane:
    """A lane whose lease this process holds."""

    id: int
    shop_id: int
    destination_id: int
    token: int
    window: int
    failures: int


@dataclass(frozen=True)
class Done:
    """The try succeeded. `also` makes more writing for the transaction that settles it; `then` is called after it."""

    status: int | None = None
    reason: str | None = None
    also: Make[None] | None = None
    then: Callable[[], None] | None = None


@dataclass(frozen=True)
class Retry:
    """Try again, `after` seconds from now, or when the schedule says."""

    reason: str
    after: float | None = None
    fault: Fault = Fault.DELIVERY
    status: int | None = None


@dataclass(frozen=True)
class Dead:
    """Give up: no later try can succeed."""

    reason: str
    fault: Fault = Fault.DELIVERY
    status: int | None = None


@dataclass(frozen=True)
class Skip:
    """Nothing to do, and that is well."""

    reason: str
    status: int | None = None


@dataclass(frozen=True)
class Interrupted:
    """This process stopped during the try: it counts for nothing and may repeat."""

    reason: str = "interrupted: the process stopped"
    status: int | None = None


Outcome = Done | Retry | Dead | Skip | Interrupted


@dataclass(frozen=True, slots=True)
class Result:
    """One try at a delivery: when it began (UTC microseconds), how long it took, and its outcome."""

    delivery: Delivery
    at: int
    milliseconds: int
    outcome: Outcome


@dataclass(frozen=True)
class Loaded:
    """What a lane's owner may start now, with the facts of its destination as of this very load."""

    deliveries: Sequence[Delivery]
    facts: Mapping[str, Any] = field(default_factory=dict)
