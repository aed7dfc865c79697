"""The pretend shop of a trial: the vendor's API behind a real socket, and the webhooks that its changes send."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from ombud.client import ShopClient
from ombud.db.migrate import migrate
from ombud.db.operation import Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.model import Box
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.shop import Shop, create_app

# The key of every pretend shop; it opens nothing else.
KEY = "key-of-the-pretend-shop"
# Seconds that a server may take to stop.
STOP_SECONDS = 10.0

_SENT = Statement("sent", "select id, type, subject from event where box = :box and id > :after order by id")


@dataclass(frozen=True)
class Webhook:
    """What a shop sends: the event type and one id."""

    event_type: str
    object_id: str


class PretendShop:
    """A shop to change. It has three products, 101 to 103, and an order that nobody has paid.

    `client` reaches everything else that the API can do.
    """

    def __init__(self, client: ShopClient, url: str, database: SqliteDatabase) -> None:
        self.client = client
        self.url = url
        self._database = database
        self._last = 0

    def place(self, product_id: str = "101", qty: int = 1) -> str:
        """Place an order, which is unpaid and of which no webhook tells; returns its id."""
        return self.client.create_order(products=[{"product_id": product_id, "qty": qty}])

    def pay(self, order_id: str | None = None) -> str:
        """Have an order paid, a new one if none is named; returns its id."""
        return self.turn(order_id or self.place(), "paid")

    def turn(self, order_id: str, status: str) -> str:
        """Have an order `unpaid`, `paid`, `done` or `cancelled`; returns its id."""
        self.client.update_order(order_id, status=status)
        return order_id

    def add(self, title: str = "A product", price: str = "100") -> str:
        """Add a product; returns its id."""
        return self.client.create_product(title=title, price=price)

    def change(self, product_id: str, **fields: Any) -> None:
        """Change fields of a product, as the API names them: `price`, `title`, `stock`."""
        self.client.update_product(product_id, fields)

    def delete(self, product_id: str) -> None:
        """Delete a product for ever."""
        self.client.delete_product(product_id)

    def sent(self) -> list[Webhook]:
        """Take the webhooks that the shop has sent since this was asked last, in their order."""
        rows = self._database.read(lambda: _rows(self._last))
        self._last = max([self._last, *(row["id"] for row in rows)])
        return [Webhook(row["type"], row["subject"].partition("/")[2]) for row in rows]


def _rows(after: int) -> Any:
    return (yield _SENT, {"box": Box.OUTBOX, "after": after})


def untroubled(app: Any) -> Any:
    """Put nothing before the shop's API."""
    return app


@contextmanager
def open_shop(
    folder: Path, clock: Callable[[], int], before: Callable[[Any], Any] = untroubled
) -> Iterator[PretendShop]:
    """Serve a shop from a thread, on a loopback port that is free; `before`: what its API is to be reached through."""
    database = SqliteDatabase(folder / "shop.db", clock)
    migrate(database, ["ombud.mailbox", "ombud.sender", "ombud.shop"])
    sender = Sender(database, Settings(database_url="sqlite:///unused.db"))
    shop = Shop(sender.writer, sender.outbox, clock=clock)

    async def prepare() -> None:
        await shop.set_key(KEY)
        await shop.seed()

    try:
        _run_apart(prepare)
        with serve_app(before(create_app(shop))) as url, ShopClient(KEY, base_url=f"{url}/v1") as client:
            pretend = PretendShop(client, f"{url}/v1", database)
            pretend.sent()
            yield pretend
    finally:
        sender.close()


def _run_apart(work: Callable[[], Any]) -> None:
    """Run it on a loop of its own, also where the test's own loop runs."""
    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    thread.join()


@contextmanager
def serve_app(app: Any) -> Iterator[str]:
    """Serve an app from a thread, on a loopback port that is free; gives its URL."""
    # By its protocol asyncio knows that it may send small pieces at once; without, each answer takes 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)
        listening.close()
