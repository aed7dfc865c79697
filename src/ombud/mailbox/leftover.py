"""What is behind starts as live work leaves room: its time came long ago, and what is new is waited for now.

While there is live work, this process takes no more than a share of a core together with what is behind: what a live
delivery finds before it at each of its steps stays short. Without live work there is no such limit.
"""

import asyncio
import time
from collections.abc import Callable

from ombud.mailbox.model import Delivery

Clock = Callable[[], float]

# Microseconds after its time at which a delivery is behind; replays always are. A burst of a few seconds is live.
BEHIND = 5_000_000
# Of a core: what this process may use with what is behind, beside live work. Of more, live work feels something.
SHARE = 0.3
# Of a core: what may be taken, beside live work, by whoever re-opens what is behind.
REOPENING_SHARE = 0.2
# Seconds after the start of a live delivery in which there is live work.
LIVE_SECONDS = 1.0
# Seconds of a core that starts may run ahead of their pace.
AHEAD_SECONDS = 0.0005
# Seconds over which it is measured what a try costs.
WINDOW_SECONDS = 0.25
# Seconds of a core that a try is taken to cost at most, and before it was measured. What else the process does, say a
# web app around it, is in the measure, and must not bring what is behind to a stop: 600 starts a second are left.
MOST_COST_SECONDS = 0.0005


class Leftover:
    """Keeps the pace of what is behind. For one event loop."""

    def __init__(self, clock: Clock | None = None, processor: Clock = time.process_time) -> None:
        """`clock` and `processor` give seconds: of the wall, and of all processors that this process has used."""
        # Looked up when it is made: time may be moved by then.
        self._clock = clock = clock or time.monotonic
        self._processor = processor
        self._live_at = clock() - LIVE_SECONDS
        self._pause = MOST_COST_SECONDS / SHARE
        self._free_at = 0.0  # when all that is behind and has started would have, evenly spread
        self._tries = 0
        self._seen = (clock(), processor())
        self._waiting: dict[int, Callable[[], None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def live(self) -> bool:
        """Whether there is live work."""
        return self._clock() < self._live_at + LIVE_SECONDS

    def rest(self, spent: float) -> float:
        """Return how many seconds whoever re-opens what is behind rests after a step that took so many."""
        return spent / REOPENING_SHARE - spent if self.live else 0.0

    def admits(self, delivery: Delivery, now: int) -> bool:
        """Return whether a delivery may start; `now` in UTC microseconds."""
        if not delivery.rank and delivery.due_at >= now - BEHIND:
            return True
        return self._has_room(self._clock())

    def enter(self, delivery: Delivery, now: int) -> None:
        """Note that one starts."""
        clock = self._clock()
        self._tries += 1
        if not delivery.rank and delivery.due_at >= now - BEHIND:
            self._live_at = clock
        else:
            self._free_at = max(self._free_at, clock) + self._pause
        if clock >= self._seen[0] + WINDOW_SECONDS:
            self._measure(clock)

    def wait(self, lane_id: int, then: Callable[[], None]) -> None:
        """Call `then` once, when something of that lane may start; lanes in turn."""
        self._waiting.setdefault(lane_id, then)
        self._plan()

    def forget(self, lane_id: int) -> None:
        """A lane waits no more."""
        self._waiting.pop(lane_id, None)

    def _has_room(self, clock: float) -> bool:
        return clock >= self._live_at + LIVE_SECONDS or self._free_at <= clock + AHEAD_SECONDS / SHARE

    def _measure(self, clock: float) -> None:
        processor = self._processor()
        # Whatever else the process does is in it, so that all of it together comes to the share.
        cost = min(MOST_COST_SECONDS, (processor - self._seen[1]) / self._tries)
        self._pause = (self._pause + cost / SHARE) / 2
        self._seen, self._tries = (clock, processor), 0

    def _plan(self) -> None:
        if self._waiting and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(AHEAD_SECONDS, self._free_at - self._clock()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        for _ in range(len(self._waiting)):
            if not self._waiting or not self._has_room(self._clock()):
                break
            # Where it finds no room any more it stands at the end.
            self._waiting.pop(next(iter(self._waiting)))()
        self._plan()
