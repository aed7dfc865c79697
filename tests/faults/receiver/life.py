"""A receiver's life in short chapters: webhooks arrive, are read and handled; each chapter may be cut short by a kill.

A chapter has an order and a product of its own. The next process first ends what the killed one has left.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from ombud import Context, Event, Inbox
from ombud.client import AsyncShopClient
from ombud.client.awaiting import Awaiting
from ombud.client.budgets import Budgets
from ombud.db.connect import open_database
from ombud.db.database import Database
from ombud.mailbox import holder, performer, worker
from ombud.receiver.embedded import LocalRunner
from ombud.receiver.receiver import Receiver
from ombud.settings import Settings
from tests.faults.mailbox import diary
from tests.faults.mailbox.diary import Diary
from tests.faults.mailbox.driver import Point, Rule, driver, reach
from tests.faults.mailbox.post import pending
from tests.faults.mailbox.roles import Job
from tests.faults.receiver.broken import BUILDS
from tests.receiver.fronts import Request, ask_asgi

TOKEN = "a-token-for-tests"
# Points beside those of the databases: a request to the shop's API, and a handler's effect on the outside.
REQUEST, HANDLE = "request", "handle"
LEASE_SECONDS = 0.3
PATIENCE_SECONDS = 30.0
HANDLERS: Mapping[str, tuple[str, ...]] = {
    "ship": ("order.new",),
    "books": ("order.*",),
    "sync": ("product.*",),
}


@dataclass(frozen=True)
class Chapter:
    """What a chapter is about: an order that is paid, and a product that the inbox has not seen."""

    number: int
    order_id: str
    product_id: str

    def rounds(self, client: AsyncShopClient) -> list[tuple[Callable[[], Any], list[tuple[str, str]]]]:
        """Return what happens in the shop, which changes nothing when it is repeated, and the webhooks that tell it."""
        order, product = self.order_id, self.product_id

        async def nothing() -> None:
            """Everything is as it is to be."""

        async def change() -> None:
            await client.update_order(order, status="done")
            await client.update_product(product, price="20.00")

        async def end() -> None:
            await client.update_order(order, status="cancelled")
            await client.delete_product(product)

        return [
            (nothing, [("order.new", order), ("order.new", order), ("product.add", product)]),
            (change, [("order.done", order), ("product.update", product), ("product.update", product)]),
            (end, [("order.cancelled", order), ("product.delete", product)]),
        ]


@dataclass(frozen=True)
class Place:
    """Where a life takes place: the shop's API, its key, and a deliberately broken build, if any."""

    api_url: str
    api_key: str
    build: str = ""


@dataclass(frozen=True)
class Kill:
    """A point, and which hit of it in a chapter is the last thing that its process does."""

    point: Point
    nth: int


async def live(job: Job, line: Connection) -> None:
    """End what was cut short, then live through a chapter up to the kill; tell by which points it came."""
    place, left, chapter, kill = line.recv()
    if place.build:
        BUILDS[place.build].apply(pytest.MonkeyPatch())
    _come_by_requests()
    vars(holder).update(LINGER_SECONDS=0.02)
    vars(worker).update(STORAGE_PAUSE_SECONDS=0.02)
    vars(performer).update(ELECTION_SECONDS=0.05)
    async with _life(job, place) as life:
        if left is not None:
            await life.live_through(left)
        driver.hits.clear()
        driver.obey([] if kill is None else [Rule(kill.point, "kill", nth=kill.nth)], job.seed)
        if chapter is not None:
            await life.live_through(chapter)
        hits = dict(driver.hits)
        driver.obey([], job.seed)
    line.send(hits)


@dataclass
class Life:
    """One process at work."""

    receiver: Receiver
    inbox: Inbox
    client: AsyncShopClient
    diary: Diary
    folder: Path

    async def live_through(self, chapter: Chapter) -> None:
        """Have everything of a chapter happen that has not happened yet."""
        lines = [line for line in diary.read(self.folder) if line.get("chapter") == chapter.number]
        over = {line["round"] for line in lines if line["what"] == "over"}
        acknowledged = {(line["round"], line["place"]) for line in lines if line["what"] == "ack"}
        for number, (happen, webhooks) in enumerate(chapter.rounds(self.client)):
            about = {"chapter": chapter.number, "round": number}
            if number in over:
                continue
            await happen()
            for place, (event_type, object_id) in enumerate(webhooks):
                # What was not answered is sent again, as a sender does.
                if (number, place) not in acknowledged:
                    await self._hear(event_type, object_id)
                    self.diary.write("ack", place=place, event_type=event_type, object_id=object_id, **about)
            await self._settle()
            self.diary.write("over", **about)

    async def _hear(self, event_type: str, object_id: str) -> None:
        query = f"event_type={event_type}&{event_type.partition('.')[0]}_id={object_id}"
        answer = await ask_asgi(self.inbox, Request(query.encode(), path=f"/hooks/{TOKEN}"))
        assert answer.status == 200, answer

    async def _settle(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if not await asyncio.to_thread(pending, self.receiver.database):
                    return
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def _life(job: Job, place: Place) -> AsyncIterator[Life]:
    settings = settings_of(job.url, place)
    inbox = Inbox(settings)
    written = Diary(job.folder, job.own_name)
    for name, event_types in HANDLERS.items():
        inbox.on(*event_types, name=name)(_handler(written))
    receiver = await asyncio.to_thread(lambda: Receiver(open_database(job.url), settings))
    receiver.reconciles = False
    receiver.budgets = Budgets()
    inbox.open_on(receiver)
    facts = [handler.facts for handler in inbox.handlers.values()]
    work = asyncio.create_task(receiver.run(facts, LocalRunner(inbox.handlers)))
    try:
        async with AsyncShopClient(place.api_key, place.api_url) as client:
            yield Life(receiver, inbox, client, written, job.folder)
    finally:
        receiver.stop()
        await work
        await asyncio.to_thread(inbox.close)


def settings_of(url: str, place: Place) -> Settings:
    return Settings(
        database_url=url,
        token=TOKEN,
        api_key=place.api_key,
        api_url=place.api_url,
        perform="elsewhere",
        reads_per_second=1_000.0,
        quiet_seconds=(0.0, 0.0),
        settle_seconds=(),
        reconcile_seconds=(),
        absence_gap_seconds=0.02,
        lease_seconds=LEASE_SECONDS,
        retry_seconds=(0.02,) * 50,
    )


def _handler(written: Diary) -> Callable[..., Any]:
    async def handle(event: Event, context: Context) -> None:
        await reach(HANDLE, "before")
        # This is the outside: it hears of it whatever becomes of the process.
        about = {"event_type": event.event_type, "object_id": event.object_id}
        written.write("effect", handler=context.handler, key=context.key, attempt=context.attempt, **about)
        await reach(HANDLE, "after")

    return handle


def _come_by_requests() -> None:
    """Have requests to the shop's API be points."""
    real = Awaiting._do

    async def do(self: Awaiting, step: Any) -> Any:
        await reach(REQUEST, "before")
        answer = await real(self, step)
        await reach(REQUEST, "after")
        return answer

    pytest.MonkeyPatch().setattr(Awaiting, "_do", do)


@contextlib.contextmanager
def open_home(url: str) -> Iterator[Database]:
    """Open the database in the process of the test, as `ombud audit` would."""
    database = open_database(url)
    try:
        yield database
    finally:
        database.close()
