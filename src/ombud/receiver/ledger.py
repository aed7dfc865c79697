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


def order_telling(event_type: str, status: OrderStatus, version: str, told: Told) -> Telling | None:
    """Decide one order event for one handler; None leaves everything as it is."""
    happened = status in ORDER_EVENTS[event_type]
    if happened == told.holds:
        return None
    if happened:
        return Telling(Told(told.epoch + 1, holds=True, version=version), fire=True)
    return Telling(Told(told.epoch, holds=False, version=told.version), fire=False)


def holds(event_type: str, document: Mapping[str, Any] | None) -> bool:
    """Whether what an event says is still true of its object as it is now; `document` is None for one that is gone."""
    if event_type in ORDER_EVENTS:
        return document is not None and read_order(document).status in ORDER_EVENTS[event_type]
    return (document is None) == (event_type == "product.delete")


def product_telling(event_type: str, wanted: Sequence[str], seen: Seen, told: Told) -> Telling | None:
    """Decide one product event for one handler that wants these event types; None leaves everything as it is."""
    if seen.version is None:
        return _gone_telling(event_type, seen, told)
    new = seen.known_version is None or (seen.baseline and seen.hint == "product.add")
    following = Told(told.epoch + 1, holds=True, version=seen.version)
    if event_type == "product.add":
        return Telling(following, fire=True) if new and not told.holds else None
    if event_type == "product.update":
        return _update_telling(wanted, seen, told, following, new=new)
    return None


def last_told(seen: Seen, told: Told) -> str | None:
    """Return the version that a handler of updates knows of; None when nobody can say."""
    swallowed = seen.before_baseline and seen.hint == "product.update"
    return told.version if told.version is not None or swallowed else seen.known_version


def _gone_telling(event_type: str, seen: Seen, told: Told) -> Telling | None:
    if event_type == "product.delete":
        following = Told(told.epoch + 1, version=seen.known_version)
        return Telling(following, fire=True) if seen.known_version is not None else None
    # Should it come into being again, that is news.
    return Telling(Told(told.epoch), fire=False) if told != Told(told.epoch) else None


def _update_telling(wanted: Sequence[str], seen: Seen, told: Told, following: Told, *, new: bool) -> Telling | None:
    if last_told(seen, told) == seen.version:
        return None
    # Who hears of a new product as such need not hear that it changed; who did not ask for that hears if it was said.
    if new and ("product.add" in wanted or seen.hint != "product.update"):
        return Telling(Told(told.epoch, version=seen.version), fire=False)
    return Telling(following, fire=True)
