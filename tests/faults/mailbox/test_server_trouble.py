"""PostgreSQL stopped and started under workers and appenders, and their lines cut at the commit.

Appenders say again, under the same key, what was not confirmed. The full runs:
OMBUD_TEST_RESTARTS=100 OMBUD_TEST_CUTS=1000 ./test tests/faults/mailbox/test_server_trouble.py
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ombud.db.connect import open_database
from tests.faults.mailbox import roles
from tests.faults.mailbox.crew import gathered, quieten, wait_until
from tests.faults.mailbox.judge import Findings, judge
from tests.faults.mailbox.post import found, pending
from tests.faults.mailbox.roles import ON, Job
from tests.support.postgres import PostgresServer, PostgresServers
from tests.support.postgres_proxy import WAYS, Cut, Cutting, PostgresProxy

RESTARTS = int(os.environ.get("OMBUD_TEST_RESTARTS", "4"))
CUTS = int(os.environ.get("OMBUD_TEST_CUTS", "60"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
CONTROL_CUTS = 30
SHOPS = 6
LEASE_SECONDS = 1.0
# Seconds that the server runs, and is away, at most.
UP_SECONDS, AWAY_SECONDS = 2.0, 1.0
FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT
PATIENCE_SECONDS = 120.0


class Load:
    """Two workers and two appenders at work, and what is found of it in the end. `build`: that of the appenders."""

    def __init__(self, url: str, folder: Path, build: str = "") -> None:
        self._url = url
        self._folder = folder
        self._build = build
        self.findings = Findings()

    @contextmanager
    def under_way(self, direct_url: str) -> Iterator[None]:
        """Work until the block ends; then end what waits. `direct_url`: for looks from outside."""
        with gathered() as crew:
            members = [
                crew.start(roles.perform, self._job("worker0")),
                crew.start(roles.perform, self._job("worker1")),
                crew.start(roles.append, self._job("appender0", self._build)),
                crew.start(roles.append, self._job("appender1", self._build)),
            ]
            for member in members:
                member.ready().line.send(ON)
            yield
            for member in members:
                quieten(member)
            database = open_database(direct_url)
            try:
                wait_until(
                    lambda: pending(database) == 0,
                    lambda: f"{pending(database)} do not end{members[0].said}{members[1].said}",
                    PATIENCE_SECONDS,
                )
                for worker in members[:2]:
                    worker.stop()
                for appender in members[2:]:
                    appender.line.send(None)
                    assert appender.end() == 0, appender.said
                self.findings = judge(self._folder, database)
            finally:
                database.close()

    def _job(self, name: str, build: str = "") -> Job:
        return Job(
            self._url,
            self._folder,
            name,
            seed=str(SEED),
            shops=SHOPS,
            lease_seconds=LEASE_SECONDS,
            build=build,
            meddles=not build,  # a pause is ended by somebody who must not believe in it
            insists=True,
        )


@pytest.fixture
def server(postgres_servers: PostgresServers) -> PostgresServer:
    return postgres_servers["newest"]


@pytest.mark.timeout(240 + 10 * RESTARTS)
def test_restarts_lose_and_double_nothing(server: PostgresServer, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    with server.database() as name:
        found(server.url(name), range(1, SHOPS + 1))
        load = Load(server.url(name), tmp_path)
        with load.under_way(server.url(name)):
            for number in range(RESTARTS):
                time.sleep(chance.uniform(UP_SECONDS / 2, UP_SECONDS))  # how long it lives is the fault's own variable
                server.stop([FAST, IMMEDIATE][number % 2])
                time.sleep(chance.uniform(0, AWAY_SECONDS))
                server.start()
    print(f"seed {SEED}, {RESTARTS} restarts: {load.findings}")

    assert load.findings.wrong == {}
    assert load.findings.repeated <= load.findings.late
    assert load.findings.confirmed > 20 * RESTARTS


async def cut_lines(
    server: PostgresServer, folder: Path, cuts: int, ways: Sequence[Cut] = WAYS, build: str = ""
) -> Findings:
    cutting = Cutting(SEED, cuts, ways)
    proxy = PostgresProxy(server.socket, cutting)
    with server.database() as name:
        await asyncio.to_thread(found, server.url(name), range(1, SHOPS + 1))
        async with proxy.listening():
            load = Load(proxy.url(name), folder, build)
            work = load.under_way(server.url(name))
            await asyncio.to_thread(work.__enter__)
            cutting.begin()
            await cutting.done.wait()
            await asyncio.to_thread(work.__exit__, None, None, None)
    print(f"seed {SEED}, {cuts} cuts, {build or 'real'} build: {load.findings}")
    return load.findings


@pytest.mark.timeout(240 + CUTS)
async def test_lines_cut_at_the_commit_lose_and_double_nothing(server: PostgresServer, tmp_path: Path) -> None:
    findings = await cut_lines(server, tmp_path, CUTS)

    assert findings.wrong == {}
    assert findings.repeated <= findings.late
    assert findings.confirmed > CUTS


@pytest.mark.timeout(180)
async def test_forgotten_keys_are_caught(server: PostgresServer, tmp_path: Path) -> None:
    assert (await cut_lines(server, tmp_path, CONTROL_CUTS, [Cut.ANSWER], "forget_keys")).doubled


@pytest.mark.timeout(180)
async def test_taking_silence_for_yes_is_caught(server: PostgresServer, tmp_path: Path) -> None:
    assert (await cut_lines(server, tmp_path, CONTROL_CUTS, [Cut.BEFORE], "silence_is_yes")).lost
