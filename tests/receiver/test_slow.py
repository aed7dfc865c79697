"""Connections that never end their request, and requests of others beside them.

OMBUD_TEST_DRIPS says how many: 300 here, 5,000 by hand (docs/testing.md), where others must not be slow either.
"""

import asyncio
import os
import resource
import sys
import time
from collections.abc import Sequence
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


def receive(ombuds: Ombuds, folder: Path, program: Sequence[str] = ("-m", "ombud")) -> tuple[Ombud, int]:
    """Start a receiver of a shop; returns it and its port."""
    environment = {"OMBUD_DATABASE_URL": f"sqlite:///{folder}/inbox.db", "OMBUD_TOKEN": TOKEN}
    app = ("receive", "tests.receiver.plain_app:inbox", "--no-work", "--port", "0")
    started = ombuds.start(*app, program=program, **environment, OMBUD_ALIKE_PER_MINUTE="100000")
    if not FULL:
        # Its own limit, not what it inherits: the process that tests may hold more files than that already.
        resource.prlimit(started.process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
    return started, int(started.card["receiver_api"].rpartition(":")[2].partition("/")[0])


# Connections that send a byte now and then, each opened again when it was closed; says how many were.
DRIPPER = """
import signal, socket, sys, time
port, count, start, pause = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode(), float(sys.argv[4])
closed, drips = 0, [None] * count
def end(*_):
    print(closed, flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
while True:
    for number, drip in enumerate(drips):
        try:
            if drip is None:
                drip = drips[number] = socket.create_connection(("127.0.0.1", port), 5)
                drip.setblocking(False)
                drip.send(start)
            else:
                drip.send(b"x")
        except OSError:
            closed += 1
            if drips[number] is not None:
                drips[number].close()
                drips[number] = None
    print("dripping", flush=True)
    time.sleep(pause)
"""


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
    command = [sys.executable, "-c", DRIPPER, str(port), str(DRIPS), START.decode(), str(DROP_SECONDS)]
    dripping = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert dripping.stdout is not None
    try:
        for _ in range(2):
            await dripping.stdout.readline()
        times = []
        for number in range(OTHERS):
            async with asyncio.timeout(PATIENCE_SECONDS / 10):
                times.append(await ask(port, number))
            # Once a drop, so that what is measured is what a webhook meets, not what an empty second has room for.
            await asyncio.sleep(DROP_SECONDS / 50)
    finally:
        dripping.terminate()
        said, _ = await dripping.communicate()
    return sorted(times), int(said.split()[-1])


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
