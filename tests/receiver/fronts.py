"""The doors of an inbox, ASGI, RSGI and WSGI, asked the same way."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from ombud.receiver.inbox import Inbox

PATH = "/hooks/a-token-for-tests"


@dataclass(frozen=True)
class Request:
    """A request as a server hands it over. Header names in lower case."""

    query: bytes = b""
    method: str = "GET"
    path: str = PATH
    headers: Mapping[str, str] = field(default_factory=dict)
    peer: str = "127.0.0.1"


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes


Front = Callable[[Inbox, Request], Awaitable[Answered]]


async def ask_asgi(inbox: Inbox, request: Request) -> Answered:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": request.method,
        "path": request.path,
        "query_string": request.query,
        "client": (request.peer, 1) if request.peer else None,
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()],
    }
    await inbox.asgi(scope, receive, send)
    start, *parts = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answered(start["status"], headers, b"".join(part["body"] for part in parts))


class RsgiHeaders(dict[str, str]):
    """As granian hands them over."""

    def get_all(self, name: str) -> list[str]:
        return [self[name]]


async def ask_rsgi(inbox: Inbox, request: Request) -> Answered:
    answered: list[Answered] = []

    def response(status: int, headers: list[tuple[str, str]], body: bytes = b"") -> None:
        answered.append(Answered(status, dict(headers), body))

    protocol = SimpleNamespace(response_bytes=response, response_empty=response)
    scope = SimpleNamespace(
        proto="http",
        method=request.method,
        path=request.path,
        query_string=request.query.decode("latin-1"),
        client=f"{request.peer}:1" if request.peer else "",
        headers=RsgiHeaders(request.headers),
    )
    await inbox.rsgi.__rsgi__(scope, protocol)
    [answer] = answered
    return answer


async def ask_wsgi(inbox: Inbox, request: Request) -> Answered:
    """In a thread, as a WSGI server would; its strings are bytes read as Latin-1 (PEP 3333)."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "REMOTE_ADDR": request.peer,
        "PATH_INFO": request.path.encode("utf-8", "surrogatepass").decode("latin-1"),
        "QUERY_STRING": request.query.decode("latin-1"),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()},
    }

    def run() -> bytes:
        return b"".join(inbox.wsgi(environ, lambda line, headers: started.append((line, headers))))

    body = await asyncio.to_thread(run)
    [(line, headers)] = started
    return Answered(int(line.partition(" ")[0]), {name.lower(): value for name, value in headers}, body)


FRONTS: dict[str, Front] = {"asgi": ask_asgi, "rsgi": ask_rsgi, "wsgi": ask_wsgi}
