"""Whatever stands in an id, a URL or a header: one request line and exactly the expected headers, or nothing at all.

The full run: OMBUD_TEST_INJECTIONS=100000 ./test tests/sender/test_injection.py
"""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from ombud.mailbox.model import Delivery, Done
from ombud.sender import request
from ombud.sender.deliver import Deliverer
from ombud.sender.key_file import make_key_file, read_key_file
from ombud.sender.vault import Vault
from ombud.signing import new_secret

VALUES = int(os.environ.get("OMBUD_TEST_INJECTIONS", "4000"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))

EVIL = "\r\nX-Evil: 1"
WHOLE = " HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /evil"
PIECES = [
    *(EVIL, WHOLE, "\r\n\r\n", "\r", "\n", "\0", "\t", " ", "\x0b", "\x0c", "\x1c", "\x7f", "\x85", "\xa0", "\u2028"),
    *("\ud800", "\u010a", "\u010d", "\uff0d\uff0a", "%0d%0a", "%0D%0AX-Evil:%201", "%00", "%", "%zz", "\\r\\n", "\\"),
    *("?", "&", "=", "#", "/", "//", "..", ";", ":", "@", "[", "]", "{", "}", "<", ">", '"', "'", "`", "|", "^", "~"),
    *("event_type=order.new", "&order_id=1", "order.new", "order", "product", "HTTP/1.1", "GET", "Host:", "å", "①"),
    *(
        "a",
        "b",
        "0",
        "1",
        "9",
        "-",
        "_",
        ".",
        "X-Key",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "*",
        ",",
        "!",
    ),
]
PLAIN = ["a", "b", "c", "0", "1", "9", "-", "_", ".", "order", "token"]


class Sink:
    """Keeps every byte, and answers whatever ends like a request."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    def take(self) -> bytes:
        taken = bytes(self.received)
        self.received.clear()
        return taken

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        while data := await reader.read(65_536):
            self.received += data
            if self.received.endswith(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    """Keep every byte that is sent."""
    made = Sink()
    await made.start()
    yield made
    made.close()
    await asyncio.sleep(0)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """What encrypts rows that another program might have written."""
    make_key_file(tmp_path / "ombud.key")
    return Vault(tmp_path / "ombud.key")


@dataclass
class Case:
    """A delivery with something evil in it, and what may come of it: this request, or none."""

    type: str = "order.new"
    subject: str = "order/90017"
    path: str = "/hooks"
    header: tuple[str, str] = ("X-Key", "1")

    def facts(self, port: int, secret: str, vault: Vault) -> dict[str, Any]:
        """As they are stored, so that what is read from there is tried as well."""
        url, key = f"http://127.0.0.1:{port}{self.path}", vault.key(read_key_file(vault.path)[0].id)
        stored = {"headers": json.dumps([self.header]), "secret": secret}
        kept = {column: vault.reencrypted(key, 1, column, text) for column, text in stored.items()}
        return {"endpoint_id": 1, "url": url, "headers": kept["headers"], "secrets": kept["secret"]}

    def delivery(self) -> Delivery:
        return Delivery(1, 1, 1 << 50, 1, self.type, self.subject, None, 0, 0, 0, 0, 0, None)


def evil(dice: random.Random) -> str:
    pieces = PIECES if dice.random() < 0.7 else PLAIN
    return "".join(dice.choice(pieces) for _ in range(dice.randint(1, 6)))


MAKERS: list[Callable[[str], Case]] = [
    lambda text: Case(subject=f"order/{text}"),
    lambda text: Case(subject=text),
    lambda text: Case(type=text),
    lambda text: Case(type=f"order.new{text}"),
    lambda text: Case(path=f"/{text}"),
    lambda text: Case(path=f"?{text}"),
    lambda text: Case(path=f"/hooks?token={text}"),
    lambda text: Case(path=text),
    lambda text: Case(header=("X-Key", text)),
    lambda text: Case(header=(f"X-{text}", "1")),
    lambda text: Case(header=(text, text)),
]


def violations(case: Case, received: bytes, *, sent: bool, port: int) -> str | None:
    """Return what is wrong with the bytes that came for a case, or None."""
    if not sent:
        return f"refused, and yet {received!r} came" if received else None
    try:
        lines = received.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        return "not ASCII"
    names = [
        "Host",
        "User-Agent",
        "Cache-Control",
        case.header[0],
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ]
    verb, target, version = [*lines[0].split(" "), "", "", ""][:3]
    if (lines[0], verb, version) != (f"GET {target} HTTP/1.1", "GET", "HTTP/1.1"):
        return f"request line {lines[0]!r}"
    if [line.partition(": ")[0] for line in lines[1:]] != [*names, "", ""] or received.count(b"\n") != len(lines) - 1:
        return f"headers {lines[1:]}"
    if lines[1] != f"Host: 127.0.0.1:{port}" or lines[4] != f"{case.header[0]}: {case.header[1]}":
        return f"values {lines[1:]}"
    return _wrong_target(case, target)


def _wrong_target(case: Case, target: str) -> str | None:
    path = case.path if case.path.startswith("/") else f"/{case.path}"
    if not target.startswith(path):
        return f"the merchant's own {path!r} is not in {target!r}"
    kind, _, object_id = case.subject.partition("/")
    ours = [("event_type", case.type), (f"{kind}_id", object_id)]
    if parse_qsl(target.partition("?")[2], keep_blank_values=True)[-2:] != ours:
        return f"{target!r} does not read as {ours}"
    return None


async def run(
    deliverer: Deliverer, sink: Sink, vault: Vault, dice: random.Random, values: int
) -> tuple[int, int, list[str]]:
    """Perform so many evil deliveries; returns how many were sent, how many refused, and what was wrong."""
    secret, sent, wrong = new_secret(), 0, []
    for place in range(values):
        case = MAKERS[place % len(MAKERS)](evil(dice))
        outcome = await deliverer.perform(case.delivery(), case.facts(sink.port, secret, vault))
        done = isinstance(outcome, Done)
        sent += done
        if words := violations(case, sink.take(), sent=done, port=sink.port):
            wrong.append(f"{case}: {words}")
    return sent, values - sent, wrong


async def test_one_request_line_and_exactly_the_expected_headers(deliverer: Any, sink: Sink, vault: Vault) -> None:
    request.prepare.cache_clear()

    sent, refused, wrong = await run(deliverer(vault=vault), sink, vault, random.Random(SEED), VALUES)

    assert wrong == []
    # Both kinds were there, or nothing was tried.
    assert sent > VALUES / 20
    assert refused > VALUES / 4


@pytest.mark.parametrize("broken", ["headers", "ids", "urls"])
async def test_a_build_that_does_not_look_is_caught(
    deliverer: Any, sink: Sink, vault: Vault, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    from ombud.sender.url import EndpointUrl

    def unseen(text: str, field: str = "url") -> EndpointUrl:
        return EndpointUrl("http", "127.0.0.1", sink.port, text.partition(f":{sink.port}")[2])

    if broken == "headers":
        monkeypatch.setattr(request, "check_headers", lambda given, *_: tuple(given))
    elif broken == "ids":
        monkeypatch.setattr(
            request, "event_parameters", lambda kind, subject: f"event_type={kind}&{subject.replace('/', '_id=', 1)}"
        )
    else:
        monkeypatch.setattr(request, "check_endpoint_url", unseen)
    monkeypatch.setattr(request.Prepared, "request", _latin)
    request.prepare.cache_clear()

    _, _, wrong = await run(deliverer(timeout_seconds=0.05, vault=vault), sink, vault, random.Random(SEED), 200)

    request.prepare.cache_clear()
    assert wrong
    assert any("X-Evil" in words for words in wrong)


def _latin(self: request.Prepared, target: str, more: str = "") -> bytes:
    return f"GET {target} HTTP/1.1\r\n{self.lines}{more}\r\n".encode("utf-8", "replace")
