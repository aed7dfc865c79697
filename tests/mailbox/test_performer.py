"""One performer for each box, elected by the kernel; the others append and wake it."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ombud.db.files import beside
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Box, Delivery, Done, Outcome, State
from ombud.mailbox.opening import wake_others
from ombud.mailbox.performer import Performer
from tests.mailbox.office import PATIENCE_SECONDS, Office, Performing, WatchedWriter

ROOT = Path(__file__).parents[2]
APPEND = """
import pathlib, sys
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.mailbox import Policy
from ombud.mailbox.opening import wake_others
from tests.mailbox.office import Office
office = Office(SqliteDatabase(pathlib.Path(sys.argv[1])), Policy())
wake_others(office.database, office.mailbox)
print(office.append(int(sys.argv[2]), subject="order/far"))
office.database.close()
"""


class Process:
    """A real process that performs; its lines can be waited for."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def says(self, *words: str | int) -> None:
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = await self._process.stdout.readline()
        assert line.decode().split() == [str(word) for word in words]

    async def kill(self) -> None:
        self._process.kill()
        assert await self._process.wait() == -signal.SIGKILL

    async def stop(self) -> None:
        self._process.terminate()
        await self.says("ended")
        assert await self._process.wait() == 0


@contextlib.asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def performing_process(office: Office, manner: str) -> AsyncIterator[Process]:
    async with running("-m", "tests.mailbox.performing", office.database.name, manner) as process:
        started = Process(process)
        await started.says("ready")
        yield started


@contextlib.asynccontextmanager
async def performing_here(
    mailbox: Mailbox, writer: WatchedWriter, perform: Performing, **options: Any
) -> AsyncIterator[Performer]:
    performer = Performer(mailbox, writer, perform, **options)
    task = asyncio.create_task(performer.run())
    try:
        yield performer
    finally:
        performer.stop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await task


async def test_when_the_performer_is_killed_another_takes_over(office: Office) -> None:
    lane_id = office.add_lane()
    event_id = office.append(lane_id)
    async with performing_process(office, "hang") as first, performing_process(office, "done") as second:
        await first.says("performing", event_id)
        assert office.lane(lane_id)["crashes"] == 0
        await first.kill()
        await second.says("performing", event_id)
        await second.stop()

    assert office.state(event_id) == State.DONE
    assert [attempt["late"] for attempt in office.attempts(event_id)] == [0]


async def test_who_stands_by_performs_nothing(office: Office) -> None:
    lane_id = office.add_lane()
    wake_others(office.database, office.mailbox)
    async with performing_process(office, "done") as first:
        begun = office.append(lane_id)
        await first.says("performing", begun)
        async with performing_process(office, "done") as second:
            for _ in range(10):
                event_id = office.append(lane_id)
                await first.says("performing", event_id)
            # Its only words are that it was told to end.
            await second.stop()
        await first.stop()

    assert office.pending() == 0


async def test_a_stopped_performer_gives_the_lock_and_the_lanes_back(
    office: Office, writer: WatchedWriter, short_stop: None
) -> None:
    event_id = office.append(office.add_lane())
    hanging = Performing()
    hanging.hold()
    async with performing_here(office.mailbox, writer, hanging):
        await hanging.until_started(1)

    async with performing_here(office.mailbox, writer, Performing()):
        await writer.until(lambda: office.state(event_id) == State.DONE)

    assert office.outcomes(event_id) == ["interrupted", "done"]


async def test_each_box_has_its_own_performer(office: Office, writer: WatchedWriter) -> None:
    inbox = Mailbox(Box.INBOX, office.mailbox.facts, office.mailbox.ids, office.clock)
    mine, other = office.add_lane(), office.add_lane()
    office.rows("update lane set box = 2 where id = :id", id=other)
    event_id = office.append(mine, other)
    outgoing, incoming = Performing(), Performing()
    async with performing_here(office.mailbox, writer, outgoing), performing_here(inbox, writer, incoming):
        await writer.until(lambda: office.pending() == 0)

    assert [delivery.lane_id for delivery in outgoing.started] == [mine]
    assert [delivery.lane_id for delivery in incoming.started] == [other]
    assert {delivery.event_id for delivery in outgoing.started + incoming.started} == {event_id}


async def test_what_another_process_appends_is_performed_without_waiting_for_a_poll(
    office: Office, writer: WatchedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a lane that is kept, because one of its deliveries hangs."""
    monkeypatch.setattr("ombud.mailbox.worker.POLL_SECONDS", 3_600.0)
    monkeypatch.setattr("ombud.mailbox.lease.EXTEND_SECONDS", 3_600.0)
    kept, free = office.add_lane(window=2), office.add_lane()
    performing = Performing()
    performing.hold("order/1")
    async with performing_here(office.mailbox, writer, performing):
        office.append(kept, subject="order/1")
        await performing.until_started(1)
        for lane_id in (free, kept):
            async with running("-c", APPEND, office.database.name, str(lane_id)) as process:
                said, _ = await process.communicate()
            await writer.until(lambda said=said: office.state(int(said)) == State.DONE)  # type: ignore[misc]
        performing.let_go("order/1")
        await writer.until(lambda: office.pending() == 0)


async def test_who_stands_by_wakes_the_one_that_performs(
    office: Office, writer: WatchedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And who performs wakes nobody: it knows."""
    monkeypatch.setattr("ombud.mailbox.worker.POLL_SECONDS", 3_600.0)
    wakes: list[str] = []
    monkeypatch.setattr(office.database, "wake", wakes.append)
    lane_id = office.add_lane()
    other = Mailbox(Box.OUTBOX, office.mailbox.facts, office.mailbox.ids, office.clock)
    wake_others(office.database, office.mailbox)
    wake_others(office.database, other)
    async with performing_here(office.mailbox, writer, Performing()):
        await writer.until(lambda: writer.writes > 0)
        begun = office.append(lane_id)
        await writer.until(lambda: office.state(begun) == State.DONE)
        assert wakes == []
        async with performing_here(other, writer, Performing()):
            office.run(lambda: other.append([office.draft(lane_id)]))
    office.append(lane_id)

    assert wakes == ["outbox", "outbox"]


async def test_stopped_before_it_ran_it_performs_nothing(office: Office, writer: WatchedWriter) -> None:
    event_id = office.append(office.add_lane())
    performer = Performer(office.mailbox, writer, Performing())
    performer.stop()
    await performer.run()

    assert office.state(event_id) == State.PENDING


async def test_stopped_while_it_prepares_it_performs_nothing(office: Office, writer: WatchedWriter) -> None:
    event_id = office.append(office.add_lane())
    preparing, prepared = asyncio.Event(), asyncio.Event()

    async def prepare() -> None:
        preparing.set()
        await prepared.wait()

    performing = Performing()
    async with performing_here(office.mailbox, writer, performing, prepare=prepare) as performer:
        await preparing.wait()
        performer.stop()
        prepared.set()

    assert performing.started == []
    assert office.state(event_id) == State.PENDING


async def test_what_it_prepares_comes_before_what_it_performs(office: Office, writer: WatchedWriter) -> None:
    event_id = office.append(office.add_lane())
    order: list[str] = []

    async def prepare() -> None:
        order.append("prepared")

    def note(_: Delivery) -> Outcome:
        order.append("performed")
        return Done()

    async with performing_here(office.mailbox, writer, Performing(note), prepare=prepare):
        await writer.until(lambda: office.state(event_id) == State.DONE)

    assert order == ["prepared", "performed"]


async def test_without_a_socket_it_still_performs(
    office: Office, writer: WatchedWriter, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk has no room for one; work that others append is then found by looking."""
    beside(Path(office.database.name), "outbox.wake").mkdir()
    with caplog.at_level(logging.WARNING, "ombud.mailbox"):
        async with performing_here(office.mailbox, writer, Performing()):
            event_id = office.append(office.add_lane())
            await writer.until(lambda: office.state(event_id) == State.DONE)

    assert "cannot wake" in caplog.text


async def test_the_socket_goes_with_the_performer(office: Office, writer: WatchedWriter) -> None:
    socket = beside(Path(office.database.name), "outbox.wake")
    async with performing_here(office.mailbox, writer, Performing()):
        await writer.until(lambda: writer.writes > 0)
        assert socket.is_socket()

    assert not socket.exists()
