"""A mailbox at work in this process: lanes, a feeder that keeps it busy, and a `perform` that does nothing."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from ombud.db.database import Database, Writer
from ombud.db.migrate import migrate
from ombud.db.operation import Operation, Statement
from ombud.db.queries import Queries
from ombud.mailbox.mailbox import Mailbox, Policy
from ombud.mailbox.model import Box, Delivery, Done, Draft, Fault, Outcome, Retry
from ombud.mailbox.opening import open_ids, wake_others
from ombud.mailbox.worker import Worker

FACTS = Queries(
    "bench",
    """
-- name: facts
-- rows: lane_id bigint
-- A destination that is always open, looked up as a real one is.
select id as lane_id, destination_id, null as closed from lane where id = :lane_id;
-- postgres:
select l.id as lane_id, l.destination_id, null as closed from {rows} r join lane l on l.id = r.lane_id;
""",
)["facts"]
# Destinations from this number on fail.
DEAD = 1_000_000
# Events that one append stores, as a busy sender's group commit would, and how many may wait before it holds back.
BATCH = 2_000
AHEAD = 3
DONE = Done(200)
FAILED = Retry("nobody there", fault=Fault.LANE)


@dataclass
class Mill:
    """A mailbox on an open database. `performed` counts the tries that succeeded."""

    database: Database
    writer: Writer
    mailbox: Mailbox
    performed: int = 0
    _orders: int = 0

    @classmethod
    def on(cls, database: Database, policy: Policy | None = None) -> "Mill":
        """Make the tables and take part."""
        migrate(database, ["ombud.mailbox"])
        mailbox = Mailbox(Box.OUTBOX, FACTS, open_ids(database), database.clock, policy or Policy())
        return cls(database, database.open_writer(), wake_others(database, mailbox))

    async def add_lanes(self, amount: int, *, shops: int = 50, first: int = 0) -> list[int]:
        """Make lanes of destinations numbered from `first`, spread over shops."""
        lanes: list[int] = []
        for start in range(first, first + amount, BATCH):
            numbers = range(start, min(start + BATCH, first + amount))
            lanes += await self.writer.write(partial(self._add_lanes, [(1 + n % shops, n) for n in numbers]))
        return lanes

    def _add_lanes(self, wanted: Sequence[tuple[int, int]]) -> Operation[list[int]]:
        lanes = []
        for shop_id, number in wanted:
            lanes.append((yield from self.mailbox.add_lane(shop_id, number)))
        return lanes

    async def append(self, lane_ids: Sequence[int]) -> None:
        """Store one event for each of these lanes, each of a subject of its own, in one commit."""
        first, self._orders = self._orders, self._orders + len(lane_ids)
        drafts = [Draft(1, "order.new", f"order/{first + place}", (lane_id,)) for place, lane_id in enumerate(lane_ids)]
        await self.writer.write(lambda: self.mailbox.append(drafts))

    async def perform(self, _delivery: Delivery, facts: Mapping[str, Any]) -> Outcome:
        """Succeed at once; the dead fail at once."""
        if facts["destination_id"] >= DEAD:
            return FAILED
        self.performed += 1
        return DONE

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Worker]:
        """Run a worker."""
        worker = Worker(self.mailbox, self.writer, self.perform)
        task = asyncio.create_task(worker.run())
        # Its first turn is over once a lane can be handed over.
        await self.until(lambda: self.mailbox.bell.take() is not None)
        try:
            yield worker
        finally:
            worker.stop()
            await task

    async def feed(self, choose: Callable[[int], Sequence[int]], seconds: float, batch: int = BATCH) -> float:
        """Keep it busy for that long and see everything done; returns deliveries a second."""
        began, before, sent = time.perf_counter(), self.performed, 0
        while time.perf_counter() - began < seconds:
            if sent - (self.performed - before) < AHEAD * batch:
                await self.append(choose(batch))
                sent += batch
            else:
                await asyncio.sleep(0.0005)
        await self.until(lambda: self.performed - before >= sent)
        return sent / (time.perf_counter() - began)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it is so."""
        while not condition():  # noqa: ASYNC110 - to signal it with every delivery would be measured as well
            await asyncio.sleep(0.001)

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        """Read rows."""
        return self.database.read(lambda: _ask(text))

    def close(self) -> None:
        """Close writer and database."""
        self.writer.close()
        self.database.close()


def in_turn(lane_ids: Sequence[int]) -> Callable[[int], Sequence[int]]:
    """Choose lanes one after the other."""
    place = 0

    def choose(amount: int) -> Sequence[int]:
        nonlocal place
        chosen = [lane_ids[(place + step) % len(lane_ids)] for step in range(amount)]
        place += amount
        return chosen

    return choose


def at_random(lane_ids: Sequence[int], seed: int = 1) -> Callable[[int], Sequence[int]]:
    """Choose lanes by chance, the same at every run."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    return lambda amount: chance.choices(lane_ids, k=amount)


def _ask(text: str) -> Operation[list[tuple[Any, ...]]]:
    return (yield Statement(text, text), {}, tuple)
