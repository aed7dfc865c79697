"""An inbox at work against a running shop, and short words for what tests do with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ombud.client.budgets import Budgets
from ombud.clock import now_microseconds
from ombud.db.connect import database_path
from ombud.db.operation import Make, Operation, Row, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.db.writer import ThreadWriter
from ombud.mailbox.model import State
from ombud.receiver.embedded import LocalRunner
from ombud.receiver.inbox import Inbox
from ombud.receiver.receiver import PACKAGES, Receiver
from ombud.settings import Settings
from tests.receiver.fronts import Request, ask_asgi
from tests.receiver.store import KEY, Store
from tests.support.databases import lay_tables
from tests.support.processes import PATIENCE_SECONDS

T = TypeVar("T")

TOKEN = "a-token-for-tests"
# Seconds after which a failed try repeats: at once, and often enough to outlast what a test does meanwhile.
RETRIES = (0.01,) * 300


def settings_for(folder: Path, store: Store | None = None, **changes: Any) -> Settings:
    """Settings under which nothing waits longer than it must."""
    given = Settings(
        database_url=f"sqlite:///{folder / 'inbox.db'}",
        token=TOKEN,
        api_key=KEY,
        api_url="http://127.0.0.1:9/v1" if store is None else store.api_url,
        reads_per_second=1_000.0,
        quiet_seconds=(0.0, 0.0),
        reconcile_seconds=(),
        settle_seconds=(),
        absence_gap_seconds=0.02,
        retry_seconds=RETRIES,
    )
    return replace(given, **changes)


class Clock:
    """The machine's clock, which a test can set."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0

    def __call__(self) -> int:
        return now_microseconds() + round(self.ahead_seconds * 1_000_000)


class ObservedWriter(ThreadWriter):
    """A writer whose commits can be waited for, on the loop of whoever writes."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.committed = asyncio.Event()

    async def write(self, make: Make[T]) -> T:
        try:
            return await super().write(make)
        finally:
            self.committed.set()

    async def add(self, together: Any, item: Any) -> Any:
        try:
            return await super().add(together, item)
        finally:
            self.committed.set()


class Desk:
    """One inbox on a database: webhooks go in, and the work of both stages runs on the test's own loop."""

    def __init__(self, settings: Settings) -> None:
        self.clock = Clock()
        self.inbox = Inbox(settings)
        path = lay_tables(database_path(settings.database_url), *PACKAGES)
        receiver = Receiver(SqliteDatabase(path, self.clock), settings)
        receiver.writer.close()
        receiver.writer = self.writer = ObservedWriter(receiver.database)
        # Its own: what one test's API has asked for is no business of the next test.
        receiver.budgets = Budgets()
        # A test says when, by `receiver.reconcile()`.
        receiver.reconciles = False
        self.receiver = receiver
        self.inbox.open_on(receiver)

    async def hear(self, event_type: str, object_id: str) -> None:
        """Take a webhook in."""
        query = f"event_type={event_type}&{event_type.partition('.')[0]}_id={object_id}"
        assert (await ask_asgi(self.inbox, Request(query.encode()))).status == 200

    async def tell(self, event_type: str, object_id: str) -> None:
        """Take a webhook in, and wait until nothing more comes of it."""
        await self.hear(event_type, object_id)
        await self.settled()

    async def until(self, check: Callable[[], object]) -> None:
        """Wait until something is so; looks after every commit."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not check():
                self.writer.committed.clear()
                if not check():
                    await self.writer.committed.wait()

    async def settled(self) -> None:
        """Wait until every arrival and every run has ended."""
        await self.until(lambda: not self.pending())

    def pending(self) -> int:
        return len(self.rows("select 1 from delivery where state = 0"))

    def rows(self, sql: str, **values: Any) -> list[Row]:
        return self.receiver.database.read(lambda: once(sql, values))

    def write(self, sql: str, **values: Any) -> None:
        self.receiver.database.write(lambda: once(sql, values))

    def arrivals(self) -> list[tuple[str, str, str | None]]:
        """Every arrival in order: type, what became of it, and why."""
        rows = self.rows(
            "select e.type, d.state, d.reason from event e left join delivery d on d.event_id = e.id"
            " where e.box = 2 order by e.id"
        )
        return [(row["type"], _word(row["state"]), row["reason"]) for row in rows]

    def runs(self, handler: str | None = None) -> list[Row]:
        """Every run of handlers in order, with its state, its attempts and its reason."""
        rows = self.rows(
            "select h.name, e.id, e.type, e.subject, d.state, d.attempts, d.reason from event e"
            " join delivery d on d.event_id = e.id join lane l on l.id = d.lane_id"
            " join handler h on h.id = l.destination_id where e.box = 3 order by e.id"
        )
        found = [{**row, "state": _word(row["state"])} for row in rows]
        return [row for row in found if handler in (None, row["name"])]

    def attempts(self, event_id: int) -> list[Row]:
        return self.rows("select outcome, reason from attempt where event_id = :id order by id", id=event_id)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Work while the block runs; returns when all work has stopped."""
        handlers = self.inbox.handlers
        facts = [handler.facts for handler in handlers.values()]
        work = asyncio.create_task(self.receiver.run(facts, self.runner(), retired=self.inbox.all_retired))
        try:
            yield
        finally:
            self.receiver.stop()
            await work

    def runner(self) -> LocalRunner:
        return LocalRunner(self.inbox.handlers, self.inbox.starts)

    @asynccontextmanager
    async def acquainted(self) -> AsyncIterator[None]:
        """Work as `at_work` does, from when the shop's products have been looked at."""
        async with self.at_work():
            await self.until(lambda: self.rows("select 1 from inbox_shop where baseline_at is not null"))
            yield


def _word(state: int | None) -> str:
    return "stored" if state is None else State(state).name.lower()


def once(sql: str, values: Mapping[str, Any] = {}) -> Operation[list[Row]]:
    rows: list[Row] = yield Statement("test", sql), values
    return rows
