"""A primary is killed under load, and a synchronous standby takes its place: what was confirmed is there.

The full run: OMBUD_TEST_FAILOVERS=50 ./test tests/faults/test_failover.py -s
"""

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from tests.faults.keyed_load import Findings, Load, opened
from tests.support.postgres import PostgresServer, PostgresServers

FAILOVERS = int(os.environ.get("OMBUD_TEST_FAILOVERS", "1"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
CLIENTS = 16
# Seconds of load before a primary dies, at most.
UP_SECONDS = 0.5
NAME = "failover"


class Standby(PostgresServer):
    """A copy of another server that follows it until it is promoted."""

    def __init__(self, primary: PostgresServer) -> None:
        self._primary = primary
        super().__init__("standby", primary.binaries)

    def _make_data(self) -> None:
        self._run(
            "pg_basebackup", "-h", str(self._primary.folder), "-U", "ombud", "-D", "data", "-R", "-N", "-c", "fast"
        )

    def promote(self) -> None:
        """Take the primary's place; returns when it takes writes."""
        self._run("pg_ctl", "promote", "-D", "data", "-w")


class House:
    """A primary of one's own, at a place that leads to whoever is the primary."""

    def __init__(self, newest: PostgresServer, folder: Path) -> None:
        self._place = folder / "now"
        self.primary = PostgresServer("primary", newest.binaries)
        self.primary.start()
        self.primary.sql(f"create database {NAME}")
        self._place.symlink_to(self.primary.folder)
        self.url = f"postgresql://ombud@/{NAME}?host={self._place}"

    def make_standby(self, *, synchronous: bool) -> Standby:
        """Make a standby on which every commit waits from now on; or one that is away."""
        standby = Standby(self.primary)
        if synchronous:
            standby.start()
            self.primary.sql("alter system set synchronous_standby_names = 'ANY 1 (*)'")
            self.primary.sql("select pg_reload_conf()")
            # The checkpointer has heard it when it has done something else.
            self.primary.sql("checkpoint")
        return standby

    def fail_over(self, standby: Standby) -> None:
        """Kill the primary, and promote the standby."""
        self.primary.stop(signal.SIGKILL)
        if not standby.running:
            standby.start()
        standby.promote()
        self._place.unlink()
        self._place.symlink_to(standby.folder)
        self.primary.remove()
        self.primary = standby


async def one_round(house: House, seconds: float, *, synchronous: bool) -> Findings:
    # What an earlier round has left.
    house.primary.sql("drop schema if exists ombud cascade", NAME)
    async with opened(house.url) as database:
        standby = await asyncio.to_thread(house.make_standby, synchronous=synchronous)
        load = Load(database.open_writer())
        load.start(CLIENTS)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(house.fail_over, standby)
        await load.finish()
        await asyncio.to_thread(load.writer.close)
        return load.findings(house.primary, NAME)


@pytest.mark.timeout(60 + 20 * FAILOVERS)
async def test_what_was_confirmed_outlives_its_primary(postgres_servers: PostgresServers, tmp_path: Path) -> None:
    dice = random.Random(SEED)
    house = await asyncio.to_thread(House, postgres_servers["newest"], tmp_path)
    try:
        for number in range(FAILOVERS):
            found = await one_round(house, dice.uniform(UP_SECONDS / 2, UP_SECONDS), synchronous=True)
            print(f"seed {SEED}, fail-over {number + 1}: {found.confirmed} confirmed, {len(found.lost)} lost")
            assert found.confirmed > CLIENTS
            assert (found.lost, found.doubled, found.unexpected) == (set(), set(), set())
        # The control: nobody waited for this one.
        assert (await one_round(house, UP_SECONDS / 2, synchronous=False)).lost
    finally:
        await asyncio.to_thread(house.primary.remove)
