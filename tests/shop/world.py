"""A shop on a real SQLite file, its API and its pages in one hand."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from starlette.types import ASGIApp

from ombud.db.operation import Operation, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.db.writer import ThreadWriter
from ombud.mailbox.opening import open_ids
from ombud.sender.outbox import Outbox
from ombud.settings import Settings
from ombud.shop import Shop, create_app
from tests.support.databases import lay_tables

KEY = "k:e(y)#1!å"
BASE = "http://127.0.0.1:8701"
# 2026-11-02 08:14:05 UTC, which is an hour later in Stockholm.
START = 1_793_607_245_000_000
SECOND = 1_000_000


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: int = START

    def __call__(self) -> int:
        return self.now


@dataclass
@dataclass
class World:
    database: SqliteDatabase
    writer: ThreadWriter
    outbox: Outbox
    shop: Shop
    api: httpx2.AsyncClient
    clock: Clock = field(default_factory=Clock)

    def events(self) -> list[tuple[str, str]]:
        """All events so far, oldest first: type and subject."""
        rows = self.database.read(lambda: ask("select type, subject from event order by id"))
        return [(row["type"], row["subject"]) for row in rows]

    def new_events(self, since: int) -> list[tuple[str, str]]:
        return self.events()[since:]

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.api.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def order(self, order_id: str) -> Any:
        return (await self.get("/v1/orders", order_id=order_id))[0]

    async def product(self, product_id: str) -> Any:
        return (await self.get("/v1/products", product_id=product_id))["product"]

    async def place(self, **item: Any) -> str:
        """Place an order, of one mug unless told otherwise; returns its id."""
        draft = {"order_id": "create", "products": [{"product_id": "101", "qty": 1}], **item}
        answer = await self.api.post("/v1/orders", json=[draft])
        result = answer.json()["results"]["create_1"]
        assert result["success"] is True, result
        return str(result["order_id"])

    async def change(self, order_id: str, **change: Any) -> Any:
        """Change an order; returns what became of it."""
        answer = await self.api.put("/v1/orders", json=[{"order_id": order_id, **change}])
        assert answer.status_code == 200, answer.text
        return answer.json()["results"][order_id]

    async def add_product(self, **product: Any) -> str:
        answer = await self.api.post("/v1/products", json={"title": "Bowl", **product})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["product_id"])

    async def edit_product(self, *edits: dict[str, Any]) -> Any:
        answer = await self.api.put("/v1/products", json=list(edits))
        assert answer.status_code == 200, answer.text
        return answer.json()


def ask(sql: str) -> Operation[list[Any]]:
    rows = yield Statement("test", sql), {}
    return list(rows)


def client(app: ASGIApp, *, key: str | None = None, base_url: str = BASE) -> httpx2.AsyncClient:
    auth = None if key is None else httpx2.BasicAuth(key, key)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=base_url, auth=auth)


def open_world(folder: Path, **switches: Any) -> World:
    clock = Clock()
    database = SqliteDatabase(lay_tables(folder / "shop.db", "ombud.mailbox", "ombud.sender", "ombud.shop"), clock)
    outbox = Outbox(open_ids(database), clock, Settings())
    writer = ThreadWriter(database)
    shop = Shop(writer, outbox, clock=clock, **switches)
    return World(database, writer, outbox, shop, client(create_app(shop), key=KEY), clock)


async def close_world(world: World) -> None:
    await world.api.aclose()
    world.writer.close()
    world.database.close()
