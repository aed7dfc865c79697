"""Stage two: call a handler with what the reader has confirmed. It never touches the shop's API."""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Protocol

from ombud.db.database import Database
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.mailbox.ids import format_id
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Box, Dead, Delivery, Done, Outcome, Rank, Skip
from ombud.receiver.documents import unpack
from ombud.receiver.findings import told_of
from ombud.receiver.ledger import holds
from ombud.receiver.model import Call, effect_key
from ombud.receiver.options import EVERY, HandlerFacts
from ombud.receiver.retries import rescheduled
from ombud.receiver.settling import Settling
from ombud.receiver.traces import with_trace
from ombud.receiver.unconfirmed import is_unconfirmed

sql = read_queries("ombud.receiver")

# Webhooks that a run is told to answer for: what a person or a log can still use.
MOST_ARRIVALS = 100

SUPERSEDED = "superseded: this is not so any more, or has happened again since"
NOT_READ = "never confirmed: it came while OMBUD_CONFIRM was none, and the handler asks for the object"
COVERED = "covered: an earlier run has finished with this very version"


class Runner(Protocol):
    """Runs a call somewhere: on a loop of this process, or in a child."""

    async def run(self, call: Call) -> Outcome:
        """Run it and say how it ended."""
        ...


class Caller:
    """Performs changes. For one event loop."""

    def __init__(
        self,
        changes: Mailbox,
        database: Database,
        runner: Runner,
        handlers: Sequence[HandlerFacts],
        retry_seconds: Sequence[float],
    ) -> None:
        self._changes = changes
        self._database = database
        self._runner = runner
        self._retry_seconds = retry_seconds
        self._handlers = {handler.name: handler for handler in handlers}
        self._settling = Settling()
        self._gates = {one.name: asyncio.Semaphore(one.concurrency) for one in handlers if one.concurrency is not None}

    async def perform(self, delivery: Delivery, facts: Mapping[str, Any]) -> Outcome:
        """Make the call; when it is done, what the handler has applied is written with the settle."""
        handler = self._handlers[facts["name"]]
        gate: AbstractAsyncContextManager[Any] = self._gates.get(handler.name) or contextlib.nullcontext()
        async with gate:
            # Looked up behind the gate: whoever waited acts on what is so now.
            return await self._perform(delivery, facts["handler_id"], handler)

    async def _perform(self, delivery: Delivery, handler_id: int, handler: HandlerFacts) -> Outcome:
        key = {
            "shop_id": delivery.shop_id,
            "handler_id": handler_id,
            "subject": delivery.subject,
            "event_type": delivery.type,
        }
        whose = (handler_id, delivery.shop_id, delivery.subject)
        not_yet = await self._settling.after_the_last(whose)
        if not_yet is not None:
            return not_yet
        found = await self._database.fetch(lambda: _call(delivery, handler, key))
        if isinstance(found, str):
            return Skip(found)
        call, version = found
        outcome = rescheduled(await self._runner.run(call), handler, self._retry_seconds, call.attempt)
        if isinstance(outcome, Dead) and handler.mourned:
            # Before it is settled: should this process die here, the last try is repeated, and this with it.
            await self._runner.run(replace(call, failure=outcome.reason))
        if not isinstance(outcome, Done):
            return with_trace(outcome, delivery, self._changes)
        applied = key | {"version": version, "now": self._changes.clock()}
        return self._settling.ending(whose, replace(outcome, also=lambda: _apply(applied)))


def _apply(applied: Mapping[str, Any]) -> Operation[None]:
    yield sql["put_applied"], applied


def _call(
    delivery: Delivery, handler: HandlerFacts, key: Mapping[str, Any]
) -> Operation[tuple[Call, str | None] | str]:
    """Return the call with the object as it is known now, and its version; or why there is no more reason to call.

    A run that waited, for its retry or behind others, must neither act on what is over nor write an old state over a
    newer one.
    """
    data = json.loads(delivery.data or "{}")
    if is_unconfirmed(data):
        return (yield from _unread(delivery, handler, key, data))
    latest = (yield sql["latest_document"], key)[0]
    after = None if latest["body"] is None else unpack(latest["body"])
    so = holds(delivery.type, after, include_cancelled=handler.include_cancelled)
    every = EVERY in data
    if not so or (not every and (yield from told_of(key)).epoch != data["epoch"]):
        return SUPERSEDED
    applied = (yield sql["applied_version"], key)[0]
    # A run that was cut short before may have done what no record says: only what has ended since this was told counts.
    before, finished = applied["applied_version"], (applied["applied_at"] or 0) >= delivery.created_at
    same = finished and before == latest["version"] and delivery.type == "product.update"
    if same and not every and delivery.rank == Rank.LIVE:
        return COVERED
    if before is None and after is None:
        # Whoever asked for deletions alone has finished with nothing, and still wants to know what is gone.
        before = data["known"]
    call = yield from _bare_call(delivery, handler, key, data)
    document = yield from _document(delivery.shop_id, before)
    arrivals = call.arrivals if every else (yield from _arrivals(key, data))
    events = yield sql["applied_events"], {"shop_id": key["shop_id"], "subject": key["subject"]}
    ended = [row["event_type"] for row in events]
    return replace(call, before=document, after=after, arrivals=arrivals, applied=ended), latest["version"]


def _unread(
    delivery: Delivery, handler: HandlerFacts, key: Mapping[str, Any], data: Mapping[str, Any]
) -> Operation[tuple[Call, None] | str]:
    """Return the call for what was passed on without a read."""
    if handler.needs_object:
        return NOT_READ
    return (yield from _bare_call(delivery, handler, key, data)), None


def _bare_call(
    delivery: Delivery, handler: HandlerFacts, key: Mapping[str, Any], data: Mapping[str, Any]
) -> Operation[Call]:
    """Return the call as far as no read has told: for the arrival alone, without an object."""
    shops = yield sql["shop_by_id"], {"id": delivery.shop_id}
    return Call(
        handler=handler.name,
        event_type=delivery.type,
        subject=delivery.subject,
        shop=shops[0]["name"],
        key=effect_key(delivery.shop_id, key["handler_id"], delivery.type, delivery.subject, data["epoch"]),
        attempt=delivery.attempts + 1,
        source=data["source"],
        received_at=data["received_at"],
        before=None,
        after=None,
        arrivals=[format_id("evt", data["arrival"])],
        note=data.get("note") or "",
    )


def _arrivals(key: Mapping[str, Any], data: Mapping[str, Any]) -> Operation[list[str]]:
    """Return the webhooks that the run answers for: since the read before its first change, up to the last read."""
    covered = {"after": data.get("after", data["arrival"] - 1), "arrival": data["arrival"], "most": MOST_ARRIVALS}
    values = {"shop_id": key["shop_id"], "subject": key["subject"], "box": Box.INBOX}
    rows = yield sql["arrivals_covered"], values | covered
    return [format_id("evt", row["id"]) for row in rows]


def _document(shop_id: int, version: str | None) -> Operation[dict[str, Any] | None]:
    if version is None:
        return None
    rows = yield sql["get_document"], {"shop_id": shop_id, "version": version}
    return unpack(rows[0]["body"]) if rows else None
