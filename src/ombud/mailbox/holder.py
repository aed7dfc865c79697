"""The lanes that a process owns: which need the next turn, what appends bring them, and what a turn has decided."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from ombud.db.database import Database
from ombud.mailbox.bell import Heard
from ombud.mailbox.held import HeldLane
from ombud.mailbox.lease import lane_of, next_sign
from ombud.mailbox.looking import Looking
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Lane, Loaded
from ombud.mailbox.ring import Appended, Hold
from ombud.mailbox.starter import Perform, Starter
from ombud.mailbox.stay import Stay
from ombud.mailbox.touch import Touch
from ombud.mailbox.turn import TurnDone

log = logging.getLogger("ombud.mailbox")

# Lanes owned at once: what is in memory of each is bounded by appetite.KNOWN_MOST.
LANES = 16_384
# Deliveries of a lane, or seconds of its lease, after which it makes room when more lanes are due than can be owned.
QUANTUM_STARTS = 64
QUANTUM_SECONDS = 2.0
# Seconds between two looks into lanes that are kept although nothing is known to wait in them.
KEPT_POLL_SECONDS = 0.5
# Seconds that a busy lane stays owned although it is empty.
LINGER_SECONDS = 2.0
# Seconds that any other one stays while fewer are owned than that: until it would have to be looked into.
REST_SECONDS = KEPT_POLL_SECONDS
FEW_LANES = LANES // 4
# Seconds for which none does, and all are read for what comes, after another process has appended something: what that
# appends for a lane that is owned here waits until somebody looks.
SHARED_SECONDS = 300.0
# Seconds between two looks over lanes that are kept: wakes of other processes are heard together.
TICK_SECONDS = 0.02


class Holder:
    """The owner's memory, on one event loop. Times are on the monotonic clock, in seconds."""

    def __init__(
        self, mailbox: Mailbox, database: Database, perform: Perform, slots: int, look: Callable[[], None]
    ) -> None:
        """`look` is called when a lane that is not owned may be due."""
        self._mailbox = mailbox
        self._database = database
        self._look = look
        self.starter = Starter(mailbox, perform, slots, self.attend)
        self.lanes: dict[int, HeldLane] = {}
        self.awake = asyncio.Event()
        # Those that need the next turn.
        self._dirty: dict[HeldLane, None] = {}
        # What was rung while a turn was under way, which may have leased it without seeing what was rung for.
        self._rung: set[int] = set()
        self._turning = False
        self._turn_at, self._turn_clock = 0.0, 0
        self._alone_at = 0.0  # from when on nobody else is taken to append
        self._woken = False
        self._looking = Looking(mailbox.policy.lease_seconds)
        self.tick_at = 0.0

    @property
    def has_room(self) -> bool:
        """Whether an append may bring more."""
        return self.starter.has_room and len(self.lanes) < LANES // 2

    @property
    def attended(self) -> int:
        """How many lanes need the next turn."""
        return len(self._dirty)

    def attend(self, held: HeldLane) -> None:
        """Have the next turn touch a lane."""
        if not self._dirty:
            self.awake.set()
        self._dirty[held] = None

    def wake(self) -> None:
        """Another process has committed something, somewhere."""
        self._woken = True
        self.awake.set()

    def tick(self, *, others_wait: bool) -> None:
        """Find the lanes that need a sign of life or a look, and those that must give way."""
        now = time.monotonic()
        if now < self.tick_at:
            return
        self.tick_at = now + TICK_SECONDS
        clock, give_way = self._mailbox.clock(), others_wait and len(self.lanes) >= LANES
        woken, self._woken = self._woken, False
        for held in self._looking.look(self.lanes, now, clock, woken=woken, pause_seconds=KEPT_POLL_SECONDS):
            self._dirty[held] = None
            self.starter.enter(held)
        for held in self.lanes.values() if give_way else ():
            if held.started >= QUANTUM_STARTS or now >= held.leased_at + QUANTUM_SECONDS:
                held.give_way()
                self._dirty[held] = None

    def hold_of(self, lane_id: int) -> Hold | None:
        """Return how a lane is owned on record, unless it is being loaded or given back. From any thread.

        Nor where others append as well, or when it was not looked into for long: what they have appended is loaded with
        what comes here, the oldest first.
        """
        held = self.lanes.get(lane_id)
        if held is None or held.leaving or held.stock.loading or not held.lane.stored:
            return None
        now = time.monotonic()
        if now < self._alone_at or now >= held.looked_at + KEPT_POLL_SECONDS:
            return None
        return Hold(held.lane.token, held.stock.loads)

    # What appends of this process bring -------------------------------------------------------------------------------

    def hear(self, heard: Heard) -> None:
        """Take over what an append has handed over, and look where it has rung."""
        now, merging = time.monotonic(), self._mailbox.policy.merging
        fresh = self._take(heard.taken)
        for appended in chain.from_iterable(heard.gifts):
            held = self.lanes.get(appended.lane_id)
            if held is None:
                if self._turning:
                    self._rung.add(appended.lane_id)
                self._look()
                continue
            facts = heard.facts.get(appended.lane_id, appended.facts)
            # A load skips what waits for a closed destination.
            if facts is not None and not facts["closed"] and self._may_start(held, appended, fresh, heard.kept):
                held.take_over(appended.deliveries, facts, now, merging=merging)
                self.starter.enter(held)
            else:
                held.rung(changed=appended.changed)
                self._dirty[held] = None
        self.starter.start()
        self.awake.set()

    def _take(self, taken: Iterable[Sequence[Any]]) -> Mapping[int, HeldLane]:
        """Own what an append has handed over; returns the lanes of which nothing was known."""
        fresh = {}
        for row in taken:
            lane_id, stored = row[0], row[-1]
            held = self.lanes.get(lane_id)
            if held is None:
                fresh[lane_id] = self.lanes[lane_id] = self._hold(lane_of(row))
            elif stored or held.leaving:
                # Its lease had ended unnoticed, or a turn is giving it back.
                self._own_again(lane_of(row))
        return fresh

    def _may_start(
        self, held: HeldLane, appended: Appended, fresh: Mapping[int, HeldLane], kept: Collection[int]
    ) -> bool:
        if not appended.deliveries or not held.takes_over:
            return False
        if appended.hold is not None:
            # Neither was it ours alone since, nor may we have loaded and tried what it brings.
            return appended.hold == self.hold_of(appended.lane_id) and appended.lane_id in kept
        # Where an append and its ring are two commits, what it brings may have been loaded and tried in between; and a
        # load that is under way finds out what people have done to the lane.
        return (self._database.exclusive and not held.stock.loading) or _took(appended, fresh)

    def cancel(self) -> None:
        """Start nothing more, and end every try."""
        self.starter.cancel()

    # Turns ------------------------------------------------------------------------------------------------------------

    def begin_turn(self) -> list[Touch]:
        """Name the lanes that need this turn's transaction, and what it is to do with them."""
        now, clock, merging = time.monotonic(), self._mailbox.clock(), self._mailbox.policy.merging
        rests = len(self.lanes) < FEW_LANES and now >= self._alone_at
        stay = Stay(LINGER_SECONDS, REST_SECONDS if rests else 0.0)
        self._dirty |= dict.fromkeys(self._looking.signs(self.lanes, now, company=bool(self._dirty)))
        found = [held.touch(now, clock, merging=merging, stay=stay) for held in self._dirty]
        self._dirty = {}
        touches = [touch for touch in found if touch is not None]
        for touch in touches:
            touch.held.begin(touch)
        self._turning, self._turn_at, self._turn_clock = True, now, clock
        return touches

    def undo_turn(self, touches: Iterable[Touch]) -> None:
        """It came to nothing, as far as anybody knows."""
        for touch in touches:
            touch.held.undo(touch)
            self._dirty[touch.held] = None
        self._end_turn()

    def take_in(self, touches: Iterable[Touch], done: TurnDone) -> None:
        """The turn is committed."""
        now = time.monotonic()
        # Not what an append has brought since.
        released = [held for held in done.released if held.leaving]
        self._note(touches)
        self._let_go(done, released)
        for touch, hold_until, given_up_at in done.seen:
            touch.held.sees(hold_until, given_up_at, touch, self._turn_clock)
        for held, loaded in done.loaded:
            held.fill(loaded, now)
            self.starter.enter(held)
            if held.stock.stale or held.idle:
                self._dirty[held] = None
        for lane_id, due_at in done.due.items():
            if (kept := self.lanes.get(lane_id)) is not None:
                kept.next_due, kept.look_at = self._turn_at + max(0.0, (due_at - self._turn_clock) / 1e6), 0.0
        for lane, loaded in done.leased:
            self._own(lane, loaded, now)
        for lane in done.renewed:
            self._own_again(lane)
        if self._from_others(loaded for _, loaded in [*done.loaded, *done.leased]):
            self._share(now)
        self._end_turn()

    def _note(self, touches: Iterable[Touch]) -> None:
        leased_until = self._turn_clock + self._mailbox.policy.lease
        for touch in touches:
            touch.held.note(touch)
            if touch.extend:
                touch.held.extended(touch, self._extend_at(self._turn_at), leased_until)

    def last_touches(self) -> list[Touch]:
        """Return what is left to write when the worker stops."""
        return [held.last_touch() for held in self.lanes.values()]

    def _from_others(self, found: Iterable[Loaded]) -> bool:
        """Return whether another process has appended any of it; what has been tried may be of an earlier one."""
        new = (one for loaded in found for one in loaded.deliveries if not (one.attempts or one.rank))
        return not all(self._mailbox.ids.made(one.event_id) for one in new)

    def _share(self, now: float) -> None:
        """Let no lane rest for a while, and give those back that do."""
        if now >= self._alone_at:
            for held in self.lanes.values():
                held.rest_no_more()
                self._dirty[held] = None
        self._alone_at = now + SHARED_SECONDS

    def _end_turn(self) -> None:
        self._turning = False
        self._rung.clear()

    def _let_go(self, done: TurnDone, released: Iterable[HeldLane]) -> None:
        # Where the clock jumped past the end of our own lease, we may have leased it anew and given it back. What was
        # heard while the turn was under way has been taken after that.
        emptied = [self.lanes[lane_id] for lane_id in done.emptied if lane_id in self.lanes]
        for held in [*done.lost, *(held for held in emptied if held.leased_at < self._turn_at)]:
            held.lose()
            if held.idle and not held.results:
                self._forget(held)
        for held in released:
            self._forget(held)
            if held.stock.stale:
                self._look()  # rung while the turn gave it back

    def _own(self, lane: Lane, loaded: Loaded, now: float) -> None:
        if lane.id in self.lanes:
            self._own_again(lane)
            return
        mine = self.lanes[lane.id] = self._hold(lane)
        mine.fill(loaded, now)
        mine.stock.stale = mine.stock.stale or lane.id in self._rung
        self.starter.enter(mine)
        self._dirty[mine] = None

    def _own_again(self, lane: Lane) -> None:
        """Our own lease had ended before it was renewed, or a lost lane came back. What is in flight goes on."""
        mine = self.lanes.get(lane.id)
        if mine is None:
            mine = self.lanes[lane.id] = self._hold(lane)
        mine.own_again(lane)
        self._dirty[mine] = None

    def _forget(self, held: HeldLane) -> None:
        if self.lanes.get(held.lane.id) is held:
            del self.lanes[held.lane.id]
        self._dirty.pop(held, None)
        self.starter.leave(held)

    def _hold(self, lane: Lane) -> HeldLane:
        now = time.monotonic()
        return HeldLane(lane, now, self._extend_at(now))

    def _extend_at(self, now: float) -> float:
        return next_sign(now, self._mailbox.policy.lease_seconds)


def _took(appended: Appended, fresh: Mapping[int, HeldLane]) -> bool:
    """Return whether the ring of this append itself has leased the lane.

    If that of another did, a former owner may have performed this one in between: of two commits that end together,
    the one that rings last may be heard with what the other has taken.
    """
    held = fresh.get(appended.lane_id)
    return held is not None and held.lane.token == appended.token
