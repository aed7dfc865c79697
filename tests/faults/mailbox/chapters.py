"""Short pieces of a mailbox's life that together come by every statement of it; each is cut short at a point.

A chapter works on shops of its own, so any number of them may follow each other in one database.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from ombud.clock import now_microseconds
from ombud.db.operation import Operation, Statement
from ombud.errors import StorageUnavailable
from ombud.mailbox.ids import first_id_of
from ombud.mailbox.janitor import Janitor
from ombud.mailbox.late import deliver_late
from ombud.mailbox.mailbox import DAY_MICROSECONDS, open_day
from ombud.mailbox.model import Ages, Dead, Delivery, Done, Draft, Fault, Outcome, Retry
from ombud.mailbox.performer import Performer
from ombud.sender.outbox import Event, Published
from ombud.sender.outbox import sql as outbox_sql
from ombud.sender.sender import Sender
from tests.faults.mailbox.diary import Diary
from tests.faults.mailbox.driver import PERFORM, driver, reach
from tests.faults.mailbox.judge import judge
from tests.faults.mailbox.post import add_endpoint, held_lanes, numbers, once, open_sender, pending
from tests.faults.mailbox.roles import Job

# Seconds between the chapters of one database, on its clock: leases, holds and chores of the one before are over.
APART_SECONDS = 120
# Seconds of the lease, shorter than the slow try, which therefore needs a sign of life.
LEASE_SECONDS = 0.3
SLOW_SECONDS = 0.15
# Seconds that somebody else has a lane, longer than what ends meanwhile takes to be settled.
STOLEN_SECONDS = 1.0
# Seconds between two looks at whether all has ended: each asks the database.
POLL_SECONDS = 0.01
# Days: retention is for what is older than three.
OLD_DAYS = 5

_LEAVE_LEASED = Statement(
    "leave_leased", "update lane set lease_token = 1, wake_at = 1, started_event_id = :event_id where id = :lane_id"
)
_STEAL = Statement("steal", "update lane set lease_token = 1, wake_at = :until where id = :lane_id")
_END = Statement("end_by_hand", "update delivery set state = 2, reason = 'by hand' where event_id = :event_id")
_AGE = tuple(
    Statement(f"age_{table}", f"update {table} set day = :day where {column} in (:one, :two)")
    for table, column in (("event", "id"), ("delivery", "event_id"), ("attempt", "event_id"))
)
_OLD = (
    Statement(
        "insert_old_event",
        "insert into event(day, shop_id, id, box, type, subject, created_at, fan_out)"
        " values (:day, :shop_id, :id, 1, 'order.new', 'order/old', 1, 1)",
    ),
    Statement(
        "insert_old_delivery",
        "insert into delivery(day, shop_id, event_id, lane_id, subject, state, due_at, reason)"
        " values (:day, :shop_id, :id, :lane_id, 'order/old', 3, 1, 'by hand')",
    ),
    Statement("insert_old_key", "insert into event_key(shop_id, key, event_id) values (:shop_id, 'old', :id)"),
)
_DAYS = Statement("list_open_days", "select day from day order by day")


@dataclass
class Story:
    """A process in which a chapter happens. `number`: how many happened before it in this database."""

    sender: Sender
    diary: Diary
    process: str
    number: int

    def __post_init__(self) -> None:
        self._shops = itertools.count(self.number * 10 + 1)
        self._keys = (f"chapter{self.number}-{n}" for n in itertools.count())
        self._tries = (f"{self.process}.{n}" for n in itertools.count())
        self._stolen: set[int] = set()

    def open_shop(self) -> "Shop":
        shop_id = next(self._shops)
        return Shop(self, shop_id, *add_endpoint(self.sender, shop_id))

    async def write(self, operation: Callable[[], Operation[Any]]) -> Any:
        return await self.sender.writer.write(operation)

    async def publish(self, shop_id: int, *objects: str) -> list[int]:
        """Append an event for each object, all in one commit."""
        keys = [next(self._keys) for _ in objects]
        for key in keys:
            self.diary.write("attempt", key=key)
        events = [Event("order.new", name, shop_id, key) for name, key in zip(objects, keys, strict=True)]
        published = await self._insist(events)
        for key, one in zip(keys, published, strict=True):
            self.diary.write("ack", key=key, event=one.event_id)
        return [one.event_id for one in published]

    async def _insist(self, events: Sequence[Event]) -> Sequence[Published]:
        """Say it again until it is confirmed: a commit may end without anybody knowing how."""
        while True:
            with contextlib.suppress(StorageUnavailable):
                return await self.sender.publish(events)

    async def append_later(self, shop_id: int, lane_id: int) -> None:
        """Append an event for one lane that is due a moment later, under a key as all are."""
        key, mailbox = next(self._keys), self.sender.outbox.mailbox
        draft = Draft(shop_id, "order.new", "order/done", [lane_id], delay=1_000)

        def append() -> Operation[int]:
            [event_id] = yield from mailbox.append([draft])
            yield outbox_sql["put_event_keys"], [(shop_id, key, event_id)], tuple
            return event_id

        self.diary.write("attempt", key=key)
        self.diary.write("ack", key=key, event=await self.write(append))

    async def perform(self, delivery: Delivery, _: Mapping[str, Any]) -> Outcome:
        """Try a delivery: what it is about says how it ends."""
        await reach(PERFORM, "before")
        about = {"try": next(self._tries), "event": delivery.event_id, "lane": delivery.lane_id}
        self.diary.write("begin", subject=delivery.subject, **about)
        name = delivery.subject.partition("/")[2]
        await asyncio.sleep(SLOW_SECONDS if name == "slow" else 0)
        if name == "stolen" and delivery.event_id not in self._stolen:
            self._stolen.add(delivery.event_id)
            await self._steal(delivery.lane_id)
        self.diary.write("end", **about)
        await reach(PERFORM, "after")
        if delivery.attempts == 0 and name == "retried":
            return Retry("by chance", after=0.01)
        if delivery.attempts == 0 and name == "closing":
            return Retry("by chance", after=0.01, fault=Fault.LANE)
        ends: dict[str, Outcome] = {"dead": Dead("by chance"), "telling": Done(also=_say_more)}
        return ends.get(name, Done())

    async def _steal(self, lane_id: int) -> None:
        """Have the lease of a lane be somebody else's, who does nothing with it."""
        until = self.sender.database.clock() + round(STOLEN_SECONDS * 1_000_000)
        await self.write(lambda: _run(_STEAL, lane_id=lane_id, until=until))

    @contextlib.asynccontextmanager
    async def performing(self) -> AsyncIterator[None]:
        """Perform until the block ends and nothing is pending; what the block appends may start from memory."""
        mailbox = self.sender.outbox.mailbox
        performer = Performer(mailbox, self.sender.writer, self.perform)
        task = asyncio.create_task(performer.run())
        try:
            async with asyncio.timeout(30):
                while mailbox.bell.take() is None:
                    assert not task.done(), task
                    await asyncio.sleep(0.002)
            yield
            async with asyncio.timeout(30):
                while await asyncio.to_thread(pending, self.sender.database):
                    assert not task.done(), task
                    await asyncio.sleep(POLL_SECONDS)
        finally:
            performer.stop()
            await task

    def came_by(self, name: str) -> bool:
        """Whether this process has run a statement."""
        return driver.hits[name, "after"] > 0

    async def keep_house(self) -> None:
        """End the days that are old enough."""
        janitor = Janitor(self.sender.writer, self.sender.database.clock, Ages())
        async with asyncio.timeout(30):
            await janitor.round()
            while await asyncio.to_thread(self._old_days):
                await asyncio.sleep(0.01)
                await self.write(once(Statement("free_chore", "delete from chore")))
                await janitor.round()

    def _old_days(self) -> list[int]:
        today = self.sender.database.clock() // DAY_MICROSECONDS
        return [day for day in numbers(self.sender.database, _DAYS) if day < today - OLD_DAYS + 1]


@dataclass(frozen=True)
class Shop:
    """A shop with one endpoint and its lane."""

    story: Story
    id: int
    endpoint_id: int
    lane_id: int

    async def publish(self, *objects: str) -> list[int]:
        return await self.story.publish(self.id, *objects)


def _say_more() -> Operation[None]:
    yield Statement("say_more", "update clock set seen = seen"), {}


# The chapters ---------------------------------------------------------------------------------------------------------


async def deliver(story: Story) -> None:
    """Appends, tries that succeed, fail and go on for long; a commit of which nobody knows; a lane left by a crash."""
    shop, left, other = story.open_shop(), story.open_shop(), story.open_shop()
    [suspect, _] = await left.publish("done", "other")
    await story.write(lambda: _run(_LEAVE_LEASED, event_id=suspect, lane_id=left.lane_id))
    async with story.performing():
        await shop.publish("done", "retried", "dead")
        await shop.publish("done", "slow")
        await other.publish("closing", "telling")
        # What is appended to a lane that is owned on record starts from memory; it may be given back meanwhile.
        while not story.came_by("still_held"):
            await shop.publish("done")


async def meddle(story: Story) -> None:
    """What people do: a pause and its end, an endpoint switched off, a replay, a new one that hears of the past."""
    shop, paused, disabled = story.open_shop(), story.open_shop(), story.open_shop()
    mailbox, lane_id = story.sender.outbox.mailbox, paused.lane_id
    await disabled.publish("done", "done")
    await story.write(lambda: story.sender.endpoints.change(disabled.endpoint_id, enabled=False))
    async with story.performing():
        [event_id] = await shop.publish("done")
        await story.write(lambda: mailbox.pause(lane_id))
        await paused.publish("done")
        await story.write(lambda: mailbox.skip([(event_id, lane_id)], "nobody needs it"))
        await story.write(lambda: mailbox.resume(lane_id))
    async with story.performing():
        assert await story.write(lambda: mailbox.replay([(event_id, shop.lane_id)])) == 1
    _, new_lane = await asyncio.to_thread(add_endpoint, story.sender, shop.id)
    [day] = numbers(story.sender.database, Statement("day_of", f"select day from event where id = {event_id}"))
    async with story.performing():
        await story.write(lambda: deliver_late(mailbox, {(day, event_id): new_lane}))
        await story.append_later(shop.id, new_lane)


async def come_late(story: Story) -> None:
    """A try that ends when its lane is somebody else's."""
    shop = story.open_shop()
    async with story.performing():
        await shop.publish("stolen")


async def end_a_day(story: Story) -> None:
    """An old day with something that goes with it, something that has failed, and something that is pending."""
    shop = story.open_shop()
    dead, waiting = await shop.publish("done", "done")
    day = story.sender.database.clock() // DAY_MICROSECONDS - OLD_DAYS - story.number
    old = {"day": day, "shop_id": shop.id, "id": first_id_of(day * DAY_MICROSECONDS) + 1, "lane_id": shop.lane_id}

    def make_old() -> Operation[None]:
        yield from open_day(day)
        yield from _run(_END, event_id=dead)
        for statement in _AGE:
            yield statement, {"day": day, "one": dead, "two": waiting}
        for statement in _OLD:
            yield statement, old

    await story.write(make_old)
    await story.keep_house()
    async with story.performing():
        pass


CHAPTERS: Mapping[str, Callable[[Story], Awaitable[None]]] = {
    chapter.__name__: chapter for chapter in (deliver, meddle, come_late, end_a_day)
}


def _run(statement: Statement, **values: int) -> Operation[None]:
    yield statement, values


# The processes --------------------------------------------------------------------------------------------------------


async def happen(job: Job, line: Connection) -> None:
    """Have the chapter happen that the line names, and tell by which points it came."""
    name, number = line.recv()
    async with _story(job, number) as story:
        await CHAPTERS[name](story)
    line.send(dict(driver.hits))


async def recover(job: Job, line: Connection) -> None:
    """Start again after a kill: end what is left, and judge."""
    number, killed = line.recv()
    async with _story(job, number) as story:
        mailbox = story.sender.outbox.mailbox
        await story.keep_house()
        for lane_id in held_lanes(story.sender.database):
            await story.write(lambda lane_id=lane_id: mailbox.resume(lane_id))  # type: ignore[misc]
        async with story.performing():
            pass
        line.send(await asyncio.to_thread(judge, job.folder, story.sender.database, killed))


@contextlib.asynccontextmanager
async def _story(job: Job, number: int) -> AsyncIterator[Story]:
    later = number * APART_SECONDS * 1_000_000

    def clock() -> int:
        return now_microseconds() + later

    sender = await asyncio.to_thread(open_sender, job.url, lease_seconds=LEASE_SECONDS, clock=clock)
    try:
        yield Story(sender, Diary(job.folder, job.own_name), job.process, number)
    finally:
        await asyncio.to_thread(sender.close)


def names(hits: Sequence[Any]) -> set[str]:
    """Return the names of points."""
    return {name for name, _ in hits}
