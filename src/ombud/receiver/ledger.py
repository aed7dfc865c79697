"""Who must be told what, once a subject has been read: pure decisions over what each handler was told before.

An arrival is a hint; the fetched state decides. One-shot events fire once for each transition that was observed (an
epoch); level events fire when the version differs from the last one told, never from "ever seen".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ombud.client import OrderStatus, read_order

# The states in which a one-shot order event has happened. A paid order may be done already when it is read.
ORDER_EVENTS: Mapping[str, frozenset[OrderStatus]] = {
    "order.new": frozenset({OrderStatus.PAID, OrderStatus.DONE}),
    "order.done": frozenset({OrderStatus.DONE}),
    "order.cancelled": frozenset({OrderStatus.CANCELLED}),
}


@dataclass(frozen=True)
class Told:
    """What a handler was told of one event type of one subject."""

    epoch: int = 0
    holds: bool = False
    version: str | None = None
    mark: str | None = None  # what it was told beside the state of an order


@dataclass(frozen=True)
class Telling:
    """What to tell now. `fire`: with a delivery; else only remembered."""

    told: Told
    fire: bool


@dataclass(frozen=True)
class Seen:
    """What a look has found of a product, beside what was known."""

    version: str | None
    known_version: str | None
    hint: str
    baseline: bool = False  # nobody has looked since the shop's first look
    before_baseline: bool = False  # what the hint says may be what the first look has found already
    backfilled: bool = False  # nor since, and somebody has asked for the past
    allow_unknown: bool = False  # the handler hears of what is gone and was never seen here


@dataclass(frozen=True)
class OrderSeen:
    """What a look has found of an order. `was_paid`: it was, whatever it is now. `mark`: as `mark_of` returns it."""

    status: OrderStatus
    version: str
    was_paid: bool = False
    mark: str | None = None


def order_telling(event_type: str, seen: OrderSeen, told: Told, *, include_cancelled: bool = False) -> Telling | None:
    """Decide one order event for one handler; None leaves everything as it is.

    `include_cancelled`: an order that was paid, and cancelled before anybody looked, is new as well.
    """
    happened = seen.status in ORDER_EVENTS[event_type]
    if happened and told.holds:
        return _again(seen, told)
    if happened:
        return Telling(Told(told.epoch + 1, holds=True, version=seen.version, mark=seen.mark), fire=True)
    if include_cancelled and not told.epoch and _was_new(event_type, seen.status, was_paid=seen.was_paid):
        return Telling(Told(1, version=seen.version, mark=seen.mark), fire=True)
    if told.holds:
        return Telling(Told(told.epoch, holds=False, version=told.version, mark=told.mark), fire=False)
    return None


def _again(seen: OrderSeen, told: Told) -> Telling | None:
    """Tell what holds still once more when its mark is another one; where none is known this one is remembered."""
    if seen.mark in (None, told.mark):
        return None
    fire = told.mark is not None
    version = seen.version if fire else told.version
    return Telling(Told(told.epoch + int(fire), holds=True, version=version, mark=seen.mark), fire=fire)


def _was_new(event_type: str, status: OrderStatus | None, *, was_paid: bool) -> bool:
    return event_type == "order.new" and status is OrderStatus.CANCELLED and was_paid


def holds(event_type: str, document: Mapping[str, Any] | None, *, include_cancelled: bool = False) -> bool:
    """Whether what an event says is still true of its object as it is now; `document` is None for one that is gone."""
    if event_type not in ORDER_EVENTS:
        return (document is None) == (event_type == "product.delete")
    if document is None:
        return False
    order = read_order(document)
    was_new = include_cancelled and _was_new(event_type, order.status, was_paid=order.date_paid is not None)
    return was_new or order.status in ORDER_EVENTS[event_type]


def product_telling(event_type: str, wanted: Sequence[str], seen: Seen, told: Told) -> Telling | None:
    """Decide one product event for one handler that wants these event types; None leaves everything as it is."""
    if seen.version is None:
        return _gone_telling(event_type, seen, told)
    new = seen.known_version is None or (seen.baseline and seen.hint == "product.add") or seen.backfilled
    following = Told(told.epoch + 1, holds=True, version=seen.version)
    if event_type == "product.add":
        return Telling(following, fire=True) if new and not told.holds else None
    if event_type == "product.update":
        return _update_telling(wanted, seen, told, following, new=new)
    return None


def last_told(seen: Seen, told: Told) -> str | None:
    """Return the version that a handler of updates knows of; None when nobody can say."""
    swallowed = seen.backfilled or (seen.before_baseline and seen.hint == "product.update")
    return told.version if told.version is not None or swallowed else seen.known_version


def _gone_telling(event_type: str, seen: Seen, told: Told) -> Telling | None:
    if event_type == "product.delete":
        following = Told(told.epoch + 1, version=seen.known_version)
        return Telling(following, fire=True) if seen.known_version is not None or seen.allow_unknown else None
    # Should it come into being again, that is news.
    return Telling(Told(told.epoch), fire=False) if told != Told(told.epoch) else None


def _update_telling(wanted: Sequence[str], seen: Seen, told: Told, following: Told, *, new: bool) -> Telling | None:
    if last_told(seen, told) == seen.version:
        return None
    # Who hears of a new product as such need not hear that it changed; who did not ask for that hears if it was said.
    if new and ("product.add" in wanted or not (seen.hint == "product.update" or seen.backfilled)):
        return Telling(Told(told.epoch, version=seen.version), fire=False)
    return Telling(following, fire=True)
