"""The line is cut at the commit: nobody knows whether it was stored, so nobody is told that it was.

The full run: OMBUD_TEST_CUTS=1000 ./test tests/faults/test_postgres_commit_cut.py
"""

import asyncio
import os

import pytest

from ombud.db.postgres_errors import Trouble
from ombud.db.postgres_session import Session
from tests.faults.keyed_load import Findings, Load, StoreUnder, every_time, once, opened
from tests.support.databases import POSTGRES
from tests.support.postgres import PostgresServer, PostgresServers
from tests.support.postgres_proxy import WAYS, Cutting, PostgresProxy

CUTS = int(os.environ.get("OMBUD_TEST_CUTS", "60"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
# Enough for a broken build to be caught.
CONTROL_CUTS = 30
CLIENTS = 16


async def campaign(server: PostgresServer, cuts: int, store: StoreUnder = once) -> tuple[Findings, Load, PostgresProxy]:
    cutting = Cutting(SEED, cuts)
    proxy = PostgresProxy(server.socket, cutting)
    with server.database() as name:
        async with proxy.listening(), opened(proxy.url(name)) as database:
            cutting.begin()
            load = Load(database.open_writer(), store)
            load.start(CLIENTS)
            await cutting.done.wait()
            await load.finish()
            await asyncio.to_thread(load.writer.close)
        return load.findings(server, name), load, proxy


@pytest.mark.timeout(60 + CUTS)
@pytest.mark.parametrize("version", POSTGRES)
async def test_a_client_that_says_it_again_with_the_same_key_has_it_stored_once(
    postgres_servers: PostgresServers, version: str
) -> None:
    findings, load, proxy = await campaign(postgres_servers[POSTGRES[version]], CUTS)

    assert findings.confirmed > CUTS
    assert findings.lost == set()
    assert findings.doubled == set()
    assert findings.unexpected == set()
    assert all(proxy.cuts[cut] > CUTS / 10 for cut in WAYS)
    # Every cut was told to all of its commit as what it is.
    assert load.refused["unknown"] >= CUTS


async def test_clients_without_a_key_are_caught(postgres_servers: PostgresServers) -> None:
    findings, _, _ = await campaign(postgres_servers["newest"], CONTROL_CUTS, every_time)

    assert findings.doubled


async def test_taking_silence_for_yes_is_caught(
    postgres_servers: PostgresServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Session._commit

    async def believe(session: Session) -> None:
        try:
            await commit(session)
        except Trouble:
            return

    monkeypatch.setattr(Session, "_commit", believe)
    findings, _, _ = await campaign(postgres_servers["newest"], CONTROL_CUTS)

    assert findings.lost
