"""One turn of a worker, one transaction: prove the leases, settle what has ended, load what may start, lease more."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ombud.db.operation import Operation
from ombud.mailbox import lease as leases
from ombud.mailbox.appetite import QUANTUM
from ombud.mailbox.held import HeldLane
from ombud.mailbox.load import Wanted, load, next_due
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import NEVER, Lane, Loaded, Result
from ombud.mailbox.settle import blame, settle
from ombud.mailbox.stock import START
from ombud.mailbox.touch import Touch

# Live deliveries that the first load of a lane reads, and replays beside them: its window may be small.
FIRST_LOAD = 32
FIRST_REPLAYS = 4
# Microseconds by which this process may know the database's time too late.
CLOCK_SLACK = 1_000_000


@dataclass
class TurnDone:
    """What a turn has decided; true once its transaction is committed."""

    lost: list[HeldLane] = field(default_factory=list)
    released: list[HeldLane] = field(default_factory=list)
    seen: list[tuple[Touch, int, int | None]] = field(default_factory=list)  # hold_until and given_up_at, as found
    loaded: list[tuple[HeldLane, Loaded]] = field(default_factory=list)
    due: Mapping[int, int] = field(default_factory=dict)
    leased: list[tuple[Lane, Loaded]] = field(default_factory=list)
    renewed: list[Lane] = field(default_factory=list)  # leased although this process has them in its hands
    emptied: list[int] = field(default_factory=list)  # lanes that were leased, and given back for want of work
    found: int = 0  # lanes that were due
    wait: int | None = None  # microseconds until the next lane is due; asked for when lanes are leased or released


def take_turn(
    mailbox: Mailbox, touches: Sequence[Touch], lanes: int, held: Collection[int] = ()
) -> Operation[TurnDone]:
    """Run the turn, and lease up to that many lanes: the touched ones first, so that the new ones come on top.

    `held`: the lanes in this process's hands, whose leases may have ended while it was held up.
    """
    done = TurnDone()
    mine = yield from _settle(mailbox, touches, done)
    loaded = yield from _load(mailbox, mine, done)
    yield from _release([touch for touch in mine if touch.leaves and not _found(touch, loaded)], done)
    kept = [touch.lane.id for touch in mine if touch.asks_due and touch.held not in done.released]
    done.due = yield from next_due(kept)
    if lanes:
        yield from _lease(mailbox, lanes, done, held)
    if lanes or done.released:
        done.wait = yield from leases.next_wake(mailbox)
    return done


def give_back(mailbox: Mailbox, touches: Sequence[Touch]) -> Operation[None]:
    """Settle the last results of lanes and release those in which nothing runs any more."""
    done = TurnDone()
    mine = yield from _settle(mailbox, touches, done)
    yield from _release([touch for touch in mine if touch.leaves], done)


def _settle(mailbox: Mailbox, touches: Sequence[Touch], done: TurnDone) -> Operation[list[Touch]]:
    """Return the touches whose lanes are owned; the results of all are on record."""
    owned = yield from _owned(touches, done)
    # Under a lease that has ended, in a lane that was leased anew.
    earlier = [one for touch in touches for one in touch.results if one.token not in (None, touch.lane.token)]
    for again in (False, True):
        results: list[Result] = [result for touch in touches if touch.again is again for result in touch.results]
        yield from settle(mailbox, results, owned, again=again, earlier=earlier)
    mine = [touch for touch in touches if touch.lane.id in owned]
    yield from _keep(mailbox, mine)
    return mine


def _owned(touches: Sequence[Touch], done: TurnDone) -> Operation[set[int]]:
    rows = yield from leases.fence([touch.lane for touch in touches])
    for touch in touches:
        row = rows.get(touch.lane.id)
        if row is None:
            done.lost.append(touch.held)
        else:
            done.seen.append((touch, row[1], row[2]))
    return set(rows)


def _keep(mailbox: Mailbox, mine: Sequence[Touch]) -> Operation[None]:
    changed = [(touch, *touch.keeps) for touch in mine if touch.keeps is not None]
    yield from leases.keep_health([(touch.lane, now, int(touch.careful)) for touch, _, now in changed])
    # Last: what proves a lease that was in memory alone is another thing after it.
    yield from leases.extend(mailbox, [touch.lane for touch in mine if touch.extend])
    if mailbox.on_health is not None:
        # Everywhere in the same succession: who hears of it writes about destinations, and others do too.
        for touch, before, now in sorted(changed, key=lambda one: one[0].lane.destination_id):
            yield from mailbox.on_health(touch.lane, before, now)


def _load(mailbox: Mailbox, mine: Sequence[Touch], done: TurnDone) -> Operation[Mapping[int, Loaded]]:
    # A lane that somebody has paused since is not loaded.
    paused = {touch.lane.id for touch, hold_until, _ in done.seen if hold_until == NEVER}
    hungry = [touch for touch in mine if touch.wanted is not None and touch.lane.id not in paused]
    loaded = yield from load(mailbox, [touch.wanted for touch in hungry if touch.wanted is not None])
    for touch in hungry:
        lane, found = touch.lane, loaded[touch.lane.id]
        if touch.careful:
            found = yield from _carefully(lane, found)
        done.loaded.append((touch.held, found))
    return loaded


def _found(touch: Touch, loaded: Mapping[int, Loaded]) -> bool:
    found = loaded.get(touch.lane.id)
    return found is not None and (bool(found.deliveries) or found.more)


def _release(touches: Sequence[Touch], done: TurnDone) -> Operation[None]:
    stored = [touch for touch in touches if touch.stores]
    yield from leases.release([(touch.lane._replace(crashes=touch.crashes), touch.health) for touch in stored])
    done.released += [touch.held for touch in touches]
    # Nothing was found in them; and this turn may lease one anew, which then has a memory of its own.
    released = set(done.released)
    done.loaded = [(held, found) for held, found in done.loaded if held not in released]


def _lease(mailbox: Mailbox, lanes: int, done: TurnDone, held: Collection[int]) -> Operation[None]:
    due = yield from leases.lease(mailbox, lanes)
    done.found = len(due)
    lost, released = {one.lane.id for one in done.lost}, {one.lane.id for one in done.released}
    leased: list[Lane] = []
    for lane in due:
        # What is in flight in this process's hands goes on, and is no crash.
        mine = lane.id in held and lane.id not in released
        rid = False
        if lane.started is not None and (not mine or lane.id in lost):
            rid = yield from blame(mailbox, lane, lane.started)
        (done.renewed if mine else leased).append(lane._replace(crashes=0) if rid else lane)
    # A crash leaves lanes that nobody should look into yet.
    soon = mailbox.clock() + CLOCK_SLACK
    loaded = yield from load(mailbox, [_first(lane) for lane in leased if lane.health.hold_until <= soon])
    empty = []
    for lane in leased:
        found = loaded.get(lane.id)
        if found is None or not (found.deliveries or found.more):
            empty.append((lane, lane.health))
            continue
        if lane.crashes:
            found = yield from _carefully(lane, found)
        done.leased.append((lane, found))
    yield from leases.release(empty)
    done.emptied = [lane.id for lane, _ in empty]


def _first(lane: Lane) -> Wanted:
    given_up = lane.health.given_up_at is not None
    most = 1 if lane.crashes else min(QUANTUM, max(FIRST_LOAD, lane.health.window))
    return Wanted(lane.id, most=most, replays=1 if lane.crashes else FIRST_REPLAYS, given_up=given_up)


def _carefully(lane: Lane, found: Loaded) -> Operation[Loaded]:
    """After a crash: one delivery at a time, and on record before it starts."""
    first = found.deliveries[:1]
    yield from leases.note_start(lane, first[0].event_id if first else None)
    return found._replace(deliveries=first, cursor=START, more=found.more or len(found.deliveries) > 1)
