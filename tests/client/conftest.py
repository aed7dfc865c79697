"""A real HTTP server on loopback with canned answers, and one face over both clients."""

import inspect
import json
import ssl
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from ombud.client import AsyncShopClient, ShopClient

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # spares each test the reading of all root certificates
KEY = "k(3y)!#[å]:/+%&\"'<x> sk_live_0042"


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Canned:
    status: int
    body: bytes
    headers: dict[str, str]


@dataclass
class Vendor:
    """Answers what it was told to, in turn; the last answer goes on for ever, unless a function takes over then."""

    url: str
    seen: list[Seen] = field(default_factory=list)
    answers: deque[Canned] = field(default_factory=deque)
    function: Callable[[Seen], tuple[int, Any]] | None = None

    def says(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append(Canned(status, content, headers or {}))

    def serves(self, function: Callable[[Seen], tuple[int, Any]]) -> None:
        """Answer what the function says, status and JSON, to each request that comes when the answers are used up."""
        self.function = function

    def forget(self) -> None:
        self.seen.clear()
        self.answers.clear()
        self.function = None

    def next_answer(self) -> Canned:
        if self.function is not None and not self.answers:
            status, body = self.function(self.seen[-1])
            return Canned(status, json.dumps(body).encode(), {})
        if self.function is not None:
            return self.answers.popleft()
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    vendor: Vendor


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body go out apart; else each answer waits 40 ms
    server: Server

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        url = urlsplit(self.path)
        vendor = self.server.vendor
        headers = {name.lower(): value for name, value in self.headers.items()}
        vendor.seen.append(Seen(self.command, url.path, dict(parse_qsl(url.query)), headers, body))
        canned = vendor.next_answer()
        self.send_response(canned.status)
        for name, value in {"Content-Length": str(len(canned.body)), **canned.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(canned.body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815  # the names http.server looks for

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.vendor = Vendor(f"http://127.0.0.1:{running.server_port}/v1")
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def vendor(server: Server) -> Vendor:
    server.vendor.forget()
    return server.vendor


class Shop:
    """Calls either client by method name; a list comes back whole."""

    key = KEY

    def __init__(self, client: ShopClient | AsyncShopClient) -> None:
        self.client = client

    async def ask(self, name: str, *args: Any, **named: Any) -> Any:
        result = getattr(self.client, name)(*args, **named)
        if inspect.isawaitable(result):
            return await result
        if isinstance(result, AsyncIterator):
            return [thing async for thing in result]
        return list(result) if isinstance(result, Iterator) else result


@pytest.fixture(params=["blocking", "async"])
async def shop(request: pytest.FixtureRequest, vendor: Vendor) -> AsyncIterator[Shop]:
    if request.param == "blocking":
        with ShopClient(KEY, vendor.url, timeout_seconds=5, transport=httpx2.HTTPTransport(verify=NO_TLS)) as blocking:
            yield Shop(blocking)
    else:
        transport = httpx2.AsyncHTTPTransport(verify=NO_TLS)
        async with AsyncShopClient(KEY, vendor.url, timeout_seconds=5, transport=transport) as awaiting:
            yield Shop(awaiting)
