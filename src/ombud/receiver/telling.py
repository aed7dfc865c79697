"""One transaction for what a look has found: the reading, the document, what is known, and who is told."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ombud.client import OrderStatus
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Delivery, Draft
from ombud.receiver.documents import pack, version_of
from ombud.receiver.ledger import ORDER_EVENTS, Seen, Telling, Told, order_telling, product_telling

sql = read_queries("ombud.receiver")

PRODUCT_EVENTS = ("product.add", "product.update", "product.delete")


@dataclass(frozen=True)
class Look:
    """A look at the shop's API that answered. `document` is None when the subject is proved to be gone."""

    delivery: Delivery
    started_at: int  # UTC microseconds
    milliseconds: int
    document: Mapping[str, Any] | None
    order_status: OrderStatus | None = None


@dataclass(frozen=True)
class Known:
    """What was known of a subject before."""

    version: str | None = None
    incarnation: int = 0
    baseline: bool = False
    absent_at: int | None = None


class Teller:
    """Writes down what was found and appends one delivery for each handler that must hear of it."""

    def __init__(self, changes: Mailbox, handlers: Mapping[str, Sequence[str]]) -> None:
        """`handlers`: the event types that each handler of the running app wants, by its name."""
        self._changes = changes
        self._handlers = handlers

    def record(self, look: Look) -> Operation[None]:
        """Record the look and tell whom it concerns; runs inside the settle of its arrival."""
        version = None if look.document is None else version_of(look.document)
        known = yield from known_of(look.delivery.shop_id, look.delivery.subject)
        reading_id = self._changes.ids.next()
        yield sql["insert_reading"], _reading(look, reading_id, version)
        if look.document is not None and version is not None:
            yield sql["insert_document"], self._document(look.delivery.shop_id, version, look.document)
        yield sql["put_mirror"], _mirror(look, known, version, reading_id)
        for event_type in ORDER_EVENTS if look.order_status is not None else PRODUCT_EVENTS:
            yield from self._tell(event_type, look, known, version, reading_id)

    def _tell(self, event_type: str, look: Look, known: Known, version: str | None, reading_id: int) -> Operation[None]:
        """Append one event for every handler that must be told of this change."""
        rows = yield sql["active_handlers"], {}
        for row in rows:
            wanted = self._handlers.get(row["name"], ())
            if event_type not in wanted:
                continue
            key = {
                "shop_id": look.delivery.shop_id,
                "handler_id": row["id"],
                "subject": look.delivery.subject,
                "event_type": event_type,
            }
            telling = _decide(event_type, wanted, look, known, version, (yield from told_of(key)))
            if telling is None:
                continue
            told = telling.told
            yield sql["put_ledger"], key | {"epoch": told.epoch, "holds": int(told.holds), "version": told.version}
            if telling.fire:
                lane_id = yield from self._lane(look.delivery.shop_id, row["id"])
                data = {
                    "version": version,
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

    def _document(self, shop_id: int, version: str, document: Mapping[str, Any]) -> dict[str, Any]:
        return {"shop_id": shop_id, "version": version, "body": pack(document), "now": self._changes.clock()}


def known_of(shop_id: int, subject: str) -> Operation[Known]:
    """Return what is known of a subject."""
    rows = yield sql["get_mirror"], {"shop_id": shop_id, "subject": subject}
    if not rows:
        return Known()
    row = rows[0]
    return Known(row["version"], row["incarnation"], bool(row["baseline"]), row["absent_at"])


def told_of(key: Mapping[str, Any]) -> Operation[Told]:
    """Return what a handler was told."""
    rows = yield sql["get_ledger"], key
    return Told(rows[0]["epoch"], bool(rows[0]["holds"]), rows[0]["version"]) if rows else Told()


def _decide(
    event_type: str, wanted: Sequence[str], look: Look, known: Known, version: str | None, told: Told
) -> Telling | None:
    if look.order_status is not None and version is not None:
        return order_telling(event_type, look.order_status, version, told)
    return product_telling(event_type, wanted, Seen(version, known.version, known.baseline, look.delivery.type), told)


def _reading(look: Look, reading_id: int, version: str | None) -> dict[str, Any]:
    return {
        "shop_id": look.delivery.shop_id,
        "id": reading_id,
        "event_id": look.delivery.event_id,
        "subject": look.delivery.subject,
        "started_at": look.started_at,
        "milliseconds": look.milliseconds,
        "status": 404 if look.document is None else 200,
        "version": version,
    }


def _mirror(look: Look, known: Known, version: str | None, reading_id: int) -> dict[str, Any]:
    born = version is not None and known.version is None
    return {
        "shop_id": look.delivery.shop_id,
        "subject": look.delivery.subject,
        "version": version,
        "incarnation": known.incarnation + int(born),
        "reading_id": reading_id,
    }
