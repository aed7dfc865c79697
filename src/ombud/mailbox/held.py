"""A lane that this process owns: what of it is loaded, in flight and settled. Its owner's memory, on one event loop."""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ombud.mailbox.appetite import KNOWN_MOST, REPLAY_SHARE, hungry, wanted
from ombud.mailbox.health import Care, after_answer, after_try, resumed, warnings_due
from ombud.mailbox.model import NEVER, Delivery, Done, Health, Interrupted, Lane, Loaded, Outcome, Result, Retry
from ombud.mailbox.stay import Stay
from ombud.mailbox.stock import Admits, Stock
from ombud.mailbox.touch import Touch
from ombud.mailbox.wishes import Pace, covers, pause_of, schedule_of

# Seconds between two reads of a lane from the front: a row may have been committed behind what was read last. A lease
# may be in memory alone until then.
FRONT_SECONDS = 2.0
# Growth of a window that is worth a write of a lane that was owned in memory alone.
STORED_GROWTH = 4
# Tries in careful mode after a crash: as many as may have been in flight.
CAREFUL_TRIES = 64
# Why nothing starts: the lease went to somebody else, people have paused the lane, or it has had its quantum.
_LOST, _PAUSED, _GIVES_WAY = 1, 2, 4


class HeldLane:
    """What the owner of a lane knows. Times named `_at` are on the monotonic clock in seconds."""

    __slots__ = (
        "_again", "_asks_due", "_leased_until", "_loads", "_pace", "_pause", "_settling", "_stored_health", "_stores",
        "_worked_at", "blocked", "careful", "extend_at", "facts", "front_at", "health", "in_flight", "lane",
        "leased_at", "leaving", "look_at", "looked_at", "next_due", "reads_anew", "replays", "results", "schedule",
        "shop_id", "started", "stock",
    )  # fmt: skip

    def __init__(self, lane: Lane, now: float, extend_at: float) -> None:
        self.lane, self.shop_id = lane, lane.shop_id
        self.health = self._stored_health = lane.health
        self.facts: Mapping[str, Any] | None = None
        self._pause, self.schedule = 0, ""  # as the facts have them
        self.stock = Stock()
        self._pace = Pace()
        self.in_flight: dict[int, Delivery] = {}
        # What has ended, and of that what a turn is settling.
        self.results: list[Result] = []
        self._settling: Sequence[Result] = ()
        self.next_due = math.inf
        self.look_at = 0.0  # nothing needs a look earlier, but for a wake
        self.started = self._loads = self.blocked = self.replays = 0  # replays: in flight
        self.leaving = False  # a turn is giving it back
        self._stores = False  # something may be left in a lane that is owned in memory alone
        self._again, self._asks_due = False, True
        self.careful = CAREFUL_TRIES if lane.crashes else 0
        self.front_at = now + FRONT_SECONDS
        self.reads_anew = False  # from the front, once a try has ended
        self.extend_at = extend_at if lane.stored else min(extend_at, self.front_at)
        self._leased_until = lane.leased_until
        self.leased_at = self._worked_at = self.looked_at = now

    @property
    def idle(self) -> bool:
        """Nothing of it is in flight or waits to start."""
        return not self.stock.busy

    @property
    def takes_over(self) -> bool:
        """What was just appended may start from memory: nothing older waits unread."""
        stock = self.stock
        ready = not (stock.stale or self.blocked or self.leaving or self.careful)
        return ready and self.health.closed_at is None and len(stock.known) < KNOWN_MOST

    @property
    def _keeps(self) -> tuple[Health, Health] | None:
        """Its health as it is stored and as it is, if that differs in more than the window, which a release stores."""
        stored, now = self._stored_health, self.health
        return None if now is stored or now[1:] == stored[1:] else (stored, now)

    @property
    def _crashes(self) -> int:
        # A try that its worker has outlived forgives the deaths before.
        return self.lane.crashes if self.careful == CAREFUL_TRIES else 0

    def window(self, clock: int) -> int:
        """Return how many deliveries may be in flight; `clock` in UTC microseconds."""
        # Past the end of the lease another owner may have started the same.
        if self.blocked or self.facts is None or clock >= self._leased_until:
            return 0
        if self.health.closed_at is not None:
            return 1 if clock >= self.health.hold_until and self.health.given_up_at is None else 0
        return 1 if self.careful else self.health.window

    def fill(self, loaded: Loaded, now: float) -> None:
        """Take over what was loaded, oldest due first."""
        self._follow(loaded.facts)
        self.looked_at = now
        if loaded.facts["closed"] and self.stock.waits:
            # What has not started ends like all that waited: the next load sees to it.
            self.drop_unstarted()
        if loaded.deliveries:
            self._loads += 1
            self._worked_at = now
        self.stock.fill(loaded)

    def rung(self, *, changed: bool) -> None:
        """Look for more; and when the destination has changed, what has not started is read again with it."""
        self.stock.stale = True
        if changed:
            self.drop_unstarted()

    def take_over(self, deliveries: Iterable[Delivery], facts: Mapping[str, Any], now: float, *, merging: bool) -> None:
        """Start from memory what was appended; `facts` are as of its transaction, or of after its commit."""
        self._follow(facts)
        self._worked_at = now
        self._loads += 1
        for delivery in deliveries:
            if delivery.subject in self.stock.busy and (merging or covers(facts, delivery.subject)):
                self.stock.rewind()  # a load merges it with what else has come
            else:
                self.stock.add(delivery)

    def take(self, clock: int, admits: Admits) -> Delivery | None:
        """Return the next delivery to start, if window and slots allow one; it is in flight from here on."""
        window, pause = self.window(clock), self._pause
        if len(self.in_flight) >= window or (pause and not self._pace.admits(clock)):
            return None
        if self.health.closed_at is None:
            replays = not self.replays or self.replays < window * REPLAY_SHARE
            delivery = self.stock.ready.take(self, admits, replays=replays)
        else:
            delivery = self.stock.ready.take_probe(self, admits, self.health.failed_subjects.split("\n"))
        if delivery is not None:
            if pause:
                self._pace.start(clock, pause)
            self.in_flight[delivery.event_id] = delivery
            self.replays += delivery.rank
            self.started += 1
        return delivery

    def finish(self, result: Result, clock: int, care: Care) -> None:
        """Note a try that ended at `clock` (UTC microseconds), and free its subject."""
        delivery = result.delivery
        del self.in_flight[delivery.event_id]
        self.results.append(result)
        self.stock.free(delivery.subject)
        if delivery.rank:
            self.replays -= 1
            # They are loaded a few at a time.
            self.stock.stale = self.stock.stale or not self.replays
        if type(result.outcome) is Done:
            self.health = after_answer(self.health, clock, care)
        else:
            self._stores = True
            self._judge(result, clock, care)
        if self.careful:
            self.careful -= 1
            self.stock.stale = True
        if self.reads_anew:
            self.read_anew()

    def drop_unstarted(self) -> None:
        """Forget what was loaded and has not started: it is read again, with the facts as they are then."""
        self._stores, self.look_at = True, 0.0
        ended = [result.delivery.event_id for result in (*self._settling, *self.results)]
        self.stock.drop_unstarted([*self.in_flight, *ended])

    def read_anew(self) -> None:
        """Have it read from the front: a row may have been committed behind the cursor, or have been taken away."""
        self.drop_unstarted()
        self._asks_due, self.reads_anew = True, False

    def give_way(self) -> None:
        """It has had its quantum, and others wait: start nothing more, and go to the tail."""
        self.blocked |= _GIVES_WAY
        self.drop_unstarted()

    def rest_no_more(self) -> None:
        """Others append for it as well: that it stayed until now does not make it a busy one."""
        self._loads = 0

    def lose(self) -> None:
        """The lease is somebody else's."""
        self.blocked |= _LOST
        self.drop_unstarted()

    def own_again(self, lane: Lane) -> None:
        """It was leased anew, and something may still be in flight."""
        self.lane, self._leased_until = lane, lane.leased_until
        self.blocked, self.leaving = self.blocked & _PAUSED, False
        self.drop_unstarted()

    def sees(self, hold_until: int, given_up_at: int | None, touch: Touch, clock: int) -> None:
        """Notice what people have done to the lane, by how a turn found it before it wrote."""
        paused = _PAUSED if hold_until == NEVER else 0
        stored = touch.keeps[0] if touch.keeps is not None else self._stored_health
        if paused != self.blocked & _PAUSED:
            self.blocked ^= _PAUSED
            self.drop_unstarted()
        elif hold_until == stored.hold_until and given_up_at == stored.given_up_at:
            return
        if paused or self._keeps or touch.keeps is not None:
            return
        now = resumed(stored, hold_until, given_up_at, clock)
        if now is not stored:
            self.health = self._stored_health = now
            self.drop_unstarted()

    def touch(self, now: float, clock: int, *, merging: bool, stay: Stay) -> Touch | None:
        """Return what a turn is to do with it, or None when it needs nothing."""
        asked = wanted(self, merging=merging) if hungry(self, clock) else None
        keeps = None if self.blocked & _LOST else self._keeps
        # A lease in memory alone is stored when that lasts, and before anything is read that an earlier owner has left.
        extend = now >= self.extend_at or (asked is not None and not self.lane.stored)
        leaves = self.idle and self._leaves(now, clock, stay) and (self.lane.stored or not extend)
        if not (self.results or asked or keeps or extend or leaves):
            return None
        stores = self.lane.stored or self._stores or self.health.window >= STORED_GROWTH * self._stored_health.window
        asks_due, careful = self._asks_due and not leaves, self.careful > 0
        work = (self._again, asked, keeps, extend, leaves, stores, asks_due, careful, self._crashes)
        return Touch(self, self.lane, self.health, self.results, *work)

    def last_touch(self) -> Touch:
        """Return what is left to write when its owner stops."""
        # A copy: what a try that is cut still says comes too late for it.
        work = (self.lane, self.health, list(self.results), self._again)
        return Touch(self, *work, keeps=self._keeps, leaves=not self.in_flight, crashes=self._crashes)

    def begin(self, touch: Touch) -> None:
        """A turn begins: a ring that comes while it is committed makes the lane stale again."""
        self.leaving = touch.leaves
        self._settling, self.results = touch.results, []
        self._asks_due = self._asks_due and not touch.asks_due
        if touch.wanted is not None:
            self.stock.begin(touch.wanted.cursor)

    def undo(self, touch: Touch) -> None:
        """The turn came to nothing, as far as anybody knows."""
        self.leaving = self.stock.loading = False
        self._again = bool(touch.results)
        self._settling, self.results = (), [*touch.results, *self.results]
        self.stock.stale = self.stock.stale or touch.wanted is not None
        self._asks_due = self._asks_due or touch.asks_due

    def note(self, touch: Touch) -> None:
        """The turn is committed."""
        self.leaving = self.stock.loading = self._again = False
        self._settling = ()
        for result in touch.results:
            self.stock.known.discard(result.delivery.event_id)
        if touch.keeps is not None:
            self._stored_health = touch.keeps[1]

    def extended(self, touch: Touch, extend_at: float, leased_until: int) -> None:
        """The turn has given a sign of life, and stored a lease that was in memory alone."""
        if self.lane is touch.lane:
            self.lane = self.lane._replace(stored=True)
        self.extend_at, self._leased_until = extend_at, leased_until

    def settled_singly(self, result: Result) -> None:
        """Forget a result: it is stored, after a turn that was not."""
        self.stock.known.discard(result.delivery.event_id)
        self.results = [one for one in self.results if one is not result]

    def blame(self, result: Result, outcome: Outcome) -> None:
        """A result that cannot be written becomes another one."""
        self.results[self.results.index(result)] = result._replace(outcome=outcome)

    def _follow(self, facts: Mapping[str, Any]) -> None:
        """Keep to what the destination asks for from now on."""
        if facts is not self.facts:
            self.facts, self._pause, self.schedule = facts, pause_of(facts), schedule_of(facts)

    def _leaves(self, now: float, clock: int, stay: Stay) -> bool:
        if self.blocked:
            return True
        lingers = now < self._worked_at + stay.seconds(self._loads, stored=self.lane.stored)
        # Kept until the next one may start: another owner would not know when this one has.
        return self._pace.over(clock) and (not lingers or self.health.closed_at is not None)

    def _judge(self, result: Result, clock: int, care: Care) -> None:
        self.health = after_try(self.health, result, clock, care, random.random())  # noqa: S311 - jitter
        if isinstance(result.outcome, Retry | Interrupted):
            self._asks_due = True
        if self.health.closed_at is not None:
            self.health = self.health._replace(warned=max([self.health.warned, *warnings_due(self.health, clock)]))
            self.drop_unstarted()
