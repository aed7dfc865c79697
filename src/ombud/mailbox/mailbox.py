"""The mailbox's operations: append, lease, load, settle, release. Each is a generator that a database driver runs.

The rules that keep them right are in docs/architecture.md. A side that uses a mailbox supplies one statement, `facts`:
given `:lane_id` it returns one row about the lane's destination, whose column `closed` is null or the reason why
nothing is to be done for it.
"""

import random
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ombud.db.operation import Operation, Row, Statement
from ombud.db.queries import read_queries
from ombud.mailbox.ids import NODES, IdSource, format_id
from ombud.mailbox.model import Box, Delivery, Done, Draft, Interrupted, Lane, Loaded, Result, State
from ombud.mailbox.retry import Verdict, judge
from ombud.settings import RETRY_SECONDS

sql = read_queries("ombud.mailbox")

Clock = Callable[[], int]

# Seconds that a lease lasts without a sign of life: three missed extensions and one long commit.
LEASE_SECONDS = 30.0
# Rows that one load of one lane may look at: enough distinct subjects to fill its window.
LOAD_ROWS = 256
# Deliveries that one step moves to `skipped`: one commit stays short.
SKIP_ROWS = 1_000
# Characters of a reason that are kept: what went wrong is said at its beginning.
LONGEST_REASON = 1_000
# The facts of a lane whose destination somebody deleted by hand, and the reason when it was an event.
NO_DESTINATION = {"closed": "destination missing"}
NO_EVENT = "event missing"


def claim_node() -> Operation[int]:
    """Take this process's share of the id space; commit it before the first id is made."""
    rows = yield sql["claim_node"], {}
    return int(rows[0]["last"]) % NODES


@dataclass(frozen=True)
class Policy:
    """What differs between mailboxes.

    `merging`: of the deliveries of one subject that nobody has started, the newest covers the others.
    """

    retry_seconds: Sequence[float] = RETRY_SECONDS
    lease_seconds: float = LEASE_SECONDS
    merging: bool = False


class Mailbox:
    """The deliveries of one box, and the rules by which they move."""

    def __init__(self, box: Box, facts: Statement, ids: IdSource, clock: Clock, policy: Policy = Policy()) -> None:
        self.box = box
        self.ids = ids
        self.clock = clock
        self._facts = facts
        self._policy = policy
        self._lease_microseconds = round(policy.lease_seconds * 1_000_000)

    def add_lane(self, shop_id: int, destination_id: int, slot: int = 0) -> Operation[int]:
        """Make a lane for a destination; returns its id."""
        lane_id = self.ids.next()
        values = {"id": lane_id, "box": self.box, "shop_id": shop_id, "destination_id": destination_id, "slot": slot}
        yield sql["insert_lane"], values
        return lane_id

    def append(self, drafts: Sequence[Draft]) -> Operation[list[int]]:
        """Store events and one delivery for each of their lanes, and ring those lanes; returns the events' ids."""
        now = self.clock()
        events: list[Mapping[str, Any]] = []
        deliveries: list[Mapping[str, Any]] = []
        for draft in drafts:
            event_id = self.ids.next()
            shared = {"shop_id": draft.shop_id, "subject": draft.subject, "now": now}
            events.append(
                shared
                | {
                    "id": event_id,
                    "box": self.box,
                    "type": draft.type,
                    "data": draft.data,
                    "fan_out": len(draft.lane_ids),
                }
            )
            deliveries += [shared | {"event_id": event_id, "lane_id": lane_id} for lane_id in draft.lane_ids]
        yield sql["insert_event"], events
        yield sql["insert_delivery"], deliveries
        lane_ids = sorted({delivery["lane_id"] for delivery in deliveries})
        yield sql["ring_lane"], [{"lane_id": lane_id, "now": now} for lane_id in lane_ids]
        return [event["id"] for event in events]

    def ring(self, lane_id: int) -> Operation[None]:
        """Have someone look at the lane now, because its destination changed."""
        yield sql["ring_lane"], {"lane_id": lane_id, "now": self.clock()}

    def free_leases(self) -> Operation[None]:
        """Make the lanes of dead performers due. Only for a performer that has just been elected."""
        yield sql["free_leases"], {"box": self.box, "now": self.clock()}

    def next_wake(self) -> Operation[int | None]:
        """Return when the next lane must be looked at (UTC microseconds), or None."""
        rows = yield sql["next_wake"], {"box": self.box}
        wake_at: int | None = rows[0]["wake_at"]
        return wake_at

    def lease(self, lanes: int) -> Operation[list[Lane]]:
        """Become the owner of up to that many lanes that are due."""
        now = self.clock()
        rows = yield (
            sql["lease_lanes"],
            {
                "box": self.box,
                "now": now,
                "token": secrets.randbits(62),
                "leased_until": now + self._lease_microseconds,
                "lanes": lanes,
            },
        )
        return [_lane(row) for row in rows]

    def extend(self, lanes: Sequence[Lane]) -> Operation[None]:
        """Keep lanes beyond the end of their lease."""
        leased_until = self.clock() + self._lease_microseconds
        values = [{"lane_id": lane.id, "token": lane.token, "leased_until": leased_until} for lane in lanes]
        yield sql["extend_lease"], values

    def load(self, lane: Lane, in_flight: Collection[Delivery]) -> Operation[Loaded]:
        """Return what the lane's owner may start now: one delivery a subject, none of a subject in flight.

        When the destination is closed, its pending deliveries are skipped instead, a thousand at a call; those in
        flight keep what comes of them.
        """
        facts = next(iter((yield self._facts, {"lane_id": lane.id})), NO_DESTINATION)
        if facts["closed"]:
            flying = {delivery.event_id for delivery in in_flight}
            rows = yield sql["pending"], {"lane_id": lane.id, "rows": SKIP_ROWS}
            skipped = [row for row in rows if row["event_id"] not in flying]
            yield sql["end_unstarted"], [_end(row, State.SKIPPED, facts["closed"]) for row in skipped]
            return Loaded((), facts)
        rows = yield sql["load_due"], {"lane_id": lane.id, "now": self.clock(), "rows": LOAD_ROWS}
        yield sql["end_unstarted"], [_end(row, State.DEAD, NO_EVENT) for row in rows if row["type"] is None]
        busy = {delivery.subject for delivery in in_flight}
        by_subject: dict[str, list[Delivery]] = {}
        for row in rows:
            if row["type"] is not None and row["subject"] not in busy:
                by_subject.setdefault(row["subject"], []).append(Delivery(**row))
        if self._policy.merging:
            yield sql["end_unstarted"], [row for group in by_subject.values() for row in _covered(group)]
            return Loaded([_newest(group) for group in by_subject.values()], facts)
        return Loaded([group[0] for group in by_subject.values()], facts)

    def next_due(self, lane: Lane) -> Operation[int | None]:
        """Return when the lane's next delivery that waits for its time is due (UTC microseconds), or None."""
        rows = yield sql["next_due"], {"lane_id": lane.id, "now": self.clock()}
        due_at: int | None = rows[0]["due_at"]
        return due_at

    def settle(self, lane: Lane, results: Sequence[Result]) -> Operation[bool]:
        """Record tries and what becomes of their deliveries; returns whether the lane is still ours.

        If the lease was lost, every try is recorded as late and decides nothing.
        """
        owned = bool((yield sql["fence"], {"lane_id": lane.id, "token": lane.token}))
        verdicts = [self._judge(result) for result in results]
        attempts = [
            self._attempt(result, verdict, late=not owned) for result, verdict in zip(results, verdicts, strict=True)
        ]
        yield sql["insert_attempt"], attempts
        if owned:
            yield (
                sql["settle_delivery"],
                [_settlement(result, verdict) for result, verdict in zip(results, verdicts, strict=True)],
            )
            yield from _also(results)
        return owned

    def release(self, lane: Lane, window: int, failures: int) -> Operation[None]:
        """Give the lane back; it wakes when its earliest pending delivery is due."""
        yield (
            sql["release_lane"],
            {"lane_id": lane.id, "token": lane.token, "window": window, "failures": failures},
        )

    def _judge(self, result: Result) -> Verdict:
        attempt, chance = result.delivery.attempts + 1, random.random()  # noqa: S311 - jitter
        verdict = judge(result.outcome, attempt, self._policy.retry_seconds, self.clock(), chance)
        return replace(verdict, reason=_storable(verdict.reason))

    def _attempt(self, result: Result, verdict: Verdict, *, late: bool) -> dict[str, Any]:
        return _key(result.delivery) | {
            "id": self.ids.next(),
            "generation": result.delivery.generation,
            "at": result.at,
            "milliseconds": result.milliseconds,
            "status": result.outcome.status,
            "outcome": _word(result, verdict),
            "reason": verdict.reason,
            "late": int(late),
        }


def _word(result: Result, verdict: Verdict) -> str:
    if isinstance(result.outcome, Interrupted):
        return "interrupted"
    return "retry" if verdict.state is State.PENDING else verdict.state.name.lower()


def _newest(group: Sequence[Delivery]) -> Delivery:
    return max(group, key=lambda delivery: delivery.event_id)


def _covered(group: Sequence[Delivery]) -> list[dict[str, Any]]:
    """Return what settles the older deliveries of a subject: none has started, so the newest stands for them all."""
    newest = _newest(group)
    reason = f"covered by {format_id('evt', newest.event_id)}"
    return [_end(_key(delivery), State.SKIPPED, reason) for delivery in group if delivery is not newest]


def _end(row: Row, state: State, reason: str) -> dict[str, Any]:
    key = {name: row[name] for name in ("shop_id", "event_id", "lane_id")}
    return key | {"state": state, "reason": reason}


def _storable(reason: str | None) -> str | None:
    """Return what of a reason can be kept: it may hold anything that a destination said."""
    return reason and reason[:LONGEST_REASON].encode("utf-8", "replace").decode()


def _also(results: Sequence[Result]) -> Operation[None]:
    for result in results:
        if isinstance(result.outcome, Done) and result.outcome.also is not None:
            yield from result.outcome.also()


def _settlement(result: Result, verdict: Verdict) -> dict[str, Any]:
    return _key(result.delivery) | {
        "attempts": result.delivery.attempts,
        "generation": result.delivery.generation,
        "state": verdict.state,
        "due_at": verdict.due_at,
        "reason": verdict.reason,
        "counts": int(verdict.counts),
    }


def _key(delivery: Delivery) -> dict[str, Any]:
    return {"shop_id": delivery.shop_id, "event_id": delivery.event_id, "lane_id": delivery.lane_id}


def _lane(row: Row) -> Lane:
    return Lane(
        id=row["id"],
        shop_id=row["shop_id"],
        destination_id=row["destination_id"],
        token=row["token"],
        window=row["window_size"],
        failures=row["failures"],
    )
