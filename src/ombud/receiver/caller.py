"""Stage two: call a handler with what the reader has confirmed. It never touches the shop's API."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from ombud.db.database import Database
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Delivery, Done, Outcome, Skip
from ombud.receiver.documents import unpack
from ombud.receiver.ledger import holds
from ombud.receiver.model import Call, effect_key
from ombud.receiver.telling import told_of

sql = read_queries("ombud.receiver")


class Runner(Protocol):
    """Runs a call somewhere: on a loop of this process, or in a child."""

    async def run(self, call: Call) -> Outcome:
        """Run it and say how it ended."""
        ...


class Caller:
    """Performs changes."""

    def __init__(self, changes: Mailbox, database: Database, runner: Runner) -> None:
        self._changes = changes
        self._database = database
        self._runner = runner

    async def perform(self, delivery: Delivery, facts: Mapping[str, Any]) -> Outcome:
        """Make the call; when it is done, what the handler has applied is written with the settle."""
        key = {
            "shop_id": delivery.shop_id,
            "handler_id": facts["handler_id"],
            "subject": delivery.subject,
            "event_type": delivery.type,
        }
        found = await self._database.fetch(lambda: _call(delivery, facts["name"], key))
        if found is None:
            return Skip("superseded: this is not so any more, or has happened again since")
        call, version = found
        outcome = await self._runner.run(call)
        if not isinstance(outcome, Done):
            return outcome
        applied = key | {"version": version, "now": self._changes.clock()}
        return replace(outcome, also=lambda: _apply(applied))


def _apply(applied: Mapping[str, Any]) -> Operation[None]:
    yield sql["put_applied"], applied


def _call(delivery: Delivery, name: str, key: Mapping[str, Any]) -> Operation[tuple[Call, str | None] | None]:
    """Return the call with the object as it is known now, and its version; None if there is no more reason to call.

    A run that waited, for its retry or behind others, must neither act on what is over nor write an old state over a
    newer one.
    """
    data = json.loads(delivery.data or "{}")
    latest = (yield sql["latest_document"], key)[0]
    after = None if latest["body"] is None else unpack(latest["body"])
    if (yield from told_of(key)).epoch != data["epoch"] or not holds(delivery.type, after):
        return None
    before = (yield sql["applied_version"], key)[0]["applied_version"]
    if before is None and after is None:
        # Whoever asked for deletions alone has finished with nothing, and still wants to know what is gone.
        before = data["known"]
    shops = yield sql["shop_by_id"], {"id": delivery.shop_id}
    call = Call(
        handler=name,
        event_type=delivery.type,
        subject=delivery.subject,
        shop=shops[0]["name"],
        key=effect_key(delivery.shop_id, name, delivery.type, delivery.subject, data["epoch"]),
        attempt=delivery.attempts + 1,
        source=data["source"],
        received_at=data["received_at"],
        before=(yield from _document(delivery.shop_id, before)),
        after=after,
    )
    return call, latest["version"]


def _document(shop_id: int, version: str | None) -> Operation[dict[str, Any] | None]:
    if version is None:
        return None
    rows = yield sql["get_document"], {"shop_id": shop_id, "version": version}
    return unpack(rows[0]["body"]) if rows else None
