"""Settling: a try is put on record, and moves its delivery if its lane's lease is still held."""

import random
from collections.abc import Collection, Sequence
from typing import Any

from ombud.db.operation import Operation
from ombud.mailbox.mailbox import Mailbox, sql
from ombud.mailbox.model import Dead, Delivery, Done, Interrupted, Lane, Outcome, Result, Retry, State
from ombud.mailbox.retry import Verdict, judge

# Characters of a reason that are kept: what went wrong is said at its beginning.
LONGEST_REASON = 1_000
# Deaths of a worker during tries of one delivery, after which it is taken for the cause.
CRASHES = 3
CRASHED = "the process died during this try"
# The outcome of such a try; queries.sql counts them.
CRASH = "crashed"


def settle(
    mailbox: Mailbox, results: Sequence[Result], owned: Collection[int], *, again: bool = False
) -> Operation[None]:
    """Record tries, and what becomes of the deliveries of lanes that this transaction has found to be its own.

    A try whose lane was lost is recorded as late and decides nothing. `again`: an earlier transaction with some of them
    failed, and nobody knows whether it was stored.
    """
    if not results:
        return
    now, terms = mailbox.clock(), mailbox.policy.terms
    attempts, states, told = [], [], {}
    for id_, result in zip(mailbox.ids.take(len(results)), results, strict=True):
        delivery, outcome = result.delivery, result.outcome
        if type(outcome) is Done:
            verdict = Verdict(State.DONE, now, outcome.reason)
        else:
            age = 0 if delivery.open_since is None else result.open_time - delivery.open_since
            verdict = judge(outcome, delivery.attempts + 1, terms, now, random.random(), age)  # noqa: S311 - jitter
        reason = verdict.reason and storable(verdict.reason)
        late = delivery.lane_id not in owned
        attempts.append(_attempt(id_, result, verdict, reason, late=late))
        if late:
            continue
        if type(outcome) is Done and outcome.also is not None:
            told[delivery.event_id, delivery.lane_id] = outcome.also, _settlement(result, verdict, reason)
        else:
            states.append(_settlement(result, verdict, reason))
    yield sql["insert_attempts_again" if again else "insert_attempts"], attempts
    yield sql["settle_deliveries"], states
    moved = yield sql["settle_and_tell"], [settlement for _, settlement in told.values()], tuple
    for key in moved:
        yield from told[key][0]()


def blame(mailbox: Mailbox, lane: Lane, event_id: int) -> Operation[bool]:
    """Count a death of a worker against the delivery that was on record as started; returns whether it was its last.

    After a few it is dead, and the lane is rid of it.
    """
    ended = False
    rows = yield sql["suspect"], {"event_id": event_id, "lane_id": lane.id}, tuple
    for *columns, crashes in rows:
        delivery, now = Delivery._make(columns), mailbox.clock()
        outcome: Outcome = Retry(CRASHED) if crashes + 1 < CRASHES else Dead(f"{CRASHED}, {CRASHES} times")
        verdict = judge(outcome, delivery.attempts + 1, mailbox.policy.terms, now, random.random())  # noqa: S311
        result = Result(delivery, now, 0, outcome, lane.health.open_time(now))
        attempt = _attempt(mailbox.ids.next(), result, verdict, verdict.reason, late=False)
        yield sql["insert_attempts"], [(*attempt[:9], CRASH, *attempt[10:])]
        yield sql["settle_deliveries"], [_settlement(result, verdict, verdict.reason)]
        ended = verdict.state is State.DEAD
    return ended


def storable(reason: str) -> str:
    """Return what of a reason every database can keep: it may hold anything that a destination said."""
    reason = reason[:LONGEST_REASON]
    if reason.isascii() and "\0" not in reason:
        return reason
    return reason.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _attempt(id_: int, result: Result, verdict: Verdict, reason: str | None, *, late: bool) -> tuple[Any, ...]:
    delivery, outcome = result.delivery, result.outcome
    return (
        delivery.day,
        delivery.shop_id,
        delivery.event_id,
        delivery.lane_id,
        id_,
        delivery.generation,
        result.at,
        result.milliseconds,
        outcome.status,
        _WORDS[verdict.state] if type(outcome) is not Interrupted else "interrupted",
        reason,
        int(late),
    )


_WORDS = {State.PENDING: "retry", State.DONE: "done", State.DEAD: "dead", State.SKIPPED: "skipped"}


def _settlement(result: Result, verdict: Verdict, reason: str | None) -> tuple[Any, ...]:
    delivery = result.delivery
    return (
        delivery.day,
        delivery.event_id,
        delivery.lane_id,
        delivery.attempts,
        delivery.generation,
        int(verdict.state),
        verdict.due_at,
        int(verdict.counts),
        result.open_time if delivery.open_since is None else delivery.open_since,
        reason,
    )
