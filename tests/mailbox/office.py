"""A mailbox on a real database with the smallest of destinations, and a worker whose every commit can be waited for."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from ombud.clock import now_microseconds
from ombud.db.database import Database, Together, Writer
from ombud.db.migrate import migrate
from ombud.db.operation import Afterwards, Make, Operation, Row, Statement
from ombud.db.queries import Queries
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox import lease as leases
from ombud.mailbox.load import Wanted, load
from ombud.mailbox.mailbox import Mailbox, Policy
from ombud.mailbox.model import Box, Delivery, Done, Draft, Health, Lane, Loaded, Outcome, Result
from ombud.mailbox.opening import open_ids
from ombud.mailbox.settle import settle
from ombud.mailbox.starter import Perform
from ombud.mailbox.worker import Worker

T = TypeVar("T")
Item = TypeVar("Item")
R = TypeVar("R")

# What a delivery's destination is: open or closed, and a note that a load brings along.
QUERIES = Queries(
    "office",
    """
-- name: destinations
create table if not exists destination(
  lane_id bigint, closed text, note text, pace bigint, covers text, schedule text);

-- name: facts
-- rows: lane_id bigint
select lane_id, closed, note, pace, covers, schedule from destination where lane_id = :lane_id;
-- postgres:
select d.lane_id, d.closed, d.note, d.pace, d.covers, d.schedule
from {rows} r join destination d on d.lane_id = r.lane_id;
""",
)
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

    def __init__(self, database: Database, policy: Policy, box: Box = Box.OUTBOX) -> None:
        migrate(database, ["ombud.mailbox"])
        self.database = database
        self.clock = database.clock
        self.run(lambda: _once(QUERIES["destinations"], {}))
        self.mailbox = Mailbox(box, QUERIES["facts"], open_ids(database), database.clock, policy)
        self._destinations = 0

    def run(self, make: Make[T]) -> T:
        """Run an operation in a transaction of its own; returns when what follows its commit is done as well."""
        followed = threading.Event()

        def marked() -> Operation[T]:
            value = yield from make()
            yield Afterwards(QUERIES["facts"], [], lambda _, __: followed.set())
            return value

        value = self.database.write(marked)
        assert followed.wait(PATIENCE_SECONDS)
        return value

    def die_after(self, make: Make[T]) -> tuple[T, list[Afterwards]]:
        """Run an operation without what follows its commit, as if the process died there; returns that as well."""
        left: list[Afterwards] = []

        def cut() -> Operation[T]:
            left.clear()
            operation, rows = make(), None
            try:
                while True:
                    step = operation.send(rows)  # type: ignore[arg-type]
                    rows = []
                    if isinstance(step, Afterwards):
                        left.append(step)
                    else:
                        rows = yield step
            except StopIteration as stop:
                value: T = stop.value
                return value

        return self.database.write(cut), left

    def rows(self, sql: str, **values: Any) -> list[Row]:
        run = self.database.read if sql.startswith("select") else self.run
        return run(lambda: _once(Statement(sql, sql), values))

    def add_lane(self, *, window: int = 1, shop_id: int = 1) -> int:
        """Make a destination with one lane, which has rested just now: a window of any size is kept."""
        self._destinations += 1
        number = self._destinations
        lane_id = self.run(lambda: self.mailbox.add_lane(shop_id, number))
        self.rows("insert into destination(lane_id, closed, note) values (:lane_id, null, 'first')", lane_id=lane_id)
        self.rows(
            "update lane set window_size = :window, rested_at = :now where id = :lane_id",
            window=window,
            lane_id=lane_id,
        )
        return lane_id

    def append(self, *lane_ids: int, subject: str = "order/1", shop_id: int = 1) -> int:
        """Append one event; returns its id."""
        return self.run(lambda: self.mailbox.append([self.draft(*lane_ids, subject=subject, shop_id=shop_id)]))[0]

    def draft(self, *lane_ids: int, subject: str = "order/1", shop_id: int = 1) -> Draft:
        return Draft(shop_id, "order.new", subject, lane_ids)

    # What an owner does -----------------------------------------------------------------------------------------------

    def lease(self, lanes: int = 100) -> list[Lane]:
        return self.run(lambda: leases.lease(self.mailbox, lanes))

    def lease_one(self) -> Lane:
        (lane,) = self.lease(1)
        return lane

    def load(self, lane: Lane, *loaded: Delivery, **wanted: Any) -> Loaded:
        """Load what an owner with these deliveries in its hands may start."""
        known = frozenset(delivery.event_id for delivery in loaded)
        busy = frozenset(delivery.subject for delivery in loaded)
        return self.run(lambda: load(self.mailbox, [Wanted(lane.id, known=known, busy=busy, **wanted)]))[lane.id]

    def load_one(self, lane: Lane) -> Delivery:
        (delivery,) = self.load(lane).deliveries
        return delivery

    def settle(self, lane: Lane, delivery: Delivery, outcome: Outcome, milliseconds: int = 12) -> bool:
        """Settle a try as a turn does; returns whether the lane was still owned."""
        result = Result(delivery, self.clock(), milliseconds, outcome, lane.health.open_time(self.clock()))
        return self.run(lambda: self._settle(lane, [result]))

    def _settle(self, lane: Lane, results: Sequence[Result]) -> Operation[bool]:
        owned = yield from leases.fence([lane])
        yield from settle(self.mailbox, results, set(owned))
        return bool(owned)

    def extend(self, *lanes: Lane) -> None:
        self.run(lambda: leases.extend(self.mailbox, lanes))

    def release(self, lane: Lane, window: int = 1, failures: int = 0) -> int:
        """Give a lane back, its crashes forgiven; returns when it wakes."""
        health = Health(window=window, failures=failures)
        self.run(lambda: leases.release([(lane._replace(crashes=0), health)]))
        wake_at: int = self.lane(lane.id)["wake_at"]
        return wake_at

    def next_wake(self) -> int | None:
        """Return the microseconds until a lane is due."""
        return self.run(lambda: leases.next_wake(self.mailbox))

    # What is stored ---------------------------------------------------------------------------------------------------

    def pause(self, *lane_ids: int) -> None:
        self.run(lambda: self.mailbox.pause(*lane_ids))

    def resume(self, *lane_ids: int) -> None:
        self.run(lambda: self.mailbox.resume(*lane_ids))

    def replay(self, *events: int, lane_id: int) -> int:
        return self.run(lambda: self.mailbox.replay([(event_id, lane_id) for event_id in events]))

    def lane(self, lane_id: int) -> Row:
        return self.rows("select * from lane where id = :lane_id", lane_id=lane_id)[0]

    def is_free(self, lane_id: int) -> bool:
        return self.lane(lane_id)["lease_token"] is None

    def delivery(self, event_id: int, lane_id: int | None = None) -> Row:
        found = self.rows("select * from delivery where event_id = :event_id", event_id=event_id)
        (row,) = [row for row in found if lane_id in (None, row["lane_id"])]
        return row

    def state(self, event_id: int, lane_id: int | None = None) -> int:
        state: int = self.delivery(event_id, lane_id)["state"]
        return state

    def attempts(self, event_id: int) -> list[Row]:
        return self.rows("select * from attempt where event_id = :event_id order by id", event_id=event_id)

    def outcomes(self, event_id: int) -> list[str]:
        return [row["outcome"] for row in self.attempts(event_id)]

    def wish(self, lane_id: int, **wishes: int | str) -> None:
        """Have the destination ask for a `pace`, for what `covers`, or for a `schedule`."""
        for name, value in wishes.items():
            self.rows(f"update destination set {name} = :value where lane_id = :id", value=value, id=lane_id)

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

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        self.reads = 0
        self.on_read: Callable[[], None] = lambda: None

    def read(self, make: Make[T]) -> T:
        self.reads += 1
        self.on_read()
        return super().read(make)


class WatchedWriter:
    """Counts writes, and lets a test wait for what they bring about."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._writer: Writer = database.open_writer()
        self.writes = 0
        self.moved = asyncio.Event()

    async def write(self, make: Make[T]) -> T:
        try:
            return await self._writer.write(make)
        finally:
            self.writes += 1
            self.moved.set()

    async def add(self, together: Together[Item, R], item: Item) -> R:
        return await self._writer.add(together, item)

    def close(self) -> None:
        self._writer.close()

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
        """End the hanging of a subject's deliveries; the next one hangs again."""
        self._gates[subject].set()

    async def __call__(self, delivery: Delivery, facts: Mapping[str, Any]) -> Outcome:
        self.started.append(delivery)
        self.facts.append(facts)
        self.in_flight.append(delivery)
        self.most_in_flight = max(self.most_in_flight, len(self.in_flight))
        self._changed.set()
        try:
            if self._held is None or delivery.subject in self._held:
                await self._gates.setdefault(delivery.subject, asyncio.Event()).wait()
                self._gates.pop(delivery.subject, None)
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


async def until_it_takes_over(office: Office, writer: WatchedWriter) -> None:
    """Wait until the worker has begun to take over what is appended here."""
    await writer.until(lambda: office.mailbox.bell.take() is not None)


@asynccontextmanager
async def working(
    office: Office, writer: Writer, perform: Perform, **options: Any
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
