"""The words of the mailbox as values. What an event is about and what a destination is, it does not know."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

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


class Rank(IntEnum):
    """Who comes first within a lane: what is live, then what somebody replays."""

    LIVE = 0
    REPLAY = 1


class Fault(StrEnum):
    """Whom a failure speaks against: everything behind the lane, or this delivery alone."""

    LANE = "lane"
    DELIVERY = "delivery"


class Draft(NamedTuple):
    """An event about to be stored, and the lanes that must hear of it, `delay` microseconds from now."""

    shop_id: int
    type: str
    subject: str
    lane_ids: Sequence[int]
    data: str | None = None
    delay: int = 0


class Delivery(NamedTuple):
    """One event for one lane, as loaded: due, not started, and owned by whoever loaded it. Times are UTC microseconds.

    `open_since`: when it was first tried, on its lane's open clock; None before. The columns are those of `load_due`.
    """

    day: int
    shop_id: int
    event_id: int
    lane_id: int
    type: str
    subject: str
    data: str | None
    created_at: int
    due_at: int
    rank: int
    attempts: int
    generation: int
    open_since: int | None

    @property
    def key(self) -> tuple[int, int, int]:
        """Day, event and lane."""
        return (self.day, self.event_id, self.lane_id)


class Health(NamedTuple):
    """How a lane's destination does; moved by health.after_try alone. The columns are those of `keep_health`.

    `closed_at`: since when it fails as a whole (UTC microseconds). `closed_time`: microseconds it was closed before.
    `hold_until`: nobody tries earlier. `given_up_at`: nothing is tried until somebody resumes it.
    """

    window: int = 1
    failures: int = 0
    failed_subjects: str = ""
    closed_at: int | None = None
    closed_time: int = 0
    probes: int = 0
    warned: int = 0
    given_up_at: int | None = None
    hold_until: int = 0

    def open_time(self, now: int) -> int:
        """Return the lane's open clock at that time: it stands still while the lane is closed."""
        return (now if self.closed_at is None else self.closed_at) - self.closed_time


class Lane(NamedTuple):
    """A lane whose lease this process holds, as it was leased. `stored`: else that is in its memory alone."""

    id: int
    shop_id: int
    destination_id: int
    token: int
    leased_until: int  # UTC microseconds, by the database's clock
    health: Health = Health()
    crashes: int = 0
    started: int | None = None  # the event that was about to start when a worker died
    stored: bool = True

    @property
    def proof(self) -> int | None:
        """The token as it stands in the database."""
        return self.token if self.stored else None


@dataclass(frozen=True)
class Done:
    """The try succeeded. `also` makes more writing for the transaction that settles it; `then` is called after it."""

    status: int | None = None
    reason: str | None = None
    also: Make[None] | None = None
    then: Callable[[], None] | None = None


@dataclass(frozen=True)
class Retry:
    """Try again, `after` seconds from now, or when the schedule says.

    With the lane's fault and `after`, the destination as a whole asks for that pause. `trace`: where it failed, for who
    mends it. `also` makes more writing for the transaction that settles it.
    """

    reason: str
    after: float | None = None
    fault: Fault = Fault.DELIVERY
    status: int | None = None
    trace: str | None = field(default=None, compare=False)
    also: Make[None] | None = None


@dataclass(frozen=True)
class Dead:
    """Give up: no later try can succeed. `trace` and `also` as those of Retry."""

    reason: str
    fault: Fault = Fault.DELIVERY
    status: int | None = None
    trace: str | None = field(default=None, compare=False)
    also: Make[None] | None = None


@dataclass(frozen=True)
class Skip:
    """Nothing to do, and that is well."""

    reason: str
    status: int | None = None


@dataclass(frozen=True)
class Interrupted:
    """It was no try: this process stopped, or it is too early. It counts for nothing and repeats after a pause."""

    reason: str = "interrupted: the process stopped"
    status: int | None = None
    after: float = 0.0  # seconds


Outcome = Done | Retry | Dead | Skip | Interrupted


class Result(NamedTuple):
    """One try at a delivery: when it began (UTC microseconds), how long it took, and its outcome.

    `open_time`: its lane's open clock then. `token`: the lease under which it began; None: the one that holds.
    `schedule`: by name, what its destination wants of retries. `probe`: its lane was closed.
    """

    delivery: Delivery
    at: int
    milliseconds: int
    outcome: Outcome
    open_time: int = 0
    token: int | None = None
    schedule: str = ""
    probe: bool = False


class Loaded(NamedTuple):
    """What a lane's owner may start now, with the facts of its destination as of this very load."""

    deliveries: Sequence[Delivery]
    facts: Mapping[str, Any] = MappingProxyType({})
    cursor: tuple[int, int] = (0, 0)  # due_at and event id of the last live one that was read
    more: bool = False  # there may be more that is due
    passed: frozenset[str] = frozenset()  # busy subjects of which something waits before the cursor


@dataclass(frozen=True)
class Ages:
    """How many days rows are kept: those of events that ended well, and of those with a failure."""

    done_days: int = 3
    failed_days: int = 30
