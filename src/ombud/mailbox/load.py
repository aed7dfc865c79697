"""Loading: what the owner of lanes may start, with the facts of each lane's destination, in one transaction."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from ombud.db.operation import Operation, Row
from ombud.mailbox.ids import format_id
from ombud.mailbox.mailbox import Mailbox, learn, sql
from ombud.mailbox.model import Delivery, Loaded, Rank, State
from ombud.mailbox.wishes import cover_key

# Deliveries that one load moves to `skipped` for one lane: one commit stays short.
SKIP_ROWS = 1_000
# The facts of a lane whose destination somebody deleted by hand, and the reason when it was an event.
NO_DESTINATION = {"closed": "destination missing"}
NO_EVENT = "event missing"
# The reason when a lane was closed for so long that nothing is tried any more.
GIVEN_UP = "given up: every try has failed for days"


class Wanted(NamedTuple):
    """What the owner of a lane asks for.

    `cursor`: due time and event id of the last live delivery that it has read. `most`: live deliveries, and `replays`
    beside them. `known`: the events that it has loaded and not settled. `busy`: the subjects of those, where the newest
    covers the others.
    """

    lane_id: int
    cursor: tuple[int, int] = (0, 0)
    most: int = 64
    replays: int = 16
    known: frozenset[int] = frozenset()
    busy: frozenset[str] = frozenset()
    given_up: bool = False


def load(mailbox: Mailbox, wanted: Sequence[Wanted]) -> Operation[Mapping[int, Loaded]]:
    """Return by lane what its owner may start now, oldest due first.

    When a destination is closed, its lane's pending deliveries are skipped instead, a thousand at a call; those that
    the owner has loaded already keep what comes of them.
    """
    facts = yield from facts_of(mailbox, [one.lane_id for one in wanted])
    reasons = {one.lane_id: reason for one in wanted if (reason := _reason(one, facts[one.lane_id]))}
    loaded = yield from _skip([one for one in wanted if one.lane_id in reasons], reasons, facts)
    open_ones = [one for one in wanted if one.lane_id not in reasons]
    live = yield from _due([(w.lane_id, int(Rank.LIVE), *w.cursor, w.most) for w in open_ones])
    again = yield from _due([(w.lane_id, int(Rank.REPLAY), 0, 0, w.replays) for w in open_ones if w.replays])
    for one in open_ones:
        rows = live.get(one.lane_id, []), again.get(one.lane_id, [])
        loaded[one.lane_id] = yield from _startable(mailbox, one, *rows, facts[one.lane_id])
    return loaded


def facts_of(mailbox: Mailbox, lane_ids: Sequence[int]) -> Operation[Mapping[int, Row]]:
    """Return the facts of the lanes' destinations, as of now."""
    known = yield from mailbox.known_facts.current()
    # In the order in which they are stored: a page of lanes is read once.
    rows = yield mailbox.facts, [(lane_id,) for lane_id in sorted(lane_ids) if lane_id not in known]
    learn(known, rows)
    found = {row["lane_id"]: row for row in rows}
    return {lane_id: found.get(lane_id) or known.get(lane_id, NO_DESTINATION) for lane_id in lane_ids}


def next_due(lane_ids: Sequence[int]) -> Operation[Mapping[int, int]]:
    """Return by lane when its next delivery that waits for its time is due (UTC microseconds)."""
    rows = yield sql["next_due"], [(lane_id,) for lane_id in lane_ids], tuple
    return dict(rows)


def end(key: Sequence[Any], state: State, reason: str) -> tuple[Any, ...]:
    """Return what ends a delivery without a try: its key (day, event, lane), the state and the reason."""
    day, event_id, lane_id = key
    return (day, event_id, lane_id, int(state), reason)


def _reason(wanted: Wanted, facts: Row) -> str | None:
    closed: str | None = facts["closed"]
    return closed or (GIVEN_UP if wanted.given_up else None)


def _skip(
    closed: Sequence[Wanted], reasons: Mapping[int, str], facts: Mapping[int, Row]
) -> Operation[dict[int, Loaded]]:
    rows = yield sql["pending_of_lanes"], [(one.lane_id, SKIP_ROWS + len(one.known)) for one in closed], tuple
    known = {one.lane_id: one.known for one in closed}
    skipped = [row for row in rows if row[1] not in known[row[2]]]
    yield sql["end_unstarted"], [end(row, State.SKIPPED, reasons[row[2]]) for row in skipped]
    ended = Counter(row[2] for row in skipped)
    return {
        one.lane_id: Loaded((), facts[one.lane_id], one.cursor, more=ended[one.lane_id] >= SKIP_ROWS) for one in closed
    }


def _due(asked: Sequence[tuple[int, ...]]) -> Operation[Mapping[int, list[Delivery]]]:
    """Return by lane what is due; a delivery whose event somebody deleted by hand is dead."""
    rows = yield sql["load_due"], asked, Delivery._make
    by_lane: dict[int, list[Delivery]] = {}
    orphans = []
    for row in rows:
        if row.type is None:
            orphans.append(row)
        by_lane.setdefault(row.lane_id, []).append(row)
    yield sql["end_unstarted"], [end(row.key, State.DEAD, NO_EVENT) for row in orphans]
    return by_lane


def _startable(
    mailbox: Mailbox, wanted: Wanted, live: Sequence[Delivery], again: Sequence[Delivery], facts: Row
) -> Operation[Loaded]:
    known = wanted.known
    found = [row for row in (*live, *again) if row.event_id not in known and row.type]
    cursor = (live[-1].due_at, live[-1].event_id) if live else wanted.cursor
    more, passed = len(live) >= wanted.most, frozenset[str]()
    merging = mailbox.policy.merging
    keyed = [(cover_key(facts, row.type, row.subject, merging=merging), row) for row in found]
    if any(key is not None for key, _ in keyed):
        passed = frozenset(row.subject for key, row in keyed if key is not None and row.subject in wanted.busy)
        found = yield from _merge([(key, row) for key, row in keyed if key is None or row.subject not in passed])
    return Loaded(found, facts, cursor, more, passed)


def _merge(keyed: Sequence[tuple[Hashable | None, Delivery]]) -> Operation[list[Delivery]]:
    """Let the newest of each key stand for the others: none of them has started."""
    newest: dict[Hashable, Delivery] = {}
    for key, row in keyed:
        if key is not None and (key not in newest or row.event_id > newest[key].event_id):
            newest[key] = row
    covered = [(newest[key], row) for key, row in keyed if key is not None and row is not newest[key]]
    yield (
        sql["end_unstarted"],
        [end(row.key, State.SKIPPED, f"covered by {format_id('evt', by.event_id)}") for by, row in covered],
    )
    return [row for key, row in keyed if key is None or row is newest[key]]
