"""Two shops in a sender's database, and two in a receiver's, with a row of each kind that the REST APIs show."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from typing import Any

import httpx2

from ombud.admin.access import ALL_SCOPES, EVERY_SHOP, Role, Scope
from ombud.admin.alarms.book import Look as Seen
from ombud.admin.alarms.book import note
from ombud.admin.alarms.causes import Cause, Finding
from ombud.admin.keys import add_key, new_key
from ombud.client import OrderStatus
from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.db.operation import Operation, Statement
from ombud.mailbox.model import NEVER, Delivery, Done
from ombud.receiver.documents import read_document
from ombud.receiver.findings import Look
from ombud.receiver.inbox import Inbox
from ombud.receiver.options import HandlerFacts
from ombud.receiver.registry import register_handlers
from ombud.receiver.shops import add_shop
from ombud.receiver.telling import Teller
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.web.app import SenderApp
from ombud.web.receiver_app import ReceiverApp
from tests.admin.post import Post, once
from tests.support.databases import Home
from tests.support.people import somebody

# What a key of one shop may have.
ALL = ALL_SCOPES
_ASLEEP = f"select 1 from delivery d join lane l on l.id = d.lane_id where d.state = 0 and l.wake_at = {NEVER}"
# Numbers of shops at a sender. A receiver gives its own; there their names are these.
MINE, THEIRS = 7, 8
NAMES = {MINE: "mine", THEIRS: "theirs"}


@dataclass
class Side:
    """An app with keys, and what each shop has in it."""

    app: Any
    database: Database
    document: dict[str, Any]

    def client(self, shop_id: int = EVERY_SHOP, scopes: tuple[Scope, ...] = ALL) -> httpx2.AsyncClient:
        """Return a client with a key of its own."""
        key = new_key()
        self.database.write(lambda: add_key(key[-8:], key, 1, scopes, shop_id))
        transport, headers = httpx2.ASGITransport(self.app), {"Authorization": f"Bearer {key}"}
        return httpx2.AsyncClient(transport=transport, base_url="http://ombud.example", headers=headers)


def wait_for_rings(database: Database) -> None:
    """Return when no lane sleeps past its work: on PostgreSQL its loop rings them behind the answer. In a thread."""
    while database.read(lambda: once(_ASLEEP)):
        time.sleep(0.005)


def word(shop_id: int) -> str:
    """Return what stands in every field of a shop that can hold it."""
    return f"word-of-{shop_id}"


@asynccontextmanager
async def lend_sender(home: Home, **settings: Any) -> AsyncIterator[Side]:
    """Lend a sender in which each shop has an endpoint, an event, a delivery and a replay."""
    database = home.open()
    migrate(database, ["ombud.admin"])
    allowed = (ip_network("127.0.0.0/8"),)
    sender = Sender(database, Settings(allow_networks=allowed, retry_seconds=(0.05,), **settings))
    app = SenderApp(sender)
    somebody(app.people, Role.OWNER)
    somebody(app.people, Role.READER, THEIRS, word(THEIRS))
    side = Side(app, database, app.api.openapi())
    async with side.client() as operator:
        for shop in (MINE, THEIRS, EVERY_SHOP):
            body = {"url": f"https://8.8.8.{shop}/{word(shop)}", "shop_id": shop, "description": word(shop)}
            assert (await operator.post("/v1/endpoints", json=body)).status_code == 201
        for shop in (MINE, THEIRS):
            await sender.publish([Event("order.new", word(shop), shop, word(shop))])
            async with side.client(shop) as own:
                wanted = {"state": "dead", "subject": word(shop)}
                assert (await own.post("/v1/replays", json=wanted)).status_code == 201
                await add_alarm(own, database, word(shop), shop)
    await asyncio.to_thread(wait_for_rings, database)
    try:
        yield side
    finally:
        sender.close()


@asynccontextmanager
async def lend_receiver(home: Home) -> AsyncIterator[Side]:
    """Lend a receiver in which each shop has an arrival, its read, and a run of a handler."""
    inbox = Inbox(Settings(database_url=home.url, token="token-of-shop-1", perform="elsewhere"))
    receiver = inbox.receiver
    migrate(receiver.database, ["ombud.admin"])
    app = ReceiverApp(inbox)
    somebody(app.people, Role.OWNER)
    somebody(app.people, Role.READER, THEIRS, "somebody of-theirs")
    side = Side(app, receiver.database, app.api.openapi())
    for name in NAMES.values():
        receiver.database.write(partial(add_shop, receiver.arrivals, name, f"token-of-{name}", None))
    async with side.client() as anybody:
        for name in NAMES.values():
            query = {"event_type": "order.new", "order_id": f"of-{name}"}
            assert (await anybody.get(f"/hooks/token-of-{name}", params=query)).status_code == 200
    for name, shop in shop_ids(side).items():
        async with side.client(shop) as own:
            wanted = {"of": "runs", "state": "dead", "subject": f"order/of-{name}"}
            assert (await own.post("/v1/replays", json=wanted)).status_code == 201
            await add_alarm(own, receiver.database, f"of-{name}", shop)
    handlers = [HandlerFacts(word(EVERY_SHOP), ["order.new"], 1.0)]
    teller = Teller(receiver.changes, {facts.name: facts for facts in handlers})
    receiver.database.write(lambda: register_handlers(receiver.changes, handlers))

    def read(delivery: Delivery) -> Done:
        found = Look(delivery, 1, 2, read_document({"id": delivery.subject, "status": "paid"}), OrderStatus.PAID)
        return Done(200, also=lambda: teller.record(found))

    await asyncio.to_thread(wait_for_rings, receiver.database)
    Post(receiver.database, receiver.arrivals).perform(read)
    try:
        yield side
    finally:
        inbox.close()


async def add_alarm(own: httpx2.AsyncClient, database: Database, name: str, shop: int) -> None:
    """Let a shop have a channel and an alarm in which this name is everywhere."""
    channel = {"kind": "webhook", "target": f"https://8.8.8.8/{name}", "name": name}
    assert (await own.post("/v1/alarm-channels", json=channel)).status_code == 201
    finding = Finding(Cause.ENDPOINT_FAILING, name, shop, 1, {"url": name, "endpoint_id": name})
    for now in (1, 2):
        await asyncio.to_thread(database.write, partial(note, [Seen([finding.cause], [finding], whole=False)], now, 0))


def shop_ids(side: Side) -> dict[str, int]:
    """Return the number of each shop of a receiver by its name."""

    def read() -> Operation[list[Any]]:
        return (yield Statement("shops", "select id, name from inbox_shop"), {})

    return {row["name"]: row["id"] for row in side.database.read(read)}
