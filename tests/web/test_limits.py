"""Too much, too late, or nowhere to put it: 413, 503, and nothing stored."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Any

import httpx2
import pytest
import uvicorn

from ombud.db.files import beside
from ombud.db.locks import FileLock
from ombud.mailbox.model import Result, State
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.outbox import Event
from ombud.web.app import create_api
from ombud.web.limits import BODY_BYTES
from tests.support.loopback import PATIENCE_SECONDS

ORDER = {"event_type": "order.new", "order_id": "90017"}
BODY = json.dumps(ORDER).encode()


async def in_parts(body: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    """Send a body of which nobody knows the length."""
    for place in range(0, len(body), size):
        yield body[place : place + size]


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/events"), ("POST", "/v1/endpoints"), ("GET", "/v1/events")])
async def test_a_body_that_is_too_large(
    client: httpx2.AsyncClient, is_problem: Any, rows: Any, method: str, path: str, announced: bool
) -> None:
    body = BODY + b" " * (BODY_BYTES - len(BODY) + 1)

    answer = await client.request(method, path, content=body if announced else in_parts(body))

    is_problem(answer, 413, words=f"more than {BODY_BYTES} bytes")
    assert rows("select * from event") == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
async def test_a_body_that_is_no_json(client: httpx2.AsyncClient, is_problem: Any, rows: Any, kind: str) -> None:
    answer = await client.post("/v1/endpoints", content=b'{"url": "https://8.8.8.8/"}', headers={"Content-Type": kind})

    is_problem(answer, 415, words="Content-Type: application/json")
    assert rows("select * from endpoint") == []


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_that_just_fits(client: httpx2.AsyncClient, announced: bool) -> None:
    body = BODY + b" " * (BODY_BYTES - len(BODY))

    answer = await client.post("/v1/events", content=body if announced else in_parts(body))

    assert answer.status_code == 201


async def test_the_longest_thousand_events_fit(client: httpx2.AsyncClient) -> None:
    longest = {"event_type": "order.cancelled", "order_id": "9" * 64, "shop_id": 2**63 - 1}
    bodies = [longest | {"event_key": f"{number:0255}"} for number in range(1_000)]

    assert (await client.post("/v1/events", json=bodies)).status_code == 201


@pytest.fixture
def held(database: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileLock]:
    """Another process that writes and writes."""
    monkeypatch.setattr("ombud.db.sqlite.WRITE_WAIT_SECONDS", 0.05)
    lock = FileLock(beside(database.path, "write"))
    lock.acquire(5)
    yield lock
    lock.close()


async def test_when_nothing_can_be_stored_the_answer_says_when_to_come_back(
    client: httpx2.AsyncClient, is_problem: Any, held: FileLock, rows: Any
) -> None:
    url = {"url": "https://8.8.8.8/"}
    for answer in (
        await client.post("/v1/events", content=BODY),
        await client.post("/v1/events", json=[ORDER] * 10),
        await client.post("/v1/endpoints", json=url),
    ):
        is_problem(answer, 503, words="nothing was stored")
        assert int(answer.headers["Retry-After"]) >= 1
    assert rows("select 1 from event union all select 1 from endpoint") == []

    held.release()
    assert (await client.post("/v1/events", content=BODY)).status_code == 201
    assert (await client.post("/v1/endpoints", json=url)).status_code == 201


async def test_when_the_database_cannot_be_read_nobody_is_let_in_or_told_off(
    client: httpx2.AsyncClient, is_problem: Any, sender: Any
) -> None:
    sender.writer.close()
    sender.database.close()

    for method, path in (("POST", "/v1/events"), ("GET", "/v1/events"), ("GET", "/v1/endpoints")):
        answer = await client.request(method, path)
        is_problem(answer, 503)
        assert answer.headers["Retry-After"]
        assert str(sender.database.path.parent) not in answer.text


async def test_an_error_that_nobody_foresaw_is_a_problem_too(sender: Any, is_problem: Any) -> None:
    api = create_api(sender)

    @api.get("/broken")
    def broken() -> None:
        raise RuntimeError("tok_secret")

    transport = httpx2.ASGITransport(api, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://ombud.example") as client:
        answer = await client.get("/broken")

    is_problem(answer, 500)
    assert "tok_secret" not in answer.text


class Served:
    """The app behind a real web server."""

    def __init__(self, app: Any) -> None:
        configuration = uvicorn.Config(app, port=0, http="httptools", lifespan="off", log_config=None, access_log=False)
        self._server = uvicorn.Server(configuration)
        self.port = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        started = asyncio.Event()
        startup = self._server.startup

        async def noticed(sockets: Any = None) -> None:
            await startup(sockets)
            started.set()

        self._server.startup = noticed  # type: ignore[method-assign]
        self._task = asyncio.create_task(self._server._serve())
        await started.wait()
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.should_exit = True
        assert self._task is not None
        await self._task

    async def say(self, *parts: bytes, hang_up: bool = False) -> bytes:
        """Say these bytes; return all that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            if hang_up:
                return b""
            async with asyncio.timeout(20):
                return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


@pytest.fixture
async def served(app: Any) -> AsyncIterator[Served]:
    """The app behind a real web server."""
    made = Served(app)
    await made.start()
    yield made
    await made.stop()


def head(key: str, *lines: str) -> bytes:
    start = ["POST /v1/events HTTP/1.1", "Host: ombud.example", f"Authorization: Bearer {key}", "Connection: close"]
    return "\r\n".join([*start, *lines, "", ""]).encode()


async def test_a_body_in_chunks_is_taken_by_a_real_server(served: Served, key: str, rows: Any) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (1, bytes([byte])) for byte in BODY) + b"0\r\n\r\n"

    answer = await served.say(head(key, "Transfer-Encoding: chunked"), chunks)

    assert answer.startswith(b"HTTP/1.1 201 ")
    assert len(rows("select * from event")) == 1


@pytest.mark.parametrize("endless", [True, False])
async def test_a_body_that_is_too_large_is_refused_by_a_real_server(
    served: Served, key: str, rows: Any, endless: bool
) -> None:
    if endless:
        parts = [head(key, "Transfer-Encoding: chunked"), *[b"10000\r\n" + b" " * 65_536 + b"\r\n"] * 17]
    else:
        parts = [head(key, "Content-Length: 10000000"), *[b" " * 65_536] * 17]

    answer = await served.say(*parts)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"content-type: application/problem+json" in answer.lower()
    assert rows("select * from event") == []


@pytest.mark.parametrize("cut", [0, 1, len(BODY)])
async def test_a_body_that_was_cut_off_stores_nothing(served: Served, key: str, rows: Any, cut: int) -> None:
    await served.say(head(key, f"Content-Length: {len(BODY) + 10}"), BODY[:cut], hang_up=True)
    await served.say(head(key, f"Content-Length: {len(BODY)}"), BODY)

    # Both were looked at by now; of the first one nothing is left, although it may read as a whole event.
    assert len(rows("select * from event")) == 1


async def test_a_stranger_is_turned_away_before_the_body_is_read(served: Served) -> None:
    answer = await served.say(head("ombud_wrong", "Content-Length: 1000000"))

    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_an_endpoint_that_leads_back_here_makes_no_further_event(served: Served, sender: Any, rows: Any) -> None:
    """Nothing of ours makes an event of a GET, so there is no loop to stop."""
    paths, ended = ("/", "/v1/events", "/v1/endpoints", "/hooks/none", "/settings/webhooks"), asyncio.Event()
    tries: list[Result] = []

    def heard(results: Sequence[Result]) -> None:
        tries.extend(results)
        if len(tries) == 2 * len(paths):
            ended.set()

    for path in paths:
        edit = EndpointEdit(f"http://127.0.0.1:{served.port}{path}")
        await sender.writer.write(partial(sender.endpoints.add, edit))
    await sender.publish([Event("order.new", "1")])
    sender.outbox.mailbox.on_results = heard
    work = asyncio.create_task(sender.run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await ended.wait()
    sender.stop()
    await work
    assert rows("select count(*) as events from event") == [{"events": 1}]
    assert rows("select distinct state from delivery") == [{"state": State.DEAD}]
