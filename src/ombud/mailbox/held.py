"""A lane that this process owns, and what of it is loaded, in flight and settled: its owner's memory, on one event loop."""

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ombud.mailbox.health import Care, after_try, warnings_due
from ombud.mailbox.load import Wanted
from ombud.mailbox.model import NEVER, Delivery, Done, Health, Interrupted, Lane, Loaded, Outcome, Result, Retry

# Rows that one load reads of one lane: the quantum of a turn. Bounds a commit, and what a crash may repeat.
QUANTUM = 64
# Deliveries of one lane in memory: those whose subject is in flight wait, and past this the lane reads no further.
KNOWN_MOST = 512
# Loads with work in one lease, after which a lane is busy enough to stay leased while it is empty for a moment.
LINGER_LOADS = 3
# Tries in careful mode after a crash: as many as may have been in flight.
CAREFUL_TRIES = 64
# Ready deliveries that are looked at when the first of them may not start: replays behind a full share, say.
CANDIDATES = 8


@dataclass(frozen=True, slots=True)
class Touch:
    """What a turn does with a held lane, as of the turn's start: the worker goes on while the turn is committed."""

    held: "HeldLane"
    results: Sequence[Result]
    wanted: Wanted | None = None
    keeps: tuple[Health, Health] | None = None  # as it is stored, and as it is now
    extend: bool = False
    idle: bool = False
    lingers: bool = False
    asks_due: bool = False
    careful: bool = False


class HeldLane:
    """What the owner of a lane knows. Times named `_at` are on the monotonic clock in seconds."""

    def __init__(self, lane: Lane, now: float, extend_seconds: float) -> None:
        self.lane = lane
        self.health = self._stored_health = lane.health
        self.facts: Mapping[str, Any] | None = None
        self.ready: deque[Delivery] = deque()
        self.in_flight: dict[int, Delivery] = {}
        self.results: list[Result] = []
        self.stale = False  # more may be due than was loaded
        self.next_due: float | None = None
        self.leased_at = now
        self.started = 0
        # By subject, what waits until the one in flight has ended.
        self._waiting: dict[str, deque[Delivery]] = {}
        self._busy: set[str] = set()
        # Events that are loaded and not settled: a load may find them again.
        self._known: set[int] = set()
        self._cursor = (0, 0)
        self._lost = False  # the lease went to somebody else; what is in flight is only recorded
        self._paused = False
        self._gives_way = False
        self._careful = CAREFUL_TRIES if lane.crashes else 0
        self._replays = 0  # in flight
        self._loads = 0
        self._extend_at = now + extend_seconds
        self._worked_at = self._looked_at = now
        self._asks_due = True

    @property
    def idle(self) -> bool:
        """Nothing of it is in flight or waits to start."""
        return not self.in_flight and not self.ready and not self._waiting

    @property
    def takes_over(self) -> bool:
        """What was just appended may start from memory: nothing older waits unread."""
        return not (self.stale or self._blocked or self._careful or self.facts is None) and (
            self.health.closed_at is None and len(self._known) < KNOWN_MOST
        )

    @property
    def _blocked(self) -> bool:
        return self._lost or self._paused or self._gives_way

    @property
    def _keeps(self) -> bool:
        """Its health has changed in more than the window, which a release stores."""
        return self.health != self._stored_health and (
            self.health != self._stored_health._replace(window=self.health.window)
        )

    def window(self, clock: int) -> int:
        """Return how many deliveries may be in flight; `clock` in UTC microseconds."""
        if self._blocked or self.facts is None:
            return 0
        if self.health.closed_at is not None:
            return 1 if clock >= self.health.hold_until and self.health.given_up_at is None else 0
        return 1 if self._careful else self.health.window

    # What comes in ----------------------------------------------------------------------------------------------------

    def fill(self, loaded: Loaded, now: float) -> None:
        """Take over what was loaded, each subject once, oldest due first."""
        self.facts, self._cursor = loaded.facts, loaded.cursor
        self.stale = self.stale or loaded.more
        self._looked_at = now
        if loaded.deliveries:
            self._loads += 1
            self._worked_at = now
        for delivery in loaded.deliveries:
            self._add(delivery)

    def take_over(self, deliveries: Iterable[Delivery], facts: Mapping[str, Any], now: float, *, merging: bool) -> None:
        """Start from memory what an append has just committed; `facts` are of after that commit."""
        self.facts, self._worked_at = facts, now
        self._loads += 1
        for delivery in deliveries:
            if merging and delivery.subject in self._busy:
                self.stale = True  # a load merges it with what else has come
            else:
                self._add(delivery)

    def take(self, clock: int, admits: Callable[["HeldLane", Delivery], bool]) -> Delivery | None:
        """Return the next delivery to start, if window and slots allow one; it is in flight from here on."""
        if len(self.in_flight) >= self.window(clock):
            return None
        for place, delivery in enumerate(self._candidates()):
            if admits(self, delivery):
                if place == 0 and delivery is self.ready[0]:
                    self.ready.popleft()
                else:
                    self.ready.remove(delivery)
                self.in_flight[delivery.event_id] = delivery
                self._replays += delivery.rank
                self.started += 1
                return delivery
        return None

    def finish(self, result: Result, clock: int, care: Care) -> None:
        """Note a try that ended at `clock` (UTC microseconds), and free its subject."""
        delivery = result.delivery
        del self.in_flight[delivery.event_id]
        self._replays -= delivery.rank
        self.results.append(result)
        self._busy.discard(delivery.subject)
        if self._waiting:
            self._let_follow(delivery.subject)
        if type(result.outcome) is not Done or self.health.window < care.window_cap or self.health.failures:
            self._judge(result, clock, care)
        if self._careful:
            self._careful -= 1
            self.stale = True

    def _judge(self, result: Result, clock: int, care: Care) -> None:
        self.health = after_try(self.health, result, clock, care, random.random())  # noqa: S311 - jitter
        if isinstance(result.outcome, Retry | Interrupted):
            self._asks_due = True
        if self.health.closed_at is not None:
            if due := warnings_due(self.health, clock):
                self.health = self.health._replace(warned=max(due))
            self.drop_unstarted()

    def drop_unstarted(self) -> None:
        """Forget what was loaded and has not started: it is read again, with the facts as they are then."""
        for delivery in self.ready:
            self._busy.discard(delivery.subject)
        self.ready.clear()
        self._waiting.clear()
        self._known = {*self.in_flight, *(result.delivery.event_id for result in self.results)}
        self._cursor = (0, 0)
        self.stale = True

    def give_way(self) -> None:
        """It has had its quantum, and others wait: start nothing more, and go to the tail."""
        self.drop_unstarted()
        self._gives_way = True

    def lose(self) -> None:
        """The lease is somebody else's."""
        self._lost = True
        self.drop_unstarted()

    def own_again(self, lane: Lane) -> None:
        """A lane in which something may still be in flight was leased anew."""
        self.lane, self._lost, self._gives_way = lane, False, False
        self.drop_unstarted()

    def sees_hold(self, hold_until: int, given_up_at: int | None) -> None:
        """Notice what people have done to the lane meanwhile."""
        paused = hold_until == NEVER
        if paused and not self._paused:
            self.drop_unstarted()
        elif self._paused and not paused:
            self.stale = True
        self._paused = paused
        if self._keeps or paused:
            return
        if given_up_at is None and self.health.given_up_at is not None:
            self.health = self._stored_health = Health(closed_time=self.health.closed_time)
        elif self.health.closed_at is not None and hold_until < self.health.hold_until:
            # Somebody resumed it: probe now.
            self.health = self._stored_health = self.health._replace(hold_until=hold_until)

    # What turns do ----------------------------------------------------------------------------------------------------

    def needs_a_look(self, now: float, clock: int, *, woken: bool, pause_seconds: float) -> bool:
        """Return whether the next turn should touch it. `woken`: another process has committed something, somewhere."""
        if now >= self._extend_at:
            self.drop_unstarted()
            self._asks_due = True
        elif self.next_due is not None and now >= self.next_due:
            self.stale, self.next_due = True, None
        elif woken:
            # What others have appended may be due earlier than what was read last.
            self._cursor, self.stale = (0, 0), True
        elif self.idle and now >= self._looked_at + pause_seconds:
            self.stale = True
        elif self.health.closed_at is None or clock < self.health.hold_until:
            return False
        return True

    def touch(self, now: float, clock: int, *, merging: bool, linger_seconds: float) -> Touch | None:
        """Return what a turn is to do with it, or None when it needs nothing."""
        wanted = self._wanted(clock, merging=merging)
        keeps = (self._stored_health, self.health) if self._keeps and not self._lost else None
        extend, idle = now >= self._extend_at, self.idle and self.facts is not None
        lingers = idle and self._loads >= LINGER_LOADS and now < self._worked_at + linger_seconds and not self._blocked
        lingers = lingers and self.health.closed_at is None
        if not (self.results or wanted or keeps or extend or (idle and not lingers)):
            return None
        asks_due = self._asks_due and not (idle and not lingers)
        return Touch(self, list(self.results), wanted, keeps, extend, idle, lingers, asks_due, self._careful > 0)

    def last_touch(self) -> Touch:
        """Return what is left to write when its owner stops."""
        keeps = (self._stored_health, self.health) if self._keeps else None
        return Touch(self, list(self.results), keeps=keeps, idle=not self.in_flight)

    def begin(self, touch: Touch) -> None:
        """A turn begins: a ring that comes while it is committed makes the lane stale again."""
        self._asks_due = self._asks_due and not touch.asks_due
        if touch.wanted is not None:
            self.stale = False

    def undo(self, touch: Touch) -> None:
        """The turn came to nothing."""
        self.stale = self.stale or touch.wanted is not None
        self._asks_due = self._asks_due or touch.asks_due

    def note(self, touch: Touch, extend_at: float) -> None:
        """The turn is committed."""
        self.settled(touch.results)
        if touch.keeps is not None:
            self._stored_health = touch.keeps[1]
        if touch.extend:
            self._extend_at = extend_at

    def settled(self, results: Sequence[Result]) -> None:
        """Forget these results: they are stored."""
        for result in results:
            self._known.discard(result.delivery.event_id)
        if self.results[: len(results)] == results:
            del self.results[: len(results)]
        else:
            self.results = [result for result in self.results if result not in results]

    def blame(self, result: Result, outcome: Outcome) -> None:
        """A result that cannot be written becomes another one."""
        self.results[self.results.index(result)] = result._replace(outcome=outcome)

    def _wanted(self, clock: int, *, merging: bool) -> Wanted | None:
        """Return what to load, or None when nothing more could be started."""
        if not self.stale or self._blocked:
            return None
        given_up = self.health.given_up_at is not None
        probing = self.health.closed_at is not None and not given_up
        if (probing and clock < self.health.hold_until) or ((self._careful or probing) and self.in_flight):
            return None
        window = QUANTUM if probing else 1 if self._careful else self.health.window
        if len(self.ready) >= window or len(self._known) >= KNOWN_MOST:
            return None
        # Read from the front, it passes what is known already.
        again = len(self._known) if self._cursor == (0, 0) else 0
        most = 1 if self._careful else min(QUANTUM, max(8, 2 * window)) + again
        busy = frozenset(self._busy) if merging else frozenset[str]()
        replays = max(1, window // 4) if not self._replays else 0
        return Wanted(self.lane.id, self._cursor, most, replays, frozenset(self._known), busy, given_up)

    def _add(self, delivery: Delivery) -> None:
        if delivery.event_id in self._known:
            return
        self._known.add(delivery.event_id)
        if delivery.subject in self._busy:
            self._waiting.setdefault(delivery.subject, deque()).append(delivery)
        else:
            self._busy.add(delivery.subject)
            self.ready.append(delivery)

    def _candidates(self) -> Iterable[Delivery]:
        if self.health.closed_at is None:
            return self._first_ready()
        failed = self.health.failed_subjects.split("\n")
        return sorted(self.ready, key=lambda delivery: delivery.subject in failed)

    def _first_ready(self) -> Iterator[Delivery]:
        for place in range(min(CANDIDATES, len(self.ready))):
            yield self.ready[place]

    def _let_follow(self, subject: str) -> None:
        if queue := self._waiting.get(subject):
            self._busy.add(subject)
            self.ready.appendleft(queue.popleft())
            if not queue:
                del self._waiting[subject]
