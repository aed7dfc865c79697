"""One transaction for what a look has found: the reading, the document, what is known, and who is told."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ombud.client import OrderStatus
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Box, Delivery, Draft
from ombud.receiver.documents import Document
from ombud.receiver.ledger import ORDER_EVENTS, Seen, Telling, Told, order_telling, product_telling

sql = read_queries("ombud.receiver")

# Seconds that a webhook may take from the shop to here.
WAY_SECONDS = 2.0

PRODUCT_EVENTS = ("product.add", "product.update", "product.delete")


@dataclass(frozen=True)
class Look:
    """A look at the shop's API that answered. `document` is None when the subject is proved to be gone."""

    delivery: Delivery
    started_at: int  # UTC microseconds
    milliseconds: int
    document: Document | None = None
    order_status: OrderStatus | None = None
    paid_at: int | None = None  # UTC microseconds

    @property
    def version(self) -> str | None:
        """The version of what was found."""
        return None if self.document is None else self.document.version


@dataclass(frozen=True)
class Known:
    """What was known of a subject before."""

    version: str | None = None
    incarnation: int = 0
    absent_at: int | None = None
    # When the shop had its first look, if nobody has looked at this subject since.
    baseline_at: int | None = None


class Teller:
    """Writes down what was found and appends one delivery for each handler that must hear of it."""

    def __init__(self, changes: Mailbox, handlers: Mapping[str, Sequence[str]]) -> None:
        """`handlers`: the event types that each handler of the running app wants, by its name."""
        self._changes = changes
        self._handlers = handlers

    def record(self, look: Look) -> Operation[None]:
        """Record the look and tell whom it concerns; runs inside the settle of its arrival."""
        known = yield from known_of(look.delivery.shop_id, look.delivery.subject)
        reading_id = self._changes.ids.next()
        yield sql["insert_reading"], _reading(look, reading_id)
        if look.document is not None:
            values = {"shop_id": look.delivery.shop_id, "version": look.document.version, "body": look.document.body}
            yield sql["insert_document"], values | {"now": self._changes.clock()}
        yield sql["put_mirror"], _mirror(look, known, reading_id)
        handlers = yield sql["active_handlers"], {}
        for event_type in ORDER_EVENTS if look.order_status is not None else PRODUCT_EVENTS:
            old = yield from _came_before(event_type, look)
            for handler in handlers:
                if event_type in self._handlers.get(handler["name"], ()):
                    telling = yield from self._decide(event_type, handler, look, known)
                    if telling is not None and telling.fire and not old:
                        yield from self._append(event_type, handler["id"], telling.told, look, known, reading_id)

    def _decide(self, event_type: str, handler: Row, look: Look, known: Known) -> Operation[Telling | None]:
        """Decide what one handler must be told, and remember that it was."""
        key = {
            "shop_id": look.delivery.shop_id,
            "handler_id": handler["id"],
            "subject": look.delivery.subject,
            "event_type": event_type,
        }
        told = yield from told_of(key)
        if look.order_status is not None and look.version is not None:
            telling = order_telling(event_type, look.order_status, look.version, told)
        else:
            telling = product_telling(event_type, self._handlers[handler["name"]], _seen(look, known), told)
        if telling is not None:
            told = telling.told
            values = {"epoch": told.epoch, "holds": int(told.holds), "version": told.version, "known": known.version}
            yield sql["put_ledger"], key | values
        return telling

    def _append(
        self, event_type: str, handler_id: int, told: Told, look: Look, known: Known, reading_id: int
    ) -> Operation[None]:
        lane_id = yield from self._lane(look.delivery.shop_id, handler_id)
        data = {
            "version": look.version,
            "known": known.version,
            "epoch": told.epoch,
            "reading": reading_id,
            "arrival": look.delivery.event_id,
            "received_at": look.delivery.created_at,
            "source": "webhook" if look.delivery.type == event_type else "inferred",
        }
        draft = Draft(look.delivery.shop_id, event_type, look.delivery.subject, [lane_id], json.dumps(data))
        yield from self._changes.append([draft])

    def _lane(self, shop_id: int, handler_id: int) -> Operation[int]:
        rows = yield sql["handler_lane"], {"box": self._changes.box, "shop_id": shop_id, "handler_id": handler_id}
        if rows:
            return int(rows[0]["id"])
        return (yield from self._changes.add_lane(shop_id, handler_id))


def known_of(shop_id: int, subject: str) -> Operation[Known]:
    """Return what is known of a subject."""
    rows = yield sql["get_mirror"], {"shop_id": shop_id, "subject": subject}
    return Known(**rows[0]) if rows else Known()


def told_of(key: Mapping[str, Any]) -> Operation[Told]:
    """Return what a handler was told."""
    rows = yield sql["get_ledger"], key
    return Told(rows[0]["epoch"], bool(rows[0]["holds"]), rows[0]["version"]) if rows else Told()


def _came_before(event_type: str, look: Look) -> Operation[bool]:
    """Whether an order had this event before its shop was known here: then it is remembered, and nobody is told.

    Only what is inferred can be that old; what a webhook says was said here.
    """
    if look.paid_at is None or look.delivery.type == event_type:
        return False
    key = {"shop_id": look.delivery.shop_id, "subject": look.delivery.subject, "event_type": event_type}
    rows = yield sql["came_before"], key | {"box": Box.INBOX, "paid_at": look.paid_at}
    return bool(rows)


def _seen(look: Look, known: Known) -> Seen:
    baseline_at, hint = known.baseline_at, look.delivery
    return Seen(
        version=look.version,
        known_version=known.version,
        hint=hint.type,
        baseline=baseline_at is not None,
        before_baseline=baseline_at is not None and hint.created_at <= baseline_at + WAY_SECONDS * 1_000_000,
    )


def _reading(look: Look, reading_id: int) -> dict[str, Any]:
    return {
        "shop_id": look.delivery.shop_id,
        "id": reading_id,
        "event_id": look.delivery.event_id,
        "subject": look.delivery.subject,
        "started_at": look.started_at,
        "milliseconds": look.milliseconds,
        "status": 404 if look.document is None else 200,
        "version": look.version,
    }


def _mirror(look: Look, known: Known, reading_id: int) -> dict[str, Any]:
    born = look.version is not None and known.version is None
    return {
        "shop_id": look.delivery.shop_id,
        "subject": look.delivery.subject,
        "version": look.version,
        "incarnation": known.incarnation + int(born),
        "reading_id": reading_id,
    }
