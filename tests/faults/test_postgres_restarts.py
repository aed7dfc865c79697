"""A PostgreSQL that is restarted again and again under load: what was confirmed stays, and work goes on by itself.

The full run: OMBUD_TEST_RESTARTS=100 ./test tests/faults/test_postgres_restarts.py
"""

import asyncio
import os
import random
import signal
import time
from dataclasses import dataclass

import pytest

from ombud.db import postgres_connect
from ombud.db.postgres import PostgresDatabase
from tests.faults.keyed_load import Findings, Load, opened
from tests.support.databases import POSTGRES
from tests.support.postgres import PostgresServer, PostgresServers

pytestmark = pytest.mark.alone

RESTARTS = int(os.environ.get("OMBUD_TEST_RESTARTS", "4"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
# Enough for a broken build to be caught.
CONTROL_RESTARTS = 3
CLIENTS = 32
# Seconds that it runs, and is away, at most.
UP_SECONDS, AWAY_SECONDS = 1.0, 0.5
# Seconds after the server is back until something is confirmed again.
RECOVERY_SECONDS = 2.0
PROBE = "set synchronous_commit = on; create table if not exists probe(n int); insert into probe values (1)"
FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT


@dataclass
class Result:
    findings: Findings
    recoveries: list[float]


async def campaign(server: PostgresServer, restarts: int, how: list[signal.Signals]) -> Result:
    dice = random.Random(SEED)
    heard = asyncio.Event()
    ups = []
    with server.database() as name:
        async with opened(server.url(name)) as database:
            load = Load(database.open_writer())
            with database.listen("outbox", heard.set):
                load.start(CLIENTS)
                for number in range(restarts):
                    await asyncio.sleep(dice.uniform(UP_SECONDS / 2, UP_SECONDS))
                    await asyncio.to_thread(server.stop, how[number % len(how)])
                    await asyncio.sleep(dice.uniform(0, AWAY_SECONDS))
                    await asyncio.to_thread(server.start)
                    # It is back when a stranger's commit is on its disk.
                    await asyncio.to_thread(server.sql, PROBE, name)
                    ups.append(time.monotonic())
                await asyncio.sleep(UP_SECONDS)
                await load.finish()
                await _ring_until_heard(database, heard)
            await asyncio.to_thread(load.writer.close)
        confirmed = sorted(load.confirmed.values())
        recoveries = [next(at for at in confirmed if at > up) - up for up in ups]
        return Result(load.findings(server, name), recoveries)


async def _ring_until_heard(database: PostgresDatabase, heard: asyncio.Event) -> None:
    heard.clear()
    async with asyncio.timeout(RECOVERY_SECONDS * 5):
        while not heard.is_set():
            database.wake("outbox")
            await asyncio.sleep(0.01)


@pytest.mark.timeout(120 + 5 * RESTARTS)
@pytest.mark.parametrize("version", POSTGRES)
async def test_nothing_is_lost(postgres_servers: PostgresServers, version: str) -> None:
    result = await campaign(postgres_servers[POSTGRES[version]], RESTARTS, [FAST, IMMEDIATE])

    assert result.findings.confirmed > 100 * RESTARTS
    assert result.findings.lost == set()
    assert result.findings.doubled == set()
    assert result.findings.unexpected == set()
    assert max(result.recoveries) < RECOVERY_SECONDS


@pytest.mark.timeout(120)
async def test_commits_that_do_not_wait_for_the_disk_are_caught(
    postgres_servers: PostgresServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connect, "_DURABLE", postgres_connect._RELAXED)
    monkeypatch.setattr(postgres_connect, "check_server", lambda _: None)

    assert (await campaign(postgres_servers["newest"], CONTROL_RESTARTS, [IMMEDIATE])).findings.lost
