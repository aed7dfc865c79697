"""A mailbox on a real database with the smallest of destinations, and a worker whose every commit can be waited for."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from ombud.clock import now_microseconds
from ombud.db.migrate import migrate
from ombud.db.operation import Make, Operation, Row, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.db.writer import ThreadWriter
from ombud.mailbox.ids import IdSource
from ombud.mailbox.mailbox import Mailbox, Policy, claim_node
from ombud.mailbox.model import Box, Delivery, Done, Draft, Outcome
from ombud.mailbox.worker import Perform, Worker

T = TypeVar("T")

# What a delivery's destination is: open or closed, and a note that a load brings along.
DESTINATIONS = Statement(
    "destinations", "create table if not exists destination(lane_id integer, closed text, note text)"
)
FACTS = Statement("facts", "select closed, note from destination where lane_id = :lane_id")
# Seconds after which what should happen is taken for lost.
PATIENCE_SECONDS = 20.0


class Clock:
    """The machine's clock, which a test can set."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return now_microseconds() + self.ahead

    def jump(self, seconds: float) -> None:
        self.ahead += round(seconds * 1_000_000)


class StoppedClock(Clock):
    """A clock that moves only when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self._now = now_microseconds()

    def __call__(self) -> int:
        return self._now + self.ahead


class Office:
    """A database with a mailbox, and short words for what tests do with them."""

    def __init__(self, database: SqliteDatabase, clock: Clock, policy: Policy) -> None:
        migrate(database, ["ombud.mailbox"])
        self.database = database
        self.clock = clock
        self.run(lambda: _once(DESTINATIONS, {}))
        self.mailbox = Mailbox(Box.OUTBOX, FACTS, IdSource(self.run(claim_node), clock), clock, policy)
        self._destinations = 0

    def run(self, make: Make[T]) -> T:
        """Run an operation in a transaction of its own."""
        return self.database.write(make)

    def rows(self, sql: str, **values: Any) -> list[Row]:
        return self.run(lambda: _once(Statement(sql, sql), values))

    def add_lane(self, *, window: int = 1, shop_id: int = 1) -> int:
        """Make a destination with one lane."""
        self._destinations += 1
        number = self._destinations
        lane_id = self.run(lambda: self.mailbox.add_lane(shop_id, number))
        self.rows("insert into destination values (:lane_id, null, 'first')", lane_id=lane_id)
        self.rows("update lane set window_size = :window where id = :lane_id", window=window, lane_id=lane_id)
        return lane_id

    def append(self, *lane_ids: int, subject: str = "order/1", shop_id: int = 1) -> int:
        """Append one event; returns its id."""
        return self.run(lambda: self.mailbox.append([self.draft(*lane_ids, subject=subject, shop_id=shop_id)]))[0]

    def draft(self, *lane_ids: int, subject: str = "order/1", shop_id: int = 1) -> Draft:
        return Draft(shop_id, "order.new", subject, lane_ids)

    def lane(self, lane_id: int) -> Row:
        return self.rows("select * from lane where id = :lane_id", lane_id=lane_id)[0]

    def delivery(self, event_id: int, lane_id: int | None = None) -> Row:
        found = self.rows(
            "select * from delivery where event_id = :event_id and lane_id = coalesce(:lane_id, lane_id)",
            event_id=event_id,
            lane_id=lane_id,
        )
        assert len(found) == 1
        return found[0]

    def state(self, event_id: int, lane_id: int | None = None) -> int:
        state: int = self.delivery(event_id, lane_id)["state"]
        return state

    def attempts(self, event_id: int) -> list[Row]:
        return self.rows("select * from attempt where event_id = :event_id order by id", event_id=event_id)

    def outcomes(self, event_id: int) -> list[str]:
        return [row["outcome"] for row in self.attempts(event_id)]

    def close_destination(self, lane_id: int, reason: str | None) -> None:
        """Close it, or open it again, and ring its lane as a change of a destination does."""
        self.rows("update destination set closed = :reason where lane_id = :lane_id", reason=reason, lane_id=lane_id)
        self.run(lambda: self.mailbox.ring(lane_id))

    def pending(self) -> int:
        count: int = self.rows("select count(*) as n from delivery where state = 0")[0]["n"]
        return count


def _once(statement: Statement, values: Mapping[str, Any]) -> Operation[list[Row]]:
    rows: list[Row] = yield statement, values
    return rows


class CountingDatabase(SqliteDatabase):
    """Counts the looks of a worker that has nothing to do."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.reads = 0
        self.on_read: Callable[[], None] = lambda: None

    def read(self, make: Make[T]) -> T:
        self.reads += 1
        self.on_read()
        return super().read(make)


class WatchedWriter(ThreadWriter):
    """Counts writes, and lets a test wait for what they bring about."""

    def __init__(self, database: SqliteDatabase) -> None:
        super().__init__(database)
        self.writes = 0
        self.moved = asyncio.Event()

    async def write(self, make: Make[T]) -> T:
        try:
            return await super().write(make)
        finally:
            self.writes += 1
            self.moved.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is looked at after every write."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self.moved.clear()
                await self.moved.wait()


class Performing:
    """A scripted `perform`: notes what is started, and does what the test says for each delivery."""

    def __init__(self, script: Callable[[Delivery], Outcome] | None = None) -> None:
        self._script = script or (lambda _: Done())
        self._held: set[str] | None = set()
        self._gates: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Event()
        self.started: list[Delivery] = []
        self.facts: list[Mapping[str, Any]] = []
        self.in_flight: list[Delivery] = []
        self.most_in_flight = 0

    def hold(self, *subjects: str) -> None:
        """Have deliveries of these subjects hang; of every subject when none is named."""
        self._held = set(subjects) or None

    def let_go(self, subject: str) -> None:
        """End the hanging of a subject's delivery; the next one hangs again."""
        self._gates[subject].set()

    async def __call__(self, delivery: Delivery, facts: Mapping[str, Any]) -> Outcome:
        self.started.append(delivery)
        self.facts.append(facts)
        self.in_flight.append(delivery)
        self.most_in_flight = max(self.most_in_flight, len(self.in_flight))
        self._changed.set()
        try:
            if self._held is None or delivery.subject in self._held:
                gate = self._gates[delivery.subject] = asyncio.Event()
                await gate.wait()
            await asyncio.sleep(0)  # whatever starts together is in flight together
            return self._script(delivery)
        finally:
            self.in_flight.remove(delivery)

    @property
    def subjects(self) -> list[str]:
        return [delivery.subject for delivery in self.started]

    def flying(self) -> Collection[str]:
        return sorted(delivery.subject for delivery in self.in_flight)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is looked at after every start."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_started(self, number: int) -> None:
        await self.until(lambda: len(self.started) >= number)


@asynccontextmanager
async def working(
    office: Office, writer: ThreadWriter, perform: Perform, **options: Any
) -> AsyncIterator[tuple[Worker, "asyncio.Task[None]"]]:
    """Run a worker until the block ends; it must end by itself then."""
    worker = Worker(office.mailbox, writer, perform, **options)
    task = asyncio.create_task(worker.run())
    try:
        yield worker, task
    finally:
        worker.stop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await task
