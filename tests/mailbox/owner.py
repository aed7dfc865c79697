"""A held lane without a database: what its worker does with it, in short words."""

from collections.abc import Sequence
from typing import Any

from ombud.mailbox.health import Care
from ombud.mailbox.held import HeldLane
from ombud.mailbox.looking import needs_a_look
from ombud.mailbox.model import (
    Delivery,
    Done,
    Fault,
    Health,
    Lane,
    Loaded,
    Outcome,
    Rank,
    Result,
    Retry,
)
from ombud.mailbox.stay import Stay
from ombud.mailbox.stock import START
from ombud.mailbox.touch import Touch

NOW = 1_800_000_000_000_000
LEASE = 30_000_000
EXTEND_SECONDS = 2.0
LINGER_SECONDS = 2.0
OPEN = {"closed": None}
CARE = Care()
SICK = Retry("No answer.", fault=Fault.LANE)


def delivery(event_id: int, subject: str | None = None, **changed: Any) -> Delivery:
    subject = subject or f"order/{event_id}"
    plain = Delivery(0, 1, event_id, 7, "order.new", subject, None, NOW, NOW + event_id, Rank.LIVE, 0, 0, None)
    return plain._replace(**changed)


def deliveries(*events: int) -> list[Delivery]:
    return [delivery(event_id) for event_id in events]


class Owner:
    """A held lane, and short words for what its worker does. Time stands still but for `now`, in seconds."""

    def __init__(self, window: int = 4, *, merging: bool = False, crashes: int = 0, **health: Any) -> None:
        self.now = 0.0
        self.merging = merging
        self.rest_seconds = 0.0
        lane = Lane(7, 1, 1, 99, NOW + LEASE, Health(window, **health), crashes)
        self.held = HeldLane(lane, self.now, EXTEND_SECONDS)

    @property
    def clock(self) -> int:
        return NOW + int(self.now * 1_000_000)

    def fill(self, found: Sequence[Delivery], *, closed: str | None = None, **more: Any) -> None:
        self.held.fill(Loaded(found, {"closed": closed}, **more), self.now)

    def start(self) -> list[int]:
        """Start what may; returns the events."""
        started = []
        while (one := self.held.take(self.clock, lambda _, __: True)) is not None:
            started.append(one.event_id)
        return started

    def finish(self, *events: int, outcome: Outcome | None = None, at: int | None = None) -> None:
        for event_id in events:
            result = Result(self.held.in_flight[event_id], self.clock if at is None else at, 1, outcome or Done())
            self.held.finish(result, self.clock, CARE)

    def look(self, pause_seconds: float = 9.0) -> bool:
        return needs_a_look(self.held, self.now, self.clock, woken=False, pause_seconds=pause_seconds)

    def touch(self) -> Touch | None:
        stay = Stay(LINGER_SECONDS, self.rest_seconds)
        return self.held.touch(self.now, self.clock, merging=self.merging, stay=stay)

    def begin(self) -> Touch:
        touch = self.touch()
        assert touch is not None
        self.held.begin(touch)
        return touch

    def end(
        self, touch: Touch, found: Loaded | None = None, *, hold_until: int = 0, given_up: int | None = None
    ) -> None:
        """The turn is committed."""
        self.held.note(touch)
        if touch.extend:
            self.held.extended(touch, self.now + EXTEND_SECONDS, self.clock + LEASE)
        self.held.sees(hold_until, given_up, touch, self.clock)
        if found is not None:
            self.held.fill(found, self.now)

    def turn(self, *found: Delivery, more: bool = False) -> Touch:
        touch = self.begin()
        loaded = Loaded(found, OPEN, (found[-1].due_at, found[-1].event_id) if found else START, more)
        self.end(touch, loaded if touch.wanted is not None else None)
        return touch
