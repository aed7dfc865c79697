"""Live parts of pages: made once a tick for all who look, ended with the process, forgotten with the last reader."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any, cast

import httpx2
import pytest

from ombud.errors import StorageUnavailable
from ombud.web import streams
from ombud.web.app import SenderApp
from ombud.web.streams import Streams
from tests.support.databases import Home
from tests.support.people import log_in
from tests.support.processes import Ombuds

# What a signal to a process with open streams may take (docs/reference.md).
EXIT_SECONDS = 5.0
READERS = 200


class Source:
    """A part that counts how often it was made, and says so; `again` is set when that was more than once."""

    def __init__(self) -> None:
        self.made = 0
        self.trouble = False
        self.again = asyncio.Event()

    async def make(self) -> str:
        """Make it."""
        self.made += 1
        if self.made > 1:
            self.again.set()
        if self.trouble:
            raise StorageUnavailable("not now")
        return f"number {self.made}\nof many"


def events_of(opened: Any) -> AsyncIterator[bytes]:
    """Return what a stream sends."""
    return cast("AsyncIterator[bytes]", opened.body_iterator)


async def take(events: AsyncIterator[bytes], amount: int) -> list[bytes]:
    """Return the next events of a stream."""
    async with asyncio.timeout(30):
        return [await anext(events) for _ in range(amount)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ticks be short, and streams long."""
    monkeypatch.setattr(streams, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(streams, "STREAM_SECONDS", 60.0)


async def test_what_many_look_at_is_made_once_a_tick() -> None:
    source, served = Source(), Streams()
    readers = [events_of(served.open("same", source.make)) for _ in range(READERS)]
    found = await asyncio.gather(*(take(events, 3) for events in readers))
    assert {events[0] for events in found} == {b"retry: 500\n\n"}
    assert {events[1] for events in found} == {b"data: number 1\ndata: of many\n\n"}
    assert {events[2] for events in found} == {b"data: number 2\ndata: of many\n\n"}
    assert source.made <= 3
    for events in readers:
        await cast("Any", events).aclose()
    assert served._parts == {}
    # Whoever made it has been told to stop, and stops at the next chance.
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_has_not_changed_is_not_sent_and_trouble_passes() -> None:
    source, served = Source(), Streams()
    events = events_of(served.open("one", source.make))
    source.trouble = True
    await take(events, 1)
    coming = asyncio.create_task(take(events, 1))
    async with asyncio.timeout(30):
        await source.again.wait()
    source.trouble = False
    [event] = await coming
    assert event.startswith(b"data: number ")
    await cast("Any", events).aclose()


async def test_who_comes_while_the_last_one_leaves_is_shown_it_as_well() -> None:
    source, served = Source(), Streams()
    first, second = (events_of(served.open("one", source.make)) for _ in range(2))
    await take(first, 2)
    await take(second, 1)
    await cast("Any", first).aclose()
    shown = await take(second, 2)
    assert len(set(shown)) == 2, "what it was, and then what it is"
    await cast("Any", second).aclose()


async def test_a_part_that_could_not_be_made_is_made_for_the_next_one() -> None:
    served, failed = Streams(), asyncio.Event()

    async def fail() -> str:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("a mistake of ours")
        return "well"

    first, second = (events_of(served.open("one", fail)) for _ in range(2))
    await take(first, 1)
    await failed.wait()
    assert (await take(second, 2))[1] == b"data: well\n\n"
    for events in (first, second):
        await cast("Any", events).aclose()


async def test_a_stream_ends_so_that_the_next_one_is_let_in_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STREAM_SECONDS", 0.1)
    source, served = Source(), Streams()
    async with asyncio.timeout(30):
        assert len([event async for event in events_of(served.open("one", source.make))]) >= 2
    assert served._parts == {}


async def test_nobody_is_streamed_to_without_logging_in(app: SenderApp) -> None:
    transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
        assert (await client.get("/overview/stream")).status_code == 303


def reader_of(request: httpx2.Request) -> socket.socket:
    """Return a connection on which the same was asked for once more."""
    opened = socket.create_connection((request.url.host, request.url.port), 30)
    lines = [f"GET {request.url.path} HTTP/1.1", f"Host: {request.url.netloc.decode()}"]
    opened.sendall("\r\n".join([*lines, f"Cookie: {request.headers['cookie']}", "", ""]).encode())
    return opened


def test_a_process_with_open_streams_ends_in_time(ombuds: Ombuds, home: Home) -> None:
    serving = ombuds.start("serve", "--port", "0", OMBUD_DATABASE_URL=home.url)
    database = home.open()
    writer = database.open_writer()
    with (
        ExitStack() as stack,
        httpx2.Client(base_url=serving.card["panel"], cookies=log_in(writer), timeout=30) as client,
        client.stream("GET", "/panel/stream") as one,
        client.stream("GET", "/overview/stream") as two,
        client.stream("GET", "/deliveries/stream") as three,
    ):
        for answer in (one, two, three):
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            assert next(answer.iter_lines()) == "retry: 500"
        more = [
            stack.enter_context(reader_of(answer.request)) for answer in (one, two, three) for _ in range(READERS // 3)
        ]
        assert all(reader.recv(12) == b"HTTP/1.1 200" for reader in more)
        began = time.monotonic()
        assert serving.stop() == 0
        assert time.monotonic() - began < EXIT_SECONDS
    writer.close()
    database.close()
