"""Which arrivals one look answers for, and when a look is not to be believed yet. Pure.

An arrival says that its subject may have changed before it came. So a look answers for arrivals that had come when it
began, and for no other; of products, for those that had been quiet by then, as the API's copies may lag. Nothing is
dropped by a window of time: who waits for quiet is answered for by a later look.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ombud.mailbox.ids import format_id
from ombud.mailbox.model import Delivery

SECOND = 1_000_000
# Seconds within which most senders repeat what they sent.
EXPLAINED_SECONDS = 300.0


@dataclass(frozen=True)
class Past:
    """What is on record before a look at the subject of an arrival. Times are UTC microseconds.

    `looks`: how often this very arrival was read. `answers`: how many of its tries the API has answered. `newer`: the
    newest arrival of the subject that waits beside it. `since`: when the first one came that no look answers for.
    `reading_id`: a look for another arrival that began after this one had been quiet. `found_at`: when the subject was
    first seen as it is known.
    """

    looks: int = 0
    answers: int = 0
    newer: int | None = None
    since: int | None = None
    reading_id: int | None = None
    found_at: int | None = None


def answered_for(delivery: Delivery, past: Past, now: int, at_most_seconds: float) -> str | None:
    """Return why an arrival needs no look of its own; None when it does. One that a person repeats always does."""
    if delivery.generation:
        return None
    if past.reading_id is not None:
        return f"covered by {format_id('rdg', past.reading_id)}, a read that began later"
    waited = now - (delivery.created_at if past.since is None else past.since)
    # One that has looked already is to look again: the newer one may be answered for by that very look.
    if past.newer is not None and not past.looks and waited < at_most_seconds * SECOND:
        return f"covered by {format_id('evt', past.newer)}, which waits for quiet"
    return None


def settle_after(past: Past, now: int, age_seconds: float, settle_seconds: Sequence[float]) -> float | None:
    """Return the seconds after which to look again, when a look at `now` has found nothing new; None for never.

    The API may have answered from a copy that lags behind; not for an arrival of an age that no copy lags behind. When
    something new was found lately, a repeated webhook explains this one: it is looked at once more, and no further.

    A look counts with its try, which says when the next may follow: a process that dies between the two leaves a look
    after which nobody has waited.
    """
    looks = min(past.looks, past.answers)
    explained = past.found_at is not None and now - past.found_at < EXPLAINED_SECONDS * SECOND
    pauses = settle_seconds[:1] if explained else settle_seconds
    if looks >= len(pauses) or (not looks and age_seconds > sum(settle_seconds)):
        return None
    return pauses[looks]


def may_be_old(changed: bool, told: int, since_seconds: float | None, settle_seconds: Sequence[float]) -> bool:
    """Whether a look that shows another state than the last one, so soon after that, may come from an older copy.

    Believed, it could end a state that holds still; the next look would begin it anew, and tell it a second time. Where
    nothing was `told` yet there is nothing to tell twice.
    """
    lag = settle_seconds[0] if settle_seconds else 0.0
    return changed and told > 0 and since_seconds is not None and since_seconds < lag
