"""Settling: a try is put on record, and moves its delivery if its lane's lease is still held."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ombud.db.operation import Make, Operation
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
    mailbox: Mailbox,
    results: Sequence[Result],
    owned: Collection[int],
    *,
    again: bool = False,
    earlier: Collection[Result] = (),
) -> Operation[None]:
    """Record tries, and what becomes of the deliveries of lanes that this transaction has found to be its own.

    A try whose lane was lost is recorded as late and decides nothing. `earlier`: those that began under a lease that
    has ended, in a lane that was leased anew; they decide if nobody has moved their delivery since, and are late else.
    `again`: an earlier transaction with some of them failed, and nobody knows whether it was stored.
    """
    if not results:
        return
    done, others = _parted(results, owned, earlier)
    tries = _weighed(mailbox, others, owned)
    states, told = [], {}
    for one in tries:
        outcome, delivery = one.result.outcome, one.result.delivery
        if one.late:
            continue
        says = mailbox.on_dead is not None and one.verdict.state is State.DEAD
        if says or _more_of(outcome) is not None or one.result in earlier:
            told[delivery.event_id, delivery.lane_id] = one
        else:
            states.append(_settlement(one))
    stored = set((yield sql["settle_and_tell"], [_settlement(one) for one in told.values()], tuple))
    moved = [one for key, one in told.items() if key in stored]  # in the order of the tries
    for key in told.keys() - stored:
        told[key].late = told[key].result in earlier
    tries = yield from _with_a_place(tries)
    ids = mailbox.ids.take(len(done) + len(tries))
    attempts = _attempts_done(ids, done) + list(map(_attempt, ids[len(done) :], tries))
    yield sql["insert_attempts_again" if again else "insert_attempts"], attempts
    yield sql["settle_deliveries"], _settlements_done(done, mailbox.clock()) + states
    yield from _write_more(moved)
    yield from _say_dead(mailbox, moved)


def _parted(
    results: Sequence[Result], owned: Collection[int], earlier: Collection[Result]
) -> tuple[list[Result], list[Result]]:
    """Return those that are simply done, which are nearly all of a busy mailbox, and those that must be weighed."""
    done: list[Result] = []
    others: list[Result] = []
    for result in results:
        outcome = result.outcome
        plain = type(outcome) is Done and outcome.also is None and outcome.reason is None
        (done if plain and result.delivery.lane_id in owned and result not in earlier else others).append(result)
    return done, others


def _more_of(outcome: Outcome) -> Make[None] | None:
    """Return what an outcome has to write beside the state of its delivery."""
    return outcome.also if isinstance(outcome, Done | Retry | Dead) else None


def _write_more(tries: Sequence["_Try"]) -> Operation[None]:
    for one in tries:
        more = _more_of(one.result.outcome)
        if more is not None:
            yield from more()


def _say_dead(mailbox: Mailbox, tries: Sequence["_Try"]) -> Operation[None]:
    dead = [(one.result.delivery, one.reason) for one in tries if one.verdict.state is State.DEAD]
    if dead and mailbox.on_dead is not None:
        yield from mailbox.on_dead(dead)


def _weighed(mailbox: Mailbox, results: Sequence[Result], owned: Collection[int]) -> list["_Try"]:
    """Return each try with what it means."""
    now = mailbox.clock()
    tries = []
    for result in results:
        delivery = result.delivery
        age = 0 if delivery.open_since is None else result.open_time - delivery.open_since
        terms = mailbox.policy.terms_of(result.schedule)._replace(closed=result.probe)
        verdict = judge(result.outcome, delivery.attempts + 1, terms, now, random.random(), age)  # noqa: S311 - jitter
        reason = verdict.reason and storable(verdict.reason)
        tries.append(_Try(result, verdict, reason, delivery.lane_id not in owned))
    return tries


def _with_a_place(tries: list["_Try"]) -> Operation[list["_Try"]]:
    """Return the tries whose delivery is still stored, each beside it.

    Only what a lane's owner has loaded stays where it is: when a try comes late, its delivery may have been copied to a
    newer day, or have gone with its own.
    """
    late = [one for one in tries if one.late]
    if not late:
        return tries
    keys = {(one.result.delivery.event_id, one.result.delivery.lane_id) for one in late}
    rows = yield sql["find_deliveries"], sorted(keys), tuple
    days = {(event_id, lane_id): day for day, event_id, lane_id in rows}
    placed = [one for one in tries if not one.late]
    for one in late:
        delivery = one.result.delivery
        day = days.get((delivery.event_id, delivery.lane_id))
        if day is not None:
            placed.append(replace(one, result=one.result._replace(delivery=delivery._replace(day=day))))
    return placed


def blame(mailbox: Mailbox, lane: Lane, event_id: int) -> Operation[bool]:
    """Count a death of a worker against the delivery that was on record as started; returns whether it was its last.

    After a few it is dead, and the lane is rid of it.
    """
    ended = False
    rows = yield sql["suspect"], {"event_id": event_id, "lane_id": lane.id}, tuple
    for *columns, crashes in rows:
        delivery, now = Delivery._make(columns), mailbox.clock()
        outcome: Outcome = Retry(CRASHED) if crashes + 1 < CRASHES else Dead(f"{CRASHED}, {CRASHES} times")
        verdict = judge(outcome, delivery.attempts + 1, mailbox.policy.terms_of(""), now, random.random())  # noqa: S311
        one = _Try(Result(delivery, now, 0, outcome, lane.health.open_time(now)), verdict, verdict.reason)
        attempt = _attempt(mailbox.ids.next(), one)
        yield sql["insert_attempts"], [(*attempt[:9], CRASH, *attempt[10:])]
        yield sql["settle_deliveries"], [_settlement(one)]
        yield from _say_dead(mailbox, [one])
        ended = verdict.state is State.DEAD
    return ended


def storable(reason: str) -> str:
    """Return what of a reason every database can keep: it may hold anything that a destination said."""
    reason = reason[:LONGEST_REASON]
    if reason.isascii() and "\0" not in reason:
        return reason
    return reason.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


@dataclass(slots=True)
class _Try:
    """A try that is being settled."""

    result: Result
    verdict: Verdict
    reason: str | None
    late: bool = False


def _attempt(id_: int, one: _Try) -> tuple[Any, ...]:
    result, delivery, outcome = one.result, one.result.delivery, one.result.outcome
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
        _WORDS[one.verdict.state] if type(outcome) is not Interrupted else "interrupted",
        one.reason,
        int(one.late),
    )


def _attempts_done(ids: Sequence[int], results: Sequence[Result]) -> list[tuple[Any, ...]]:
    """Return the rows of tries that were simply done, as `_attempt` does of others."""
    rows = []
    for id_, (delivery, at, milliseconds, outcome, _, _, _, _) in zip(ids, results, strict=False):
        day, shop_id, event_id, lane_id, _, _, _, _, _, _, _, generation, _ = delivery
        status = outcome.status
        rows.append((day, shop_id, event_id, lane_id, id_, generation, at, milliseconds, status, _DONE, None, 0))
    return rows


def _settlements_done(results: Sequence[Result], now: int) -> list[tuple[Any, ...]]:
    """Return what becomes of their deliveries, as `_settlement` does of others."""
    rows = []
    for delivery, _, _, _, open_time, _, _, _ in results:
        day, _, event_id, lane_id, _, _, _, _, _, _, attempts, generation, open_since = delivery
        since = open_time if open_since is None else open_since
        rows.append((day, event_id, lane_id, attempts, generation, int(State.DONE), now, 1, since, None))
    return rows


_WORDS = {State.PENDING: "retry", State.DONE: "done", State.DEAD: "dead", State.SKIPPED: "skipped"}
_DONE = _WORDS[State.DONE]


def _settlement(one: _Try) -> tuple[Any, ...]:
    result, verdict, delivery = one.result, one.verdict, one.result.delivery
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
        one.reason,
    )
