"""What a list of a shop shows, against what is known: whatever differs is handed to the reader, in one transaction."""

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ombud.client import OrderStatus
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Draft, Rank
from ombud.receiver.documents import unpack
from ombud.receiver.marks import tracking_of
from ombud.receiver.shops import Shop

sql = read_queries("ombud.receiver")

# The types under which such finds are stored among the arrivals.
ORDER_RECONCILE = "order.reconcile"
PRODUCT_RECONCILE = "product.reconcile"
ORDER_BACKFILL = "order.backfill"
PRODUCT_BACKFILL = "product.backfill"
RECONCILES = frozenset({ORDER_RECONCILE, PRODUCT_RECONCILE})
BACKFILLS = frozenset({ORDER_BACKFILL, PRODUCT_BACKFILL})
# Orders in one request for a list: the vendor's limit, as the short form has a few words of each.
ORDERS_PAGE = 1_000
# Things of a list that one short transaction can take.
BATCH = 250
# Products that one list may lack before a person is asked: this many, or that share of those that are known. More is a
# shop that is moving, a key of another shop or a broken list rather than somebody who tidies up.
MOST_MISSING = 20
MISSING_SHARE = 0.05
# Microseconds that webhooks have waited when what a list shows goes before them: far longer than reading takes, unless
# there are more than can be read, as there are when somebody forges them.
LATE = 60_000_000
# Looks that find nothing different where a list does; then the list says less than a product's own page.
MOST_LOOKS = 3
HELD = "held: so many products are missing at once that a person should look first; release this one to go on"
# Microseconds after which something would be done about what is held, were it not dead by then.
_HOLD = 86_400_000_000
# And about what is found: not in the same moment, so that whoever performs reads its rank.
_SOON = 1

T = TypeVar("T")

log = logging.getLogger("ombud.receiver")


@dataclass(frozen=True)
class Listed:
    """A line of a list: an order in a state, or a product with what the list shows of it.

    `tracking`: of a done order, as `tracking_of` returns it; None when nobody wants to know.
    """

    subject: str
    status: int | None = None
    version: str | None = None
    tracking: str | None = None


def note_open_orders(shop: Shop, orders: Sequence[Listed]) -> Operation[None]:
    """Remember orders that were paid before the shop was known here, and that are not done: none of them is new."""
    yield sql["put_open_order"], [(shop.id, one.subject, one.status) for one in orders]


def note_orders(arrivals: Mailbox, shop: Shop, orders: Sequence[Listed]) -> Operation[None]:
    """Have the reader look at orders that nobody has seen in their state."""
    rows = yield from _known(arrivals, shop, [one.subject for one in orders])
    found = [one.subject for one in orders if _order_differs(one, rows[one.subject])]
    same = [one for one in orders if one.tracking is not None and rows[one.subject]["status"] == one.status]
    found += yield from _tracked_otherwise(shop, same)
    yield from _hand_over(arrivals, shop, ORDER_RECONCILE, [rows[subject] for subject in found])


def note_products(arrivals: Mailbox, shop: Shop, products: Sequence[Listed]) -> Operation[None]:
    """Have the reader look at products that are not as they are known, unless looks have found nothing in it."""
    rows = yield from _known(arrivals, shop, [one.subject for one in products])
    found = [one for one in products if _product_differs(one, rows[one.subject])]
    yield from _hand_over(arrivals, shop, PRODUCT_RECONCILE, [rows[one.subject] for one in found])
    new = [one for one in found if not rows[one.subject]["waits"]]
    yield sql["put_listed"], [(shop.id, one.subject, one.version) for one in new]
    agreeing = [one for one in products if rows[one.subject]["times"] and one.version == rows[one.subject]["version"]]
    yield sql["end_listed"], [(shop.id, one.subject) for one in agreeing]


def note_missing(arrivals: Mailbox, shop: Shop, listed: frozenset[str]) -> Operation[None]:
    """Have the reader prove that products are gone that the whole list lacks; too many are held for a person."""
    rows = yield sql["known_products"], {"shop_id": shop.id}
    missing = [row["subject"] for row in rows if row["subject"] not in listed]
    known = yield from _known(arrivals, shop, missing)
    suspects = [row for row in known.values() if not row["held"]]
    if len(missing) <= max(MOST_MISSING, MISSING_SHARE * len(rows)):
        yield from _hand_over(arrivals, shop, PRODUCT_RECONCILE, suspects)
        return
    wanted = [row["subject"] for row in suspects if not row["waits"]]
    if ids := (yield from find(arrivals, shop, PRODUCT_RECONCILE, wanted, delay=_HOLD)):
        log.error("%d products of shop %s are missing at once; their deletion is held", len(missing), shop.name)
        yield sql["hold_arrival"], [(id_, shop.reader_lane_id, HELD) for id_ in ids]


def find(
    arrivals: Mailbox, shop: Shop, kind: str, subjects: Sequence[str], *, data: str | None = None, delay: int = _SOON
) -> Operation[list[int]]:
    """Have the reader look at these, behind what webhooks say; returns the ids of the arrivals."""
    lanes = [shop.reader_lane_id]
    ids = yield from arrivals.append([Draft(shop.id, kind, one, lanes, data, delay) for one in subjects])
    yield sql["lower_arrivals"], [(id_, shop.reader_lane_id, int(Rank.REPLAY)) for id_ in ids]
    return ids


def _hand_over(arrivals: Mailbox, shop: Shop, kind: str, known: Sequence[Row]) -> Operation[None]:
    """Have the reader look at these, unless it is to anyway; and first, when others have waited for long.

    The shop has them, and who forges webhooks by the thousand cannot put them into its list.
    """
    yield from find(arrivals, shop, kind, [row["subject"] for row in known if not row["waits"]])
    heads = yield sql["head_of_lane"], {"lane_id": shop.reader_lane_id}
    due_at = heads[0]["due_at"]
    if due_at is not None and due_at < arrivals.clock() - LATE:
        lane_id, box = shop.reader_lane_id, int(arrivals.box)
        yield sql["put_first"], [(shop.id, row["subject"], lane_id, box, due_at - 1) for row in known]


async def batches(things: AsyncIterator[T]) -> AsyncIterator[Sequence[T]]:
    """Give them in batches that one short transaction can take."""
    batch: list[T] = []
    async for thing in things:
        batch.append(thing)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _known(arrivals: Mailbox, shop: Shop, subjects: Sequence[str]) -> Operation[dict[str, Row]]:
    wanted = [(shop.id, subject, shop.reader_lane_id, int(arrivals.box)) for subject in subjects]
    rows = yield sql["known_subjects"], wanted
    return {row["subject"]: row for row in rows}


def _tracked_otherwise(shop: Shop, orders: Sequence[Listed]) -> Operation[list[str]]:
    """Return the orders of which the list shows another tracking than the last look has found."""
    rows = yield sql["known_bodies"], [(shop.id, one.subject) for one in orders]
    known = {row["subject"]: tracking_of(unpack(row["body"])) for row in rows}
    return [one.subject for one in orders if known.get(one.subject, one.tracking) != one.tracking]


def _product_differs(listed: Listed, known: Row) -> bool:
    if listed.version == known["version"]:
        return False
    return listed.version != known["listed"] or bool(known["times"] < MOST_LOOKS)


def _order_differs(listed: Listed, known: Row) -> bool:
    if listed.status == known["status"]:
        return False
    # A checkout that nobody has paid yet is nothing to tell.
    return known["status"] is not None or listed.status != OrderStatus.UNPAID
