"""Connections that never end their request, and requests of others beside them.

OMBUD_TEST_DRIPS says how many: 300 here, 5,000 by hand (docs/testing.md), where others must not be slow either.
"""

import asyncio
import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.receiver.world import TOKEN
from tests.support.processes import PATIENCE_SECONDS, Ombud, Ombuds

DRIPS = int(os.environ.get("OMBUD_TEST_DRIPS", "300"))
# Files that the server may open: so few that the drips, were they kept, would take them all.
FILES = 200
FULL = DRIPS >= 5_000
# Requests of others, one after the other.
OTHERS = 500 if FULL else 50
# Seconds between two bytes of a drip.
DROP_SECONDS = 0.5
MOST_P99_SECONDS = 0.050
PATH = f"/hooks/{TOKEN}"
START = f"GET {PATH}?event_type=order.new&order_id=1 HTTP/1.1\r\nX: ".encode()

STOCK_SERVER = """
import sys
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from ombud.cli import main, servers
servers.PatientProtocol = HttpToolsProtocol
main.main()
"""


@contextmanager
def few_files(files: int) -> Iterator[None]:
    """Have a process that is started here open no more files than so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def receive(ombuds: Ombuds, folder: Path, program: Sequence[str] = ("-m", "ombud")) -> tuple[Ombud, int]:
    """Start a receiver of a shop; returns it and its port."""
    environment = {"OMBUD_DATABASE_URL": f"sqlite:///{folder}/inbox.db", "OMBUD_TOKEN": TOKEN}
    app = ("receive", "tests.receiver.plain_app:inbox", "--no-work", "--port", "0")
    with few_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0] if FULL else FILES):
        started = ombuds.start(*app, program=program, **environment, OMBUD_ALIKE_PER_MINUTE="100000")
    return started, int(started.card["receiver_api"].rpartition(":")[2].partition("/")[0])


class Drips:
    """Connections of which each sends a byte now and then; one that is closed is opened again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.closed = 0

    async def run(self, count: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._drip())

    async def _drip(self) -> None:
        while True:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except (OSError, TimeoutError):
                await asyncio.sleep(DROP_SECONDS)
                continue
            ended = asyncio.create_task(reader.read())
            try:
                writer.write(START)
                while not ended.done():
                    await asyncio.wait([ended], timeout=DROP_SECONDS)
                    writer.write(b"x")
                self.closed += 1
            finally:
                ended.cancel()
                await asyncio.gather(ended, return_exceptions=True)
                writer.close()
            await asyncio.sleep(DROP_SECONDS)


async def ask(port: int, number: int) -> float:
    """Send one webhook from another address, over a connection of its own; returns the seconds until its answer."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
    query = f"{PATH}?event_type=order.new&order_id={number}"
    writer.write(f"GET {query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    took = time.perf_counter() - began
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    return took


async def beside_drips(port: int) -> tuple[list[float], int]:
    """Ask while connections drip; returns how long each answer took, in order, and how many drips were closed."""
    drips = Drips(port)
    dripping = asyncio.create_task(drips.run(DRIPS))
    try:
        await asyncio.sleep(2 * DROP_SECONDS)
        times = []
        for number in range(OTHERS):
            async with asyncio.timeout(PATIENCE_SECONDS / 10):
                times.append(await ask(port, number))
            # Once a drop, so that what is measured is what a webhook meets, not what an empty second has room for.
            await asyncio.sleep(DROP_SECONDS / 50)
        return sorted(times), drips.closed
    finally:
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


@pytest.mark.timeout(300)
async def test_requests_that_never_end_are_closed_and_harm_no_other(ombuds: Ombuds, tmp_path: Path) -> None:
    _, port = receive(ombuds, tmp_path)
    times, closed = await beside_drips(port)
    p99 = times[int(len(times) * 0.99) - 1]
    print(f"{DRIPS} drips, {closed} closed; {len(times)} answers, p99 {p99 * 1000:.1f} ms")
    assert closed > 0
    if FULL:
        assert p99 < MOST_P99_SECONDS


async def test_a_server_that_waits_for_ever_is_found_out(ombuds: Ombuds, tmp_path: Path) -> None:
    _, port = receive(ombuds, tmp_path, ("-c", STOCK_SERVER))
    with pytest.raises((TimeoutError, OSError, AssertionError)):
        await beside_drips(port)
