"""How often one API key may ask. A token bucket with priorities that finds the API's own limit.

The vendor documents no limit. So a budget starts modestly, adds a little while all goes well and it is used in full,
and halves when the API answers 429 (additive increase, multiplicative decrease: the rule that keeps TCP fair). Whoever
asks joins with a priority and asks again when told; `ombud.client.exchange` does that for the clients.
"""

import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from ombud.client.sharing import SharedState, State

START_PER_SECOND = 2.0  # requests; other people's clients stay at this
MOST_PER_SECOND = 10.0  # requests; more than a shop's panel and its apps need, however patient the API is
LEAST_PER_SECOND = 0.1  # requests; one in ten seconds still finds out that the API is back
BURST = 4  # requests that may leave at once after a pause: what one click of a person needs
GROWTH = 0.0125  # requests per second, for each request while it is used in full: from 2 to 10 in two minutes
FIRST_PAUSE_SECONDS = 1.0  # after a 429 that names no time; doubled for each one in a row
LONGEST_OWN_PAUSE_SECONDS = 60.0
LONGEST_ASKED_PAUSE_SECONDS = 3_600.0  # a longer Retry-After is a mistake more often than a wish: one look an hour
FAIR_SHARE = 10  # every tenth turn is a lower priority's, each in its turn: nothing waits for ever
ROUNDING = 1e-6  # of a token; the refill of a large clock is no more exact than this


class Priority(IntEnum):
    """Who goes first. What a webhook waits for comes before what nobody waits for."""

    CONFIRM_ORDER = 0
    CONFIRM_PRODUCT = 1
    SETTLE = 2
    CALL = 3
    """What a program asks on its own account: the default of a client."""
    SWEEP = 4
    BASELINE = 5


@dataclass(eq=False)
class Ticket:
    """A place in the queue, and after its turn the proof of it. `number` counts the turns that were given."""

    priority: Priority
    arrived: int
    number: int | None = None


@dataclass(frozen=True)
class BudgetState:
    """A budget as a person may look at it; `turns`: requests so far."""

    per_second: float
    waiting: int
    paused_seconds: float
    turns: int = 0


@dataclass
class _Bucket:
    """Tokens come at a rate, up to a bound; `at` is when they were last counted, and may lie ahead during a pause."""

    most: float
    tokens: float
    at: float

    def refill(self, now: float, per_second: float) -> None:
        if now > self.at:
            self.tokens = min(self.most, self.tokens + (now - self.at) * per_second)
            self.at = now


@dataclass
class _Trouble:
    """What the 429s so far mean: `cut_at` is the number of the last turn before the last cut."""

    cut_at: int = 0
    in_a_row: int = 0
    until: float = -math.inf


class Budget:
    """The budget of one API key, for everything that uses it. May be shared between threads and event loops.

    `per_second` is where it starts, `most_per_second` what it may grow to (10, or the start if that is more). `clock`
    gives seconds and never goes back.
    """

    def __init__(
        self,
        per_second: float = START_PER_SECOND,
        *,
        most_per_second: float | None = None,
        burst: int = BURST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if burst < 1:
            raise ValueError("a budget has a burst of at least 1")
        self._clock = clock
        self._per_second, self._least, self._most = _bounds(per_second, most_per_second)
        self._bucket = _Bucket(burst, burst, clock())
        self._trouble = _Trouble()
        self._share = 1.0
        self._waiting: list[Ticket] = []
        self._arrivals = self._turns = 0
        self._last_turns: dict[Priority, int] = {}
        self._lock: AbstractContextManager[object] = threading.Lock()
        self._shared: SharedState | None = None
        self._start = per_second

    def __repr__(self) -> str:
        return f"<Budget {self.state()}>"

    def state(self) -> BudgetState:
        """The rate now, how many wait, and for how long the API asked to be left alone."""
        with self._lock:
            paused = max(0.0, self._trouble.until - self._clock())
            return BudgetState(self._per_second, len(self._waiting), paused, self._turns)

    @property
    def asked(self) -> int:
        """How often somebody of this process has taken a place in the queue."""
        return self._arrivals

    @property
    def is_waited_for(self) -> bool:
        """Whether somebody of this process waits for a turn."""
        return bool(self._waiting)

    def start_at(self, per_second: float) -> None:
        """Go on from another rate, as a person has decided; what was learned of the API's limit is forgotten."""
        with self._lock:
            self._bucket.refill(self._clock(), self._rate)
            self._per_second, self._least, self._most = _bounds(per_second)
            self._start = per_second

    def take_share(self, part: float, paused_seconds: float = 0.0) -> None:
        """Use this part of the rate (above 0, up to 1), as other machines use the key, and keep still for so long."""
        with self._lock:
            now = self._clock()
            self._bucket.refill(now, self._rate)
            self._share = part
            if now + paused_seconds > max(now, self._trouble.until):
                self._trouble.until = now + paused_seconds
                self._bucket.tokens, self._bucket.at = min(1.0, self._bucket.tokens), self._trouble.until

    def share(self, path: Path) -> None:
        """Have one state with every process that shares this file; raises OSError. The clock is the monotonic one."""
        self._lock = self._shared = SharedState(path, self._load, self._dump)

    def join(self, priority: Priority = Priority.CALL) -> Ticket:
        """Take a place in the queue. Whoever does not ask until its turn must `leave`."""
        with self._lock:
            self._arrivals += 1
            ticket = Ticket(priority, self._arrivals)
            self._waiting.append(ticket)
            return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give the place up; nothing happens when it had its turn."""
        with self._lock:
            if ticket in self._waiting:
                self._remove(ticket)

    def ask(self, ticket: Ticket) -> float:
        """Return 0.0 when it is this ticket's turn, which is thereby taken; else the seconds until it may be.

        The seconds are an estimate: who comes first or leaves meanwhile changes them.
        """
        with self._lock:
            now = self._clock()
            ahead = self._in_order().index(ticket) + self._waits_elsewhere(ticket)
            self._bucket.refill(now, self._rate)
            missing = ahead + 1 - self._bucket.tokens
            if now >= self._trouble.until and missing <= ROUNDING:
                self._remove(ticket)
                self._bucket.tokens -= 1
                self._turns += 1
                self._last_turns[ticket.priority] = ticket.number = self._turns
                return 0.0
            missing = min(missing, self._fair_turns(ticket))
            return max(0.0, self._trouble.until - now) + max(0.0, missing) / self._rate

    def succeeded(self, ticket: Ticket) -> None:
        """The API served the request of this ticket. Only a budget that is used in full grows: else it learns nothing.

        What left before the last 429 was known says nothing, here as in `limited`.
        """
        with self._lock:
            if not self._tells(ticket):
                return
            self._trouble.in_a_row = 0
            self._bucket.refill(self._clock(), self._rate)
            if self._waiting or self._bucket.tokens < 1:
                self._per_second = min(self._most, self._per_second + GROWTH)

    def limited(self, ticket: Ticket, retry_after_seconds: float | None = None) -> None:
        """The API answered 429 to the request of this ticket. Nobody gets a turn before the pause is over."""
        with self._lock:
            trouble, now = self._trouble, self._clock()
            if self._tells(ticket):
                trouble.cut_at = self._turns
                trouble.in_a_row += 1
                self._per_second = max(self._least, self._per_second / 2)
            trouble.until = max(trouble.until, now + _pause(trouble.in_a_row, retry_after_seconds or 0.0))
            # One may leave when the pause is over; the others follow at the new rate.
            self._bucket.tokens, self._bucket.at = 1.0, trouble.until

    def _remove(self, ticket: Ticket) -> None:
        self._waiting.remove(ticket)
        if self._shared is not None and all(one.priority != ticket.priority for one in self._waiting):
            self._shared.ended(ticket.priority)

    def _waits_elsewhere(self, ticket: Ticket) -> int:
        """Return 1 when another process has a higher priority, unless it is a lower one's turn."""
        if self._shared is None:
            return 0
        waits = self._shared.waits_elsewhere(ticket.priority, {int(one.priority) for one in self._waiting})
        return 0 if (self._turns + 1) % FAIR_SHARE == 0 else waits

    def _dump(self) -> State:
        trouble, bucket = self._trouble, self._bucket
        told = (float(trouble.cut_at), float(trouble.in_a_row), trouble.until, float(self._turns))
        return (self._start, self._per_second, bucket.tokens, bucket.at, *told, self._share)

    def _load(self, state: State) -> None:
        _, self._per_second, self._bucket.tokens, self._bucket.at, cut_at, in_a_row, until, turns, self._share = state
        self._trouble = _Trouble(int(cut_at), int(in_a_row), until)
        self._turns = int(turns)

    @property
    def _rate(self) -> float:
        return self._per_second * self._share

    def _tells(self, ticket: Ticket) -> bool:
        return (ticket.number or 0) > self._trouble.cut_at

    def _in_order(self) -> list[Ticket]:
        queue = sorted(self._waiting, key=lambda ticket: (ticket.priority, ticket.arrived))
        if queue and (self._turns + 1) % FAIR_SHARE == 0:
            # The oldest of each priority that others go before.
            overtaken = {ticket.priority: ticket for ticket in reversed(queue) if ticket.priority > queue[0].priority}
            if overtaken:
                fair = overtaken[min(overtaken, key=lambda priority: self._last_turns.get(priority, 0))]
                queue.remove(fair)
                queue.insert(0, fair)
        return queue

    def _fair_turns(self, ticket: Ticket) -> int:
        """After how many turns it has its own at the latest, whoever comes meanwhile."""
        older = sum(one.priority == ticket.priority and one.arrived < ticket.arrived for one in self._waiting)
        overtaken = len({one.priority for one in self._waiting}) - 1
        return FAIR_SHARE * max(1, overtaken) * (older + 1)


def _bounds(per_second: float, most_per_second: float | None = None) -> tuple[float, float, float]:
    """Return the rate to start at, the least and the most."""
    most = max(per_second, MOST_PER_SECOND) if most_per_second is None else most_per_second
    if not 0 < per_second <= most:
        raise ValueError("a budget starts above 0 and at most at its own bound")
    return per_second, min(per_second, LEAST_PER_SECOND), most


def _pause(in_a_row: int, asked: float) -> float:
    """Seconds to keep still: what was asked for, but longer and longer for an API that is never content."""
    doublings = min(max(in_a_row - 1, 0), 10)
    own = min(LONGEST_OWN_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**doublings)
    return max(own, min(asked, LONGEST_ASKED_PAUSE_SECONDS))
