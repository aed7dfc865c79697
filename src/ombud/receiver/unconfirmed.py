"""`OMBUD_CONFIRM=none`, for who has no key: every webhook is passed on as it came, ids only, at least once.

Nothing proves such an event. Whoever knows the token can send any, twice, in any order; no handler is spared a repeat.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.errors import ConfigurationError
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Delivery, Done, Outcome
from ombud.receiver.arrival import UNKNOWN
from ombud.receiver.changes import News, append_change
from ombud.receiver.options import HandlerFacts

sql = read_queries("ombud.receiver")

# The source of a change that nobody has confirmed.
UNCONFIRMED = "unconfirmed"
NOT_KNOWN = "Not confirmed: nothing can be read of an event type that is not known here."

log = logging.getLogger("ombud.receiver")


def is_unconfirmed(data: Mapping[str, Any]) -> bool:
    """Return whether a change was passed on unconfirmed; `data` is what was stored with it."""
    return data.get("source") == UNCONFIRMED


def check_ids_suffice(handlers: Sequence[HandlerFacts]) -> None:
    """Raise ConfigurationError for a handler that asks for what only the shop's API could tell."""
    for handler in handlers:
        if handler.needs_object:
            raise ConfigurationError(
                f"Handler {handler.name} asks for an object, and OMBUD_CONFIRM=none gives ids alone: OrderId,"
                " ProductId, Event or Context. Change its parameters, or set an API key and remove OMBUD_CONFIRM."
            )
    log.warning(
        "OMBUD_CONFIRM=none: handlers run for every webhook, forged ones included, and may run twice for one change."
    )


class Passer:
    """Performs arrivals without asking anybody: those of unknown types, and all where nobody can be asked."""

    def __init__(self, changes: Mailbox, handlers: Sequence[HandlerFacts]) -> None:
        self._changes = changes
        self._handlers = {handler.name: handler for handler in handlers}

    async def perform(self, delivery: Delivery, _facts: Mapping[str, Any]) -> Outcome:
        """Pass it on, with the settle."""
        reason = NOT_KNOWN if delivery.type == UNKNOWN else "Not confirmed: OMBUD_CONFIRM=none."
        return Done(reason=reason, also=lambda: self._pass_on(delivery))

    def _pass_on(self, delivery: Delivery) -> Operation[None]:
        data: dict[str, Any] = {
            # One of its own for each webhook, so that each has its own effect key.
            "epoch": delivery.event_id,
            "arrival": delivery.event_id,
            "received_at": delivery.created_at,
            "source": UNCONFIRMED,
        }
        if delivery.type == UNKNOWN:
            data["note"] = delivery.data
        news = News(delivery.shop_id, delivery.type, delivery.subject, delivery.event_id, data)
        rows = yield sql["active_handlers"], {}
        for row in rows:
            handler = self._handlers.get(row["name"])
            if handler is not None and delivery.type in handler.event_types:
                yield from append_change(self._changes, row["id"], handler, news)
