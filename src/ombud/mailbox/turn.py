"""One turn of a worker as one transaction: settle what has ended, load what may start, release what is idle, lease."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ombud.db.operation import Operation
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Delivery, Lane, Loaded, Result


@dataclass(eq=False)
class HeldLane:
    """A lane that this process owns, and what it does with it."""

    lane: Lane
    window: int
    failures: int
    extend_at: float  # on the monotonic clock, seconds
    loaded_at: float = 0.0  # on the monotonic clock, seconds
    facts: Mapping[str, Any] = field(default_factory=dict)
    ready: deque[Delivery] = field(default_factory=deque)
    in_flight: dict[asyncio.Task[None], Delivery] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    stale: bool = False  # more may be due than was loaded
    next_due: int | None = None  # UTC microseconds
    lost: bool = False  # the lease went to somebody else; what is in flight is only recorded

    @property
    def hungry(self) -> bool:
        """It may start more than it has loaded."""
        return self.stale and not self.lost and not self.ready and len(self.in_flight) < self.window

    @property
    def idle(self) -> bool:
        """Nothing of it is in flight or waits to start."""
        return not self.ready and not self.in_flight


@dataclass(frozen=True)
class Touch:
    """What a turn does with one held lane, as of the turn's start: the worker goes on while the turn is committed."""

    held: HeldLane
    results: Sequence[Result]
    in_flight: Sequence[Delivery]
    load: bool
    idle: bool
    extend: bool


@dataclass
class TurnDone:
    """What a turn has decided; true once its transaction is committed."""

    lost: list[HeldLane] = field(default_factory=list)
    released: list[HeldLane] = field(default_factory=list)
    loaded: list[tuple[HeldLane, Loaded, int | None]] = field(default_factory=list)
    leased: list[tuple[Lane, Loaded]] = field(default_factory=list)


def take_turn(mailbox: Mailbox, touches: Sequence[Touch], lease: int) -> Operation[TurnDone]:
    """Run the turn: the touched lanes first, so that the lanes leased after them come on top."""
    done = TurnDone()
    for touch in touches:
        yield from _touch(mailbox, touch, done)
    yield from mailbox.extend([touch.held.lane for touch in touches if touch.extend])
    for lane in (yield from mailbox.lease(lease)):
        loaded = yield from mailbox.load(lane, ())
        if loaded.deliveries:
            done.leased.append((lane, loaded))
        else:
            yield from mailbox.release(lane, lane.window, lane.failures)
    return done


def _touch(mailbox: Mailbox, touch: Touch, done: TurnDone) -> Operation[None]:
    held = touch.held
    owned = yield from mailbox.settle(held.lane, touch.results)
    if not owned:
        done.lost.append(held)
        return
    if not touch.load:
        return
    loaded = yield from mailbox.load(held.lane, touch.in_flight)
    if touch.idle and not loaded.deliveries:
        yield from mailbox.release(held.lane, held.window, held.failures)
        done.released.append(held)
        return
    next_due = None if loaded.deliveries else (yield from mailbox.next_due(held.lane))
    done.loaded.append((held, loaded, next_due))


def give_back(mailbox: Mailbox, held: HeldLane) -> Operation[None]:
    """Settle a lane's last results and release it, unless something in it still runs."""
    if (yield from mailbox.settle(held.lane, list(held.results))) and not held.in_flight:
        yield from mailbox.release(held.lane, held.window, held.failures)
