"""Stage two: call a handler with what the reader has confirmed. It never touches the shop's API."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Protocol

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.db.sqlite import Database
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Delivery, Done, Outcome
from ombud.receiver.documents import unpack
from ombud.receiver.model import Call, effect_key

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
        data = json.loads(delivery.data or "{}")
        call = await asyncio.to_thread(
            self._database.read, lambda: _call(delivery, facts["handler_id"], facts["name"], data)
        )
        outcome = await self._runner.run(call)
        if isinstance(outcome, Done):
            applied = {
                "shop_id": delivery.shop_id,
                "handler_id": facts["handler_id"],
                "subject": delivery.subject,
                "event_type": delivery.type,
                "version": data["version"],
                "now": self._changes.clock(),
            }
            return Done(reason=outcome.reason, also=lambda: _apply(applied))
        return outcome


def _apply(applied: Mapping[str, Any]) -> Operation[None]:
    yield sql["put_applied"], applied


def _call(delivery: Delivery, handler_id: int, name: str, data: Mapping[str, Any]) -> Operation[Call]:
    rows = yield (
        sql["applied_version"],
        {
            "shop_id": delivery.shop_id,
            "handler_id": handler_id,
            "subject": delivery.subject,
        },
    )
    before = rows[0]["applied_version"] if rows else data["known"]
    shops = yield sql["shop_by_id"], {"id": delivery.shop_id}
    return Call(
        handler=name,
        event_type=delivery.type,
        subject=delivery.subject,
        shop=shops[0]["name"],
        key=effect_key(delivery.shop_id, name, delivery.type, delivery.subject, data["epoch"]),
        attempt=delivery.attempts + 1,
        source=data["source"],
        received_at=data["received_at"],
        before=(yield from _document(delivery.shop_id, before)),
        after=(yield from _document(delivery.shop_id, data["version"])),
    )


def _document(shop_id: int, version: str | None) -> Operation[dict[str, Any] | None]:
    if version is None:
        return None
    rows = yield sql["get_document"], {"shop_id": shop_id, "version": version}
    return unpack(rows[0]["body"]) if rows else None
