"""When a shop's lists are to be read, and who reads them: one process at a time, wherever they run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ombud.db.operation import Operation
from ombud.db.queries import read_queries

sql = read_queries("ombud.receiver")

# Seconds that a reader of a list may take, until another one may try: a large shop's whole list at a modest rate.
CLAIM_SECONDS = 900.0
# Seconds until a list that could not be read is tried again.
AGAIN_SECONDS = 60.0
# Seconds between two readings of all orders whose state has changed lately; by then a loss is a day old at most.
CHECK_SECONDS = 86_400.0
_SECOND = 1_000_000


class Sweep(StrEnum):
    """A list: orders that have changed since the last time, those of the last weeks, and every product."""

    ORDERS = "orders"
    RECENT_ORDERS = "recent orders"
    PRODUCTS = "products"


@dataclass(frozen=True)
class Claim:
    """Leave to read a list, or to go through the past.

    In UTC microseconds: when that was begun last (None for never), and since when there is a shop.
    """

    shop_id: int
    kind: str
    swept_at: int | None
    created_at: int


def claim_due(shop_ids: Sequence[int], pauses: Mapping[Sweep, float], now: int) -> Operation[list[Claim]]:
    """Claim the lists that were last read longer ago than their pause (seconds), and that nobody is reading."""
    claimed = []
    for shop_id in shop_ids:
        for kind, pause in pauses.items():
            claimed += yield from _claim(shop_id, kind.value, now, before=now - round(pause * _SECOND))
    return claimed


def claim_once(shop_id: int, kind: str, now: int) -> Operation[Claim | None]:
    """Claim what is done once, unless it was, or somebody is at it."""
    return next(iter((yield from _claim(shop_id, kind, now, before=0))), None)


def _claim(shop_id: int, kind: str, now: int, *, before: int) -> Operation[list[Claim]]:
    values = {"shop_id": shop_id, "kind": kind, "now": now, "before": before}
    rows = yield sql["claim_sweep"], values | {"until": now + round(CLAIM_SECONDS * _SECOND)}
    return [Claim(shop_id, kind, row["swept_at"], row["created_at"]) for row in rows]


def swept_at(shop_id: int, kind: str) -> Operation[int | None]:
    """Return when something was begun last that has been brought to its end; None for never."""
    rows = yield sql["sweeps"], {}
    return next((row["swept_at"] for row in rows if (row["shop_id"], row["kind"]) == (shop_id, kind)), None)


def any_due(shop_ids: Sequence[int], pauses: Mapping[Sweep, float], now: int) -> Operation[bool]:
    """Whether there is something to claim: asked often, and writes nothing."""
    rows = yield sql["sweeps"], {}
    known = {(row["shop_id"], row["kind"]): row for row in rows}
    for shop_id in shop_ids:
        for kind, pause in pauses.items():
            row = known.get((shop_id, kind.value))
            if row is None or (row["claimed_until"] <= now and (row["swept_at"] or 0) <= now - pause * _SECOND):
                return True
    return False


def finish(claim: Claim, started_at: int) -> Operation[None]:
    """Give it back: the list was read to its end."""
    yield sql["end_sweep"], {"shop_id": claim.shop_id, "kind": claim.kind, "at": started_at, "until": 0}


def give_up(claim: Claim, now: int) -> Operation[None]:
    """Give it back unread."""
    until = now + round(AGAIN_SECONDS * _SECOND)
    yield (
        sql["end_sweep"],
        {"shop_id": claim.shop_id, "kind": claim.kind, "at": claim.swept_at, "until": until},
    )
