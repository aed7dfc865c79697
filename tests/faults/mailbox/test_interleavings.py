"""The two races of lanes on PostgreSQL, step by step on two connections: lost wake-ups, and a settle without a fence.

Each is shown twice: that the real statements survive it, and that the broken ones do not.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from ombud.db.database import Database
from ombud.db.operation import Afterwards, Make, Statement
from ombud.db.postgres import PostgresDatabase
from ombud.db.postgres_session import Session
from ombud.mailbox import lease as leases
from ombud.mailbox.load import Wanted, load
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Done, Draft, Health, Lane, Result, State
from ombud.mailbox.settle import settle
from ombud.sender.outbox import Event, Published
from ombud.sender.sender import Sender
from tests.faults.broken import BUILDS
from tests.faults.mailbox.crew import wait_until
from tests.faults.mailbox.judge import Attempt, Delivery, _tables
from tests.faults.mailbox.post import asleep, found, lanes, numbers, open_sender
from tests.support.databases import POSTGRES
from tests.support.postgres import PostgresServers

T = TypeVar("T")

# Seconds: over at once.
LEASE_SECONDS = 0.05


@dataclass
class Client:
    """A connection of its own, with one transaction after the other."""

    session: Session
    afterwards: list[Afterwards] = field(default_factory=list)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commit at the end; what is to follow the commit waits for `follow`."""
        async with self.session.transaction():
            yield

    async def do(self, make: Make[T]) -> T:
        """Run an operation in the transaction."""
        return await self.session.run(make, self.afterwards)

    async def follow(self) -> None:
        """Do what was to follow the commit."""
        for step in self.afterwards:
            await self.session.rows_of((step.statement, step.rows, tuple))
        self.afterwards.clear()


@dataclass
class Stage:
    """One lane, and two that work on it."""

    sender: Sender
    one: Client
    two: Client
    lane_id: int

    @property
    def mailbox(self) -> Mailbox:
        return self.sender.outbox.mailbox

    async def append(self, client: Client) -> list[int]:
        draft = Draft(1, "order.new", "order/1", [self.lane_id])
        return await client.do(lambda: self.mailbox.append([draft]))

    async def lease(self, client: Client) -> list[Lane]:
        async with client.transaction():
            return await client.do(lambda: leases.lease(self.mailbox, 10))

    async def load(self, client: Client) -> list[Any]:
        loaded = await client.do(lambda: load(self.mailbox, [Wanted(self.lane_id)]))
        return list(loaded[self.lane_id].deliveries)

    async def append_and_lease(self) -> Lane:
        """Have the first own the lane, with one delivery in it."""
        async with self.two.transaction():
            await self.append(self.two)
        await self.two.follow()
        [lane] = await self.lease(self.one)
        return lane

    async def asleep(self) -> set[int]:
        return await asyncio.to_thread(asleep, self.sender.database)

    async def tables(self) -> tuple[list[Delivery], list[Attempt]]:
        return await asyncio.to_thread(self.sender.database.read, _tables)


@pytest.fixture(params=POSTGRES)
def url(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> Iterator[str]:
    server = postgres_servers[POSTGRES[request.param]]
    with server.database() as name:
        yield server.url(name)


@pytest.fixture
async def stage(url: str) -> AsyncIterator[Stage]:
    await asyncio.to_thread(found, url, [1])
    sender = await asyncio.to_thread(open_sender, url, lease_seconds=LEASE_SECONDS)
    database = sender.database
    assert isinstance(database, PostgresDatabase)
    one, two = [Client(await database._server.durable()) for _ in range(2)]
    yield Stage(sender, one, two, lanes(database)[0])
    for client in (one, two):
        await client.session.connection.close()
    await asyncio.to_thread(sender.close)


# A1: the owner gives the lane back while somebody appends ---------------------------------------------------------


async def release_before_the_append_is_committed(stage: Stage) -> None:
    """The append rings, or not yet; the owner sees nothing of it, releases, and looks again; the append commits."""
    lane = await stage.append_and_lease()
    await settle_all(stage, stage.one, lane)
    async with stage.two.transaction():
        await stage.append(stage.two)
        async with stage.one.transaction():
            await stage.one.do(lambda: leases.fence([lane]))
            await stage.one.do(lambda: leases.release([(lane, Health())]))
        await stage.one.follow()
    await stage.two.follow()


async def release_after_the_append_has_rung(stage: Stage) -> None:
    """The owner's release does not see the append, which commits and rings at a leased lane before that commits."""
    lane = await stage.append_and_lease()
    await settle_all(stage, stage.one, lane)
    async with stage.one.transaction():
        await stage.one.do(lambda: leases.fence([lane]))
        await stage.one.do(lambda: leases.release([(lane, Health())]))
        async with stage.two.transaction():
            await stage.append(stage.two)
        await stage.two.follow()
    await stage.one.follow()


async def settle_all(stage: Stage, client: Client, lane: Lane) -> None:
    async with client.transaction():
        await client.do(lambda: leases.fence([lane]))
        results = [Result(delivery, 1, 0, Done()) for delivery in await stage.load(client)]
        await client.do(lambda: settle(stage.mailbox, results, {lane.id}))


SLEEPS = [release_before_the_append_is_committed, release_after_the_append_has_rung]


@pytest.mark.parametrize("happen", SLEEPS)
async def test_a_lane_with_work_is_awake(stage: Stage, happen: Any) -> None:
    await happen(stage)

    assert await stage.asleep() == set()
    assert await stage.lease(stage.one)


@pytest.mark.parametrize(("build", "happen"), list(zip(["ring_inside", "no_recheck"], SLEEPS, strict=True)))
async def test_a_lost_wake_up_is_caught(stage: Stage, monkeypatch: pytest.MonkeyPatch, build: str, happen: Any) -> None:
    BUILDS[build](monkeypatch)

    await happen(stage)

    assert await stage.asleep() == {stage.lane_id}
    assert not await stage.lease(stage.one)


async def test_each_of_the_two_rules_is_needed_for_one_of_the_two_orders(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else the tests above would show only that there are two ways to wake a lane.
    BUILDS["no_recheck"](monkeypatch)

    await release_before_the_append_is_committed(stage)

    assert await stage.asleep() == set()


# A2: the lease is over while its owner settles --------------------------------------------------------------------


async def settle_while_somebody_else_leases(stage: Stage) -> list[Any]:
    """The owner has begun to settle, late; somebody else leases the lane and loads. Returns what they may start."""
    lane = await stage.append_and_lease()
    async with stage.one.transaction():
        [delivery] = await stage.load(stage.one)
    await asyncio.sleep(2 * LEASE_SECONDS)
    async with stage.one.transaction():
        owned = await stage.one.do(lambda: leases.fence([lane]))
        await stage.one.do(lambda: settle(stage.mailbox, [Result(delivery, 1, 0, Done())], owned))
        taken = await stage.lease(stage.two)
        async with stage.two.transaction():
            loaded = await stage.load(stage.two) if taken else []
    if loaded:
        await settle_again(stage, taken[0], loaded)
    return loaded


async def settle_again(stage: Stage, lane: Lane, loaded: list[Any]) -> None:
    async with stage.two.transaction():
        owned = await stage.two.do(lambda: leases.fence([lane]))
        results = [Result(delivery, 2, 0, Done()) for delivery in loaded]
        await stage.two.do(lambda: settle(stage.mailbox, results, owned))


async def test_a_settle_under_way_keeps_the_lane(stage: Stage) -> None:
    assert await settle_while_somebody_else_leases(stage) == []

    [delivery], attempts = await stage.tables()
    assert delivery.state == State.DONE
    assert [(one.outcome, one.late) for one in attempts] == [("done", 0)]


async def test_a_settle_without_a_lock_is_caught(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    BUILDS["no_fence"](monkeypatch)

    assert len(await settle_while_somebody_else_leases(stage)) == 1

    _, attempts = await stage.tables()
    assert [(one.outcome, one.late) for one in attempts] == [("done", 0)] * 2


async def test_a_settle_after_somebody_else_has_leased_is_late(stage: Stage) -> None:
    lane = await stage.append_and_lease()
    async with stage.one.transaction():
        [delivery] = await stage.load(stage.one)
    await asyncio.sleep(2 * LEASE_SECONDS)
    [theirs] = await stage.lease(stage.two)
    async with stage.one.transaction():
        owned = await stage.one.do(lambda: leases.fence([lane]))
        await stage.one.do(lambda: settle(stage.mailbox, [Result(delivery, 1, 0, Done())], owned))

    async with stage.two.transaction():
        assert await stage.load(stage.two) == [delivery]
    assert theirs.crashes == 1
    [stored], attempts = await stage.tables()
    assert stored.state == State.PENDING
    assert [(one.outcome, one.late) for one in attempts] == [("done", 1)]


# One key at two places at once ----------------------------------------------------------------------------------------


async def publish_under_one_key_at_once(stage: Stage) -> list[Published]:
    """Both store an event under the same key; the second begins before the first has committed."""
    event = Event("order.new", "1", event_key="key")
    async with stage.one.transaction():
        published = await stage.one.do(lambda: stage.sender.outbox.publish([event]))
        second = asyncio.create_task(stage.sender.publish([event]))
        await asyncio.to_thread(wait_until, lambda: waiting(stage.sender.database), lambda: "nobody waits")
    return published + await second


def waiting(database: Database) -> list[int]:
    """Return who waits for somebody's commit."""
    return numbers(database, Statement("list_waiting", "select pid from pg_locks where not granted"))


async def test_two_who_use_one_key_at_once_have_one_event(stage: Stage) -> None:
    first, second = await publish_under_one_key_at_once(stage)

    assert first == second


async def test_a_forgotten_key_is_caught(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    BUILDS["forget_keys"](monkeypatch)

    first, second = await publish_under_one_key_at_once(stage)

    assert first != second


# Whatever the order of steps: of the same pieces, all orders ------------------------------------------------------


async def test_no_order_of_an_append_and_a_release_loses_a_wake_up(stage: Stage) -> None:
    """All ways to mix the steps of an append and of a release, which wait for nothing of each other."""
    for order in sorted(set(itertools.permutations("aaarrr"))):
        lane = await stage.append_and_lease()
        await settle_all(stage, stage.one, lane)
        await mix(stage, lane, order)
        assert await stage.asleep() == set(), order
        for left in await stage.lease(stage.one):
            await settle_all(stage, stage.one, left)
            async with stage.one.transaction():
                await stage.one.do(lambda left=left: leases.release([(left, Health())]))  # type: ignore[misc]
            await stage.one.follow()


async def mix(stage: Stage, lane: Lane, order: tuple[str, ...]) -> None:
    steps = {"a": append_steps(stage), "r": release_steps(stage, lane)}
    for name in order:
        await anext(steps[name], None)


async def append_steps(stage: Stage) -> AsyncIterator[None]:
    async with stage.two.transaction():
        await stage.append(stage.two)
        yield
    yield
    await stage.two.follow()
    yield


async def release_steps(stage: Stage, lane: Lane) -> AsyncIterator[None]:
    async with stage.one.transaction():
        await stage.one.do(lambda: leases.fence([lane]))
        await stage.one.do(lambda: leases.release([(lane, Health())]))
        yield
    yield
    await stage.one.follow()
    yield
