"""A lane that this process owns, and what of it is loaded, in flight and settled: the owner's memory, on one event loop."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from ombud.mailbox.health import Care, after_try, warnings_due
from ombud.mailbox.load import Wanted
from ombud.mailbox.model import NEVER, Delivery, Interrupted, Lane, Loaded, Rank, Result, Retry

# Rows that one load reads of one lane: the quantum of a turn. Bounds a commit, and what a crash may repeat.
QUANTUM = 64
# Deliveries of one lane that wait in memory because their subject is in flight: past it the lane reads no further.
WAITING_MOST = 512
# Loads with work in one lease, after which a lane is busy enough to stay leased while it is empty for a moment.
LINGER_LOADS = 3
# Tries in careful mode after a crash: as many as may have been in flight.
CAREFUL_TRIES = 64


class HeldLane:
    """What the owner of a lane knows. Times named `_at` are on the monotonic clock in seconds, unless said otherwise."""

    def __init__(self, lane: Lane, now: float, extend_seconds: float) -> None:
        self.lane = lane
        self.health = lane.health
        self.stored_health = lane.health
        self.facts: Mapping[str, Any] | None = None
        self.ready: deque[Delivery] = deque()
        self.waiting: dict[str, deque[Delivery]] = {}
        self.in_flight: dict[int, Delivery] = {}
        self.busy: set[str] = set()
        self.known: set[int] = set()
        self.results: list[Result] = []
        self.cursor = (0, 0)
        self.stale = False  # more may be due than was loaded
        self.lost = False  # the lease went to somebody else; what is in flight is only recorded
        self.paused = False
        self.yielding = False  # it has had its quantum, and others wait
        self.careful = CAREFUL_TRIES if lane.crashes else 0
        self.replays = 0  # in flight
        self.leased_at = now
        self.extend_at = now + extend_seconds
        self.worked_at = now
        self.loads = 0
        self.started = 0
        self.next_due: float | None = None
        self.asks_due = True

    @property
    def idle(self) -> bool:
        """Nothing of it is in flight or waits to start."""
        return not self.in_flight and not self.ready and not self.waiting

    @property
    def busy_enough_to_linger(self) -> bool:
        """It was served again and again: to release it between two deliveries would cost more than to keep it."""
        return self.loads >= LINGER_LOADS and not self.yielding and not self.paused and self.health.closed_at is None

    def window(self, now: int) -> int:
        """Return how many deliveries may be in flight; `now` in UTC microseconds."""
        if self.lost or self.paused or self.yielding or self.facts is None:
            return 0
        if self.health.closed_at is not None:
            return 1 if now >= self.health.hold_until and self.health.given_up_at is None else 0
        return 1 if self.careful else self.health.window

    def wanted(self, now: int, *, merging: bool) -> Wanted | None:
        """Return what to load, or None when nothing more could be started."""
        given_up = self.health.given_up_at is not None
        if self.lost or self.paused or self.yielding or not self.stale:
            return None
        probing = self.health.closed_at is not None and not given_up
        if (probing and now < self.health.hold_until) or ((self.careful or probing) and self.in_flight):
            return None
        window = QUANTUM if probing else 1 if self.careful else self.health.window
        if len(self.ready) >= window or len(self.known) >= WAITING_MOST + window:
            return None
        most = 1 if self.careful else min(QUANTUM, max(8, 2 * window - len(self.ready)))
        busy = frozenset(self.busy | {one.subject for one in self.ready}) if merging else frozenset[str]()
        replays = max(1, window // 4) if self.replays == 0 else 0
        return Wanted(self.lane.id, self.cursor, most, replays, frozenset(self.known), busy, given_up)

    def fill(self, loaded: Loaded, now: float) -> None:
        """Take over what was loaded, each subject once, oldest due first."""
        self.facts, self.cursor = loaded.facts, loaded.cursor
        self.stale = self.stale or loaded.more
        if not loaded.deliveries:
            return
        self.loads += 1
        self.worked_at = now
        for delivery in loaded.deliveries:
            self.add(delivery)

    def add(self, delivery: Delivery) -> None:
        """Have a delivery wait for its start; one that is known already stays as it is."""
        if delivery.event_id in self.known:
            return
        self.known.add(delivery.event_id)
        if delivery.subject in self.busy:
            self.waiting.setdefault(delivery.subject, deque()).append(delivery)
        else:
            self.busy.add(delivery.subject)
            self.ready.append(delivery)

    def take(self, now: int, admits: Callable[["HeldLane", Delivery], bool]) -> Delivery | None:
        """Return the next delivery to start, if window and room allow one; it is in flight from here on."""
        if len(self.in_flight) >= self.window(now):
            return None
        for delivery in self._candidates():
            if admits(self, delivery):
                self.ready.remove(delivery)
                self.in_flight[delivery.event_id] = delivery
                self.replays += delivery.rank == Rank.REPLAY
                self.started += 1
                return delivery
        return None

    def finish(self, result: Result, now: int, care: Care, chance: float) -> None:
        """Note a try that has ended at `now` (UTC microseconds), and free its subject."""
        delivery = self.in_flight.pop(result.delivery.event_id)
        self.replays -= delivery.rank == Rank.REPLAY
        self.results.append(result)
        self.health = after_try(self.health, result, now, care, chance)
        if due := warnings_due(self.health, now):
            self.health = self.health._replace(warned=max(due))
        self.asks_due = self.asks_due or isinstance(result.outcome, Retry | Interrupted)
        if self.careful and not isinstance(result.outcome, Interrupted):
            self.careful -= 1
            self.stale = True
        self._free(delivery.subject)
        if self.health.closed_at is not None:
            self.drop_unstarted()

    def settled(self, results: int) -> None:
        """Forget the first results: they are stored."""
        for result in self.results[:results]:
            self.known.discard(result.delivery.event_id)
        del self.results[:results]

    def drop_unstarted(self) -> None:
        """Forget what was loaded and has not started: it is read again, with the facts as they are then."""
        for delivery in self.ready:
            self.busy.discard(delivery.subject)
        self.ready.clear()
        self.waiting.clear()
        self.known = {*self.in_flight, *(result.delivery.event_id for result in self.results)}
        self.cursor = (0, 0)
        self.stale = True

    @property
    def keeps(self) -> bool:
        """Its health has changed in more than the window, which a release stores."""
        return self.health != self.stored_health._replace(window=self.health.window)

    def sees_hold(self, hold_until: int, given_up_at: int | None) -> None:
        """Notice what people have done to the lane meanwhile."""
        paused = hold_until == NEVER
        if paused and not self.paused:
            self.drop_unstarted()
        elif self.health.closed_at is not None and hold_until < self.health.hold_until and not self.keeps:
            # Somebody resumed it: probe now.
            self.health = self.health._replace(hold_until=hold_until)
            self.stored_health = self.health
        if given_up_at is None and self.health.given_up_at is not None and not self.keeps:
            self.health = self.stored_health = self.lane.health._replace(closed_at=None, given_up_at=None, window=1)
        self.paused = paused

    def _candidates(self) -> list[Delivery]:
        if self.health.closed_at is None:
            return list(self.ready)[:8] if len(self.ready) > 8 else list(self.ready)  # noqa: PLR2004
        failed = self.health.failed_subjects.split("\n")
        return sorted(self.ready, key=lambda delivery: delivery.subject in failed)

    def _free(self, subject: str) -> None:
        self.busy.discard(subject)
        if queue := self.waiting.get(subject):
            self.busy.add(subject)
            self.ready.appendleft(queue.popleft())
            if not queue:
                del self.waiting[subject]
