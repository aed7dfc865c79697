"""A pretend shop behind a real socket, whose API can be made to fail, to lag and to be slow."""

import asyncio
import json
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from ombud.client import ShopClient
from ombud.db.migrate import migrate
from ombud.db.sqlite import SqliteDatabase
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.shop import Shop, create_app
from tests.support.serving import serve

KEY = "test-key-of-the-shop"


@dataclass(frozen=True)
class Answer:
    """What the API says instead of the truth."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


def answer_json(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), (("Content-Type", "application/json"),))


@dataclass
class Dials:
    """Trouble on its way in. `reads`: every GET so far, as path and query."""

    reads: list[str] = field(default_factory=list)
    # One for each read of an order or a product, in this order; None is the truth.
    next_answers: deque[Answer | None] = field(default_factory=deque)
    # What every read is answered from now on.
    always: Answer | None = None
    # What every list is answered from now on.
    lists: Answer | None = None
    # While it is not set, reads wait.
    gate: threading.Event = field(default_factory=threading.Event)
    # While it is not set, lists wait.
    hanging_lists: threading.Event = field(default_factory=threading.Event)
    # Set whenever a read begins.
    began: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """Answer the truth, at once."""
        self.reads.clear()
        self.next_answers.clear()
        self.always = self.lists = None
        self.began.clear()
        self.gate.set()
        self.hanging_lists.set()

    def of(self, kind: str, object_id: str) -> int:
        """How often an order or a product was read."""
        pattern = re.compile(rf"/{kind}s\?{kind}_id={object_id}(&|$)")
        return sum(bool(pattern.search(read)) for read in self.reads)


class Troubled:
    """The shop's app behind its dials."""

    def __init__(self, app: ASGIApp, dials: Dials) -> None:
        self._app = app
        self._dials = dials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        dials, query = self._dials, scope["query_string"].decode()
        dials.reads.append(f"{scope['path']}?{query}")
        dials.began.set()
        await asyncio.to_thread(dials.gate.wait)
        if "_id=" not in query:
            await asyncio.to_thread(dials.hanging_lists.wait)
        answer = dials.always or (dials.lists if "offset=" in query else None)
        if "_id=" in query and dials.next_answers:
            answer = dials.next_answers.popleft()
        if answer is None:
            await self._app(scope, receive, send)
        else:
            headers = [(name.encode(), value.encode()) for name, value in answer.headers]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})


@dataclass(frozen=True)
class Store:
    """A running shop: its API, a client for it, and its dials."""

    api_url: str
    client: ShopClient
    dials: Dials

    def place(self, **item: Any) -> str:
        """Place an order that nobody has paid yet; returns its id."""
        return self.client.create_order(products=[{"product_id": "101", "qty": 1}], **item)

    def pay(self) -> str:
        """Place an order and pay it."""
        order_id = self.place()
        self.turn(order_id, "paid")
        return order_id

    def turn(self, order_id: str, status: str) -> None:
        self.client.update_order(order_id, status=status)

    def price(self, product_id: str, price: str) -> None:
        self.client.update_product(product_id, price=price)


@contextmanager
def run_store(folder: Path, **switches: Any) -> Iterator[Store]:
    """Run a shop with three products (101 to 103) and one order that nobody has paid (90001)."""
    database = SqliteDatabase(folder / "store.db")
    migrate(database, ["ombud.mailbox", "ombud.sender", "ombud.shop"])
    sender = Sender(database, Settings(database_url="sqlite:///unused.db"))
    shop = Shop(sender.writer, sender.outbox, clock=sender.outbox.mailbox.clock)
    dials = Dials()
    dials.reset()

    async def prepare() -> None:
        await shop.set_key(KEY)
        await shop.seed()

    asyncio.run(prepare())
    with serve(Troubled(create_app(shop, **switches), dials)) as base:
        with ShopClient(KEY, base_url=f"{base}/v1") as client:
            yield Store(f"{base}/v1", client, dials)
        dials.reset()
    sender.close()
