"""What a handler may ask for by type, and what travels to it."""

import hashlib
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from ombud.client import Order, Product

# Hexadecimal digits of an effect key.
KEY_DIGITS = 32


class Proceed(Protocol):
    """What middleware awaits to let the run go on: the next middleware, and at last the handler."""

    def __call__(self) -> Awaitable[None]:
        """Go on; raises what comes of it."""
        ...


class OrderId(str):
    """The id of the order that an event is about."""

    __slots__ = ()


class ProductId(str):
    """The id of the product that an event is about."""

    __slots__ = ()


@dataclass(frozen=True)
class Event:
    """What happened, as confirmed: the event type, and the id of its order or product."""

    event_type: str
    object_id: str
    shop: str


@dataclass(frozen=True)
class UnknownEvent:
    """A webhook of a type that this version does not know: all that its query says, of which nothing is confirmed."""

    event_type: str
    parameters: Mapping[str, str]
    shop: str


@dataclass(frozen=True)
class Change:
    """The object before and after, as this handler last knew it. `before` is None at first, `after` when it is gone."""

    before: Order | Product | None
    after: Order | Product | None
    source: str


@dataclass(frozen=True)
class Context:
    """About this run. `key` is the same at every repetition of it: hand it to other systems, so that they can tell.

    `attempt` is 1 for the first. `source`: `webhook`, `inferred` from another event's read, `reconcile` from a list,
    `backfill` when somebody has asked for the past, or `unconfirmed`. `arrivals`: the ids of the webhooks that this
    run answers for, oldest first, at most 100 of them. `applied`: the event types of this object with which any handler
    of the inbox has ever finished.
    """

    key: str
    handler: str
    shop: str
    attempt: int
    received_at: datetime
    source: str
    arrivals: tuple[str, ...] = ()
    applied: frozenset[str] = frozenset()

    @property
    def new_was_applied(self) -> bool:
        """Whether a handler has finished with `order.new` of this order: else there is nothing to take back."""
        return "order.new" in self.applied

    @property
    def done_was_applied(self) -> bool:
        """Whether a handler has finished with `order.done` of this order."""
        return "order.done" in self.applied


@dataclass(frozen=True)
class Failure:
    """Why a run was given up: the reason of its last try."""

    reason: str


@dataclass(frozen=True)
class Call:
    """A run of a handler as plain data, so that it can travel to another process."""

    handler: str
    event_type: str
    subject: str
    shop: str
    key: str
    attempt: int
    source: str
    received_at: int  # UTC microseconds
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    arrivals: Sequence[str] = ()
    applied: Sequence[str] = ()
    note: str = ""  # with what a webhook of an unknown type was stored
    failure: str | None = None  # the run was given up for this reason: not the handler runs, but who wants to hear it


def effect_key(shop_id: int, handler_id: int, event_type: str, subject: str, epoch: int) -> str:
    """Return the key of one real change for one handler: stable over retries, another for the next transition.

    By the handler's id, so that a rename between two tries changes nothing.
    """
    text = "|".join([str(shop_id), str(handler_id), event_type, subject, str(epoch)])
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]
