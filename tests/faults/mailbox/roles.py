"""What the processes of a campaign do: they append, and they perform, until they are told to stop or are killed."""

import asyncio
import contextlib
import itertools
import logging
import random
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ombud.errors import StorageUnavailable
from ombud.mailbox import worker
from ombud.mailbox.ids import format_id
from ombud.mailbox.model import Dead, Delivery, Done, Fault, Outcome, Retry, Skip
from ombud.mailbox.performer import Performer
from ombud.sender.sender import Sender
from tests.faults.broken import BUILDS
from tests.faults.mailbox.diary import Diary
from tests.faults.mailbox.driver import PERFORM, Rule, drive, driver, reach
from tests.faults.mailbox.post import lanes, open_sender, random_event

T = TypeVar("T")

# Go on until the next word.
ON = "on"
# Tasks of one appender.
CLIENTS = 3
# Seconds: until what was refused is said again, and the longest try.
REPEAT_SECONDS = 0.02
TRY_SECONDS = 0.02
# Of a hundred appends so many are followed by what people do: a pause and its end, an edit, a replay.
MEDDLING_OF_HUNDRED = 6


@dataclass(frozen=True)
class Job:
    """What a process of a campaign is told."""

    url: str
    folder: Path
    name: str
    process: str = ""  # which of all processes of all campaigns it is: process ids come back
    seed: str = "0"
    shops: int = 8
    lease_seconds: float = 1.0
    rules: Sequence[Rule] = ()
    build: str = ""
    appends: bool = False  # a performer appends as well, so that lanes are handed over
    sweeps: bool = True
    meddles: bool = True
    pause_seconds: float = 0.02  # the longest between two events of one client
    insists: bool = False  # an append that is not confirmed is said again under its key
    tries: Mapping[str, float] = field(default_factory=lambda: TRIES)

    @property
    def own_name(self) -> str:
        """The name of this one process."""
        return f"{self.name}-{self.process}"


# Of all tries so many end so. The rest succeed.
TRIES: Mapping[str, float] = {"retry": 0.15, "dead": 0.03, "lane": 0.01, "skip": 0.02}


def run(role: Callable[[Job, Connection], Any], job: Job, line: Connection) -> None:
    """Be a process of a campaign."""
    logging.basicConfig(filename=job.folder / f"{job.own_name}.log", force=True)
    drive()
    driver.obey(job.rules, f"{job.seed}-{job.name}")
    if not job.sweeps:
        vars(worker).update(SWEEP_SECONDS=1e9)
    if job.build in BUILDS:
        BUILDS[job.build](pytest.MonkeyPatch())
    asyncio.run(role(job, line))


async def append(job: Job, line: Connection) -> None:
    """Append as the line says: for so many seconds, or from ON to the next word; None ends it.

    "quiet" is the answer when nothing is under way any more.
    """
    async with _opened(job) as sender:
        appender = Appender(job, sender)
        line.send("ready")
        while (word := await asyncio.to_thread(line.recv)) is not None:
            await appender.obey(word, line)


async def perform(job: Job, line: Connection) -> None:
    """Perform until SIGTERM."""
    async with _opened(job) as sender:
        performer = Performer(sender.outbox.mailbox, sender.writer, Trier(job).perform)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, performer.stop)
        performing = asyncio.create_task(performer.run())
        appending = asyncio.create_task(append_by_line(job, sender, line))
        line.send("ready")
        await performing
        appending.cancel()
        await asyncio.gather(appending, return_exceptions=True)


async def append_by_line(job: Job, sender: Sender, line: Connection) -> None:
    """Append as `append` does, beside performing."""
    appender = Appender(job, sender)
    heard = asyncio.Event()
    asyncio.get_running_loop().add_reader(line.fileno(), heard.set)
    while True:
        await heard.wait()
        heard.clear()
        if line.poll():
            await appender.obey(line.recv(), line)


@contextlib.asynccontextmanager
async def _opened(job: Job) -> AsyncIterator[Sender]:
    sender = await asyncio.to_thread(open_sender, job.url, lease_seconds=job.lease_seconds)
    try:
        yield sender
    finally:
        await asyncio.to_thread(sender.close)


class Trier:
    """Tries deliveries: writes down when each begins and ends, and lets chance decide how."""

    def __init__(self, job: Job) -> None:
        self._diary = Diary(job.folder, job.own_name)
        self._chance = random.Random(f"{job.seed}-{job.name}-tries")
        self._tries = job.tries
        self._process = job.process
        self._numbers = itertools.count()

    async def perform(self, delivery: Delivery, _: Mapping[str, Any]) -> Outcome:
        await reach(PERFORM, "before")
        about = {
            "try": f"{self._process}.{next(self._numbers)}",
            "event": delivery.event_id,
            "lane": delivery.lane_id,
            "subject": delivery.subject,
        }
        self._diary.write("begin", **about)
        try:
            await asyncio.sleep(self._chance.choice([0, 0, self._chance.uniform(0, TRY_SECONDS)]))
            outcome = self._decide()
        finally:
            self._diary.write("end", **about)
        await reach(PERFORM, "after")
        return outcome

    def _decide(self) -> Outcome:
        [way] = self._chance.choices([*self._tries, "done"], [*self._tries.values(), 1 - sum(self._tries.values())])
        soon = self._chance.uniform(0, 0.05)
        match way:
            case "retry":
                return Retry("chance", after=soon)
            case "lane":
                return Retry("chance", after=soon, fault=Fault.LANE)
            case "dead":
                return Dead("chance")
            case "skip":
                return Skip("chance")
            case _:
                return Done()


class Appender:
    """Appends events under keys of their own, and does now and then what people do."""

    def __init__(self, job: Job, sender: Sender) -> None:
        self._job = job
        self._sender = sender
        self._diary = Diary(job.folder, job.own_name)
        self._chance = random.Random(f"{job.seed}-{job.name}-appends")
        self._keys = (f"{job.own_name}-{number}" for number in itertools.count())
        self._lanes = lanes(sender.database)
        self._stored: list[int] = []

    async def obey(self, word: float | str, line: Connection) -> None:
        """Append as long as the line says."""
        if word == ON:
            while not line.poll():
                await self.append_for(0.1)
        else:
            await self.append_for(float(word))
        line.send("quiet")

    async def append_for(self, seconds: float) -> None:
        """Append; returns when everything that was begun has ended."""
        until = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(self._append_until(until) for _ in range(CLIENTS)))

    async def _append_until(self, until: float) -> None:
        while asyncio.get_running_loop().time() < until:
            await self._append(next(self._keys))
            if self._job.meddles and self._chance.randrange(100) < MEDDLING_OF_HUNDRED:
                await self._meddle()
            await asyncio.sleep(self._chance.uniform(0, self._job.pause_seconds))

    async def _append(self, key: str) -> None:
        event = random_event(self._chance, self._job.shops, key)
        self._diary.write("attempt", key=key)
        while True:
            try:
                [published] = await self._sender.publish([event])
            except StorageUnavailable as error:
                self._diary.write("refused", key=key, why=str(error))
                if not self._job.insists:
                    return
                await asyncio.sleep(REPEAT_SECONDS)
            else:
                self._diary.write("ack", key=key, event=published.event_id)
                self._stored.append(published.event_id)
                return

    async def _meddle(self) -> None:
        mailbox, writer = self._sender.outbox.mailbox, self._sender.writer
        lane_id = self._chance.choice(self._lanes)
        match self._chance.randrange(3):
            case 0:
                with contextlib.suppress(StorageUnavailable):
                    await writer.write(lambda: mailbox.pause(lane_id))
                    await asyncio.sleep(self._chance.uniform(0, 0.05))
                await self._insist(lambda: writer.write(lambda: mailbox.resume(lane_id)))
            case 1:
                with contextlib.suppress(StorageUnavailable):
                    await writer.write(lambda: mailbox.ring(lane_id))
            case _:
                if self._stored:
                    event_id = self._chance.choice(self._stored)
                    wanted = [(event_id, one) for one in self._lanes]
                    self._diary.write("replay", event=format_id("evt", event_id))
                    with contextlib.suppress(StorageUnavailable):
                        await writer.write(lambda: mailbox.replay(wanted))

    async def _insist(self, act: Callable[[], Any]) -> None:
        while True:
            try:
                await act()
            except StorageUnavailable:
                await asyncio.sleep(REPEAT_SECONDS)
            else:
                return
