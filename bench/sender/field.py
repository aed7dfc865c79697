"""One run: a database with endpoints in it, a sender on a core of its own, endpoints and publisher on the other."""

import asyncio
import http.client
import json
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from bench.machine import cores
from bench.sender.endpoints import Sink, Waits
from bench.sender.publishing import Pace
from bench.servers import Server, Servers
from ombud.admin.keys import add_key, new_key
from ombud.clock import now_microseconds
from ombud.db.migrate import migrate
from ombud.db.operation import Operation, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.signing import new_secret

SHOPS = 50
# Endpoints of each shop that answer.
HEALTHY = 2
# Seconds that are not counted: windows begin at 1.
WARM_SECONDS = 2.0
# Seconds in which everything published must have arrived.
PATIENCE_SECONDS = 30.0
# Numbers of events that are not counted begin here.
UNCOUNTED = 1_000_000_000
# Events of one transaction, when a database is filled.
FILL_BATCH = 2_000

_END_ALL = Statement("end_all", "update delivery set state = 1")


@dataclass(frozen=True)
class Place:
    """Endpoints: `url`, its shop, and what it wants."""

    url: str
    shop_id: int
    event_types: Sequence[str] = ("order.new",)


@dataclass
class Field:
    """A sender that runs, endpoints that hear, and what they heard; so many shops have `each` endpoints that answer."""

    server: Server
    sink: Sink
    waits: Waits
    key: str
    shops: int = SHOPS
    each: int = HEALTHY

    async def publish_orders(self, seconds: float, per_second: float, apart: int = 0) -> None:
        """Publish orders of all shops at random; returns when all have arrived.

        Those after the warm-up are counted, but for those of the shop that stands apart.
        """
        chance = random.Random(1)  # noqa: S311 - which shop is next
        warm = round(WARM_SECONDS * per_second)

        def event(number: int, due: float) -> dict[str, Any]:
            shop_id = chance.randint(1, self.shops)
            if number >= warm and shop_id != apart:
                self.waits.due[number] = due
            return order(number, shop_id)

        await self.pace(event).run(WARM_SECONDS + seconds, per_second, 0)
        await self.waits.until(len(self.waits.due) * self.each, PATIENCE_SECONDS)

    def start_replay(self, per_second: int) -> None:
        """Have all that is done sent again, by a job of that rate. Blocks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port)
        head = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            connection.request("POST", "/v1/replays", json.dumps({"state": "done", "per_second": per_second}), head)
            answer = connection.getresponse()
            assert answer.status == http.client.CREATED, answer.read()
        finally:
            connection.close()

    def pace(self, event: Callable[[int, float], dict[str, Any]]) -> Pace:
        """Return what publishes events at a rate."""
        return Pace(self.server.port, self.key, event)


def order(number: int, shop_id: int) -> dict[str, Any]:
    """Return an event of a shop."""
    return {"event_type": "order.new", "order_id": number, "shop_id": shop_id}


def healthy(sink: Sink, shops: int = SHOPS, each: int = HEALTHY) -> list[Place]:
    """Return the endpoints that answer."""
    return [
        Place(f"http://127.0.0.1:{sink.port}/{shop_id}/{number}", shop_id)
        for shop_id in range(1, shops + 1)
        for number in range(each)
    ]


@asynccontextmanager
async def field(
    sink: Sink, waits: Waits, places: Sequence[Place], fill: Callable[[Sender], None] = lambda _: None
) -> AsyncIterator[Field]:
    """Start a sender with these endpoints; `fill` puts into its database what waits there already."""
    with tempfile.TemporaryDirectory(prefix="ombud-bench-") as folder, Servers(Path(folder), cores()) as servers:
        key = await asyncio.to_thread(_found, Path(folder) / "sender.db", places, fill)
        server = await asyncio.to_thread(servers.sender, {"OMBUD_PROBE_SECONDS": "0.5,2"})
        yield Field(server, sink, waits, key)


def publish_waiting(sender: Sender, amount: int, shop_id: int) -> None:
    """Have so many events wait, as if they had been published while nobody delivered."""
    numbers = range(UNCOUNTED, UNCOUNTED + amount)
    for start in range(0, amount, FILL_BATCH):
        events = [Event("order.new", str(number), shop_id) for number in numbers[start : start + FILL_BATCH]]
        sender.database.write(lambda events=events: sender.outbox.publish(events))  # type: ignore[misc]


def end_all(sender: Sender) -> None:
    """Have nothing wait any more."""

    def end() -> Operation[None]:
        yield _END_ALL, {}

    sender.database.write(end)


def _found(path: Path, places: Sequence[Place], fill: Callable[[Sender], None]) -> str:
    database = SqliteDatabase(path)
    migrate(database, ["ombud.admin"])
    sender, key = Sender(database, Settings(allow_networks=(ip_network("127.0.0.0/8"),))), new_key()

    def add_all() -> Operation[None]:
        yield from add_key("bench", key, now_microseconds())
        for place in places:
            edit = EndpointEdit(place.url, list(place.event_types))
            yield from sender.endpoints.add(edit, place.shop_id, new_secret())

    database.write(add_all)
    fill(sender)
    sender.close()
    return key
