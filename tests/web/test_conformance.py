"""Each API, running as people run it, does what its OpenAPI document says: Schemathesis asks, with all its checks."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Asked

from ombud.admin.access import OPERATOR, Scope
from ombud.admin.keys import add_key, new_key, revoke_key
from ombud.web.auth import REMEMBER_SECONDS
from tests.support.databases import KINDS, Home, lend_home
from tests.support.postgres import PostgresServers
from tests.support.processes import Ombuds
from tests.support.serving import serve
from tests.support.two_shops import Side, lend_receiver, lend_sender
from tests.web.conformance.judge import judge

# Requests that are made up for each operation, beside examples, edges and chains; 0: a slice of all that.
EXAMPLES = int(os.environ.get("OMBUD_TEST_API_EXAMPLES", "0"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
# Operations of a slice, of whose edges each is tried.
SLICE_OPERATIONS = 3
# Loopback is allowed to these senders, and nobody delivers: nothing is sent.
SETTINGS = {"OMBUD_ALLOW_NETWORKS": "127.0.0.0/8", "OMBUD_PERFORM": "elsewhere"}
# Each side on each database; a slice has each side and both kinds of database once.
RUNS = list(product(("sender", "receiver"), KINDS)) if EXAMPLES else [("sender", "sqlite"), ("receiver", KINDS[1])]
LENDERS: dict[str, Callable[[Home], Any]] = {"sender": lend_sender, "receiver": lend_receiver}
LISTS = {"sender": "/v1/events", "receiver": "/v1/arrivals"}
# What the key is called by which it asks.
KEY = "schemathesis"
VERBS = {"sender": ["serve"], "receiver": ["receive", "tests.web.conformance.app:inbox", "--no-work"]}


async def prepare(side_name: str, home: Home) -> tuple[str, list[str]]:
    """Fill a database, and return a key to it and the names of the API's operations."""
    key = new_key()
    async with LENDERS[side_name](home) as side:
        assert isinstance(side, Side)
        side.database.write(lambda: add_key(KEY, key, 1, tuple(Scope)))
        names = [one["operationId"] for methods in side.document["paths"].values() for one in methods.values()]
    return key, sorted(names)


def phases(names: Sequence[str]) -> list[list[str]]:
    """Return what to run: all of it, or a part that a seed chooses."""
    if EXAMPLES:
        return [["--max-examples", str(EXAMPLES)]]
    chosen = random.Random(SEED).sample(names, SLICE_OPERATIONS)
    some = [word for name in chosen for word in ("--include-operation-id", name)]
    return [["--phases", "examples,stateful", "--max-examples", "3"], ["--phases", "coverage", *some]]


@pytest.mark.timeout(EXAMPLES * 60 + 120)
@pytest.mark.parametrize(("side_name", "kind"), RUNS)
async def test_what_runs_is_what_is_described(
    side_name: str, kind: str, postgres_servers: PostgresServers, ombuds: Ombuds, tmp_path: Path
) -> None:
    with lend_home(kind, tmp_path, postgres_servers) as home:
        await hold_to_its_word(side_name, home, ombuds, tmp_path)


async def hold_to_its_word(side_name: str, home: Home, ombuds: Ombuds, tmp_path: Path) -> None:
    key, names = await prepare(side_name, home)
    ombud = ombuds.start(*VERBS[side_name], "--port", "0", **SETTINGS, OMBUD_DATABASE_URL=home.url)
    url = ombud.card["panel"].rstrip("/")
    for options in phases(names):
        verdict = judge(url, key, tmp_path, seed=SEED, options=options)
        print(f"{side_name}: {verdict.cases} requests to {verdict.operations} operations, seed {SEED}")
        assert (verdict.code, verdict.failures) == (0, {}), verdict.text
        assert verdict.cases > 10
    await check_revocation(url, key, home, LISTS[side_name])
    assert ombud.stop() == 0


async def check_revocation(url: str, key: str, home: Home, path: str) -> None:
    """Check that the last use of a key is on record, and that one revoked by another process is let in no more."""
    bearer = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=url, headers=bearer, trust_env=False) as client:
        used = (await client.get(f"/v1/keys/{KEY}")).json()["last_used_at"]
        assert used > "2026"
        await asyncio.to_thread(revoke, home)
        revoked = asked = time.monotonic()
        while (await client.get(path)).status_code == 200:
            asked = time.monotonic()
            await asyncio.sleep(0.01)
    assert asked - revoked <= REMEMBER_SECONDS <= 1.0


def revoke(home: Home) -> None:
    database = home.open()
    try:
        database.write(lambda: revoke_key(OPERATOR, KEY, 1))
    finally:
        database.close()


class Liar:
    """An API that is wrong in five ways, on a route each."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key

    async def __call__(self, scope: Asked, receive: Receive, send: Send) -> None:
        """Answer as the API would, or almost."""
        path = scope["path"]
        if path == "/v1/overview":
            # Whoever asks is let in.
            scope = {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {self._key}".encode())]}

        async def send_wrong(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = {"/v1/replays/dry-run": 500, "/v1/replays": 418}.get(path, message["status"])
                lost = {"/v1/events": b"ratelimit"}.get(path, b"content-length")
                message = {**message, "status": status, "headers": without(message["headers"], lost)}
            elif path == "/v1/deliveries":
                message = {**message, "body": message["body"].replace(b'"next_cursor"', b'"next"')}
            await send(message)

        await self._app(scope, receive, send_wrong)


def without(headers: list[tuple[bytes, bytes]], *names: bytes) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in (*names, b"content-length")]


# What each of its lies is called, and where it is told.
CAUGHT = {
    "IgnoredAuth": "GET /v1/overview",
    "JsonSchemaError": "GET /v1/deliveries",
    "MissingHeaders": "GET /v1/events",
    "ServerError": "POST /v1/replays/dry-run",
    "UndefinedStatusCode": "GET /v1/replays",
}


async def test_an_api_that_is_wrong_is_caught(tmp_path: Path) -> None:
    key = new_key()
    async with lend_sender(Home(f"sqlite:///{tmp_path}/ombud.db")) as side:
        side.database.write(lambda: add_key(KEY, key, 1))
        paths = ["overview", "replays", "replays/dry-run", "events", "deliveries"]
        options = [word for path in paths for word in ("--include-path", f"/v1/{path}")]
        with serve(Liar(side.app, key)) as url:
            options += ["--phases", "examples,fuzzing", "--max-examples", "2"]
            verdict = await asyncio.to_thread(judge, url, key, tmp_path, seed=1, options=options)
    assert verdict.code == 1
    for failure, operation in CAUGHT.items():
        assert operation in verdict.failures.get(failure, []), verdict.text
