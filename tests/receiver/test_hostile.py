"""Hostile requests on a real socket: none is a failure of ours, none costs memory, none is stored that should not be.

OMBUD_TEST_HOSTILE_REQUESTS says how many are generated: 10,000 here, 100,000 and more by hand (docs/testing.md).
"""

import asyncio
import logging
import os
import random
import re
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import uvicorn

from ombud.cli import patience
from ombud.cli.patience import PatientProtocol
from ombud.receiver.hook import OK, Asked, Reply
from ombud.receiver.loop_door import LoopDoor
from tests.receiver.world import TOKEN, Desk, settings_for
from tests.support.processes import PATIENCE_SECONDS
from tests.support.serving import serve_config

REQUESTS = int(os.environ.get("OMBUD_TEST_HOSTILE_REQUESTS", "10000"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
SENDERS = 32
# Growth of this process's memory: what caches of tokens, addresses and counts may take, and no more with more requests.
MOST_GROWTH_KIBIBYTES = 20 * 1024
PATH = f"/hooks/{TOKEN}".encode()
GOOD = b"event_type=order.new&order_id=1"
ANSWERS = {200, 400, 403, 404, 405, 414, 429}


@dataclass(frozen=True)
class Served:
    """An inbox behind uvicorn, as `ombud receive` runs it."""

    desk: Desk
    port: int

    def ask(self, request: bytes) -> bytes:
        """Send bytes, and read until the other side closes or says nothing for a moment."""
        with closing(socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS)) as connection:
            connection.sendall(request)
            return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    connection.settimeout(0.3)
    answer = b""
    try:
        while part := connection.recv(65_536):
            answer += part
    except (TimeoutError, ConnectionResetError):
        pass
    return answer


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    desk = Desk(settings_for(tmp_path, api_key=None, perform="elsewhere", alike_per_minute=100_000_000))
    config = uvicorn.Config(
        desk.inbox.asgi,
        http=PatientProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    with serve_config(config) as base:
        yield Served(desk, int(base.rpartition(":")[2]))
    desk.inbox.close()


METHODS = [*[b"GET"] * 12, b"HEAD", b"POST", b"OPTIONS", b"PURGE", b"get", b"PRI"]
PATHS = [*[PATH] * 8, PATH + b"/", b"//" + PATH, PATH + b"x", b"/", b"/hooks/%00", b"/hooks/\xff", b"*"]
TYPES = [b"order.new", b"order.done", b"product.update", b"product.delete", b"order.x", b"ORDER.NEW", b""]
NAMES = [b"order_id", b"product_id", b"order_id[]", b"Order_Id", b"orderid"]
SECONDS = [b"&order_id=2", b"&%6frder_id=2", b"&event_type=order.done", b"&order_id=1", b";order_id=2"]
BYTES = [b"%ff", b"%00", b"%", b"%zz", b"%c0%80", b"%ed%a0%80", b"\xe5", b"%0a{%22level%22:1}", b"%1b[2J", b"%e2%80%a8"]
NOISE = b"!$%&'()*+,-./0123456789:;=?@ABZ[]_az{|}~\xc3\xa5"
ENDS = [b"\x01", b"\x7f", b"\x80", b"\t", b"#f", b"%20", b"&&&&=&="]
HEADERS = [b"X-Forwarded-For", b"Sec-Purpose", b"Sec-Fetch-Mode", b"Cookie", b"Referer", b"X" * 50, b"User-Agent"]
VALUES = [b"prefetch", b"navigate", b"1.2.3.4, \xff", b"a" * 3_000, b"", b"Quickbutik-Webhooks/1.0"]
LENGTHS = [10, 1_000, 8_000, 8_192, 9_000, 60_000]


def generated(chance: random.Random) -> bytes:
    """One request: mostly near enough to a webhook to get somewhere."""
    method, query = chance.choice(METHODS), chance.choice([named, doubled, encoded, noise, long, ended])(chance)
    lines = [b"Host: x", *(chance.choice(HEADERS) + b": " + chance.choice(VALUES) for _ in range(chance.randrange(4)))]
    if method == b"POST":
        lines.append(b"Content-Length: 0")
    return method + b" " + chance.choice(PATHS) + b"?" + query + b" HTTP/1.1\r\n" + b"\r\n".join(lines) + b"\r\n\r\n"


def named(chance: random.Random) -> bytes:
    number = str(chance.randrange(-5, 10**20)).encode()
    return b"event_type=" + chance.choice(TYPES) + b"&" + chance.choice(NAMES) + b"=" + number


def doubled(chance: random.Random) -> bytes:
    return GOOD + chance.choice(SECONDS)


def encoded(chance: random.Random) -> bytes:
    return b"event_type=order.new&order_id=" + chance.choice(BYTES) * chance.randrange(1, 4)


def noise(chance: random.Random) -> bytes:
    return bytes(chance.choice(NOISE) for _ in range(chance.randrange(200)))


def long(chance: random.Random) -> bytes:
    return GOOD + b"&a=" + b"x" * chance.choice(LENGTHS)


def ended(chance: random.Random) -> bytes:
    return GOOD + chance.choice(ENDS)


def status_of(answer: bytes) -> int:
    match = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    return int(match[1]) if match else 0


async def storm(port: int, chance: random.Random, count: int, statuses: list[int]) -> None:
    """Send so many, each answered on its own connection or, where that is kept, on the same one."""
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    for _ in range(count):
        if reader is None or writer is None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = generated(chance)
        writer.write(request)
        head = b""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                if length is not None and not request.startswith(b"HEAD"):
                    await reader.readexactly(int(length[1]))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        statuses.append(status_of(head))
        if statuses[-1] in {0, 400} or b"connection: close" in head.lower():
            writer.close()
            reader = writer = None
    if writer is not None:
        writer.close()


async def storms(port: int, chance: random.Random, count: int, statuses: list[int]) -> None:
    """Send so many from several connections at once."""
    async with asyncio.TaskGroup() as group:
        for _ in range(SENDERS):
            group.create_task(storm(port, random.Random(chance.random()), count // SENDERS, statuses))


def used_kibibytes() -> int:
    return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1])  # type: ignore[index]


@contextmanager
def judged_log() -> Iterator[list[str]]:
    """Judge what is logged, and keep the lines alone that should not be: kept whole, they are what grows."""
    bad: list[str] = []
    handler = logging.Handler()

    def judge(record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or not record.getMessage().isprintable():
            bad.append(record.getMessage())

    handler.emit = judge  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("ombud", "uvicorn")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    yield bad
    for logger in loggers:
        logger.removeHandler(handler)
        logger.propagate = True


async def campaign(served: Served, requests: int) -> None:
    """Send so many; what must hold, holds, or this fails."""
    chance = random.Random(SEED)
    statuses: list[int] = []
    with judged_log() as bad:
        await storms(served.port, chance, requests // 4, statuses)
        before = used_kibibytes()
        await storms(served.port, chance, requests - requests // 4, statuses)
    assert bad == []
    assert used_kibibytes() - before < MOST_GROWTH_KIBIBYTES
    assert set(statuses) <= ANSWERS
    [row] = served.desk.rows("select count(*) as count from event")
    assert row["count"] == statuses.count(200) > requests // 50
    assert status_of(served.ask(ONE)) == 200
    print(f"seed {SEED}: {dict(Counter(statuses))}, {used_kibibytes() - before} KiB more")


async def test_generated_requests(served: Served) -> None:
    await campaign(served, REQUESTS)


async def answer_without_storing(self: LoopDoor, path: str, asked: Asked) -> Reply:
    """A broken build: what cannot be read is not worth a row."""
    return OK if b"%" in asked.query else await _answer(self, path, asked)


async def answer_in_too_good_faith(self: LoopDoor, path: str, asked: Asked) -> Reply:
    """Another one: it takes every query for a webhook's."""
    assert dict(parse_qsl(asked.query))[b"event_type"]
    return await _answer(self, path, asked)


_answer = LoopDoor.answer


@pytest.mark.parametrize("broken", [answer_without_storing, answer_in_too_good_faith])
async def test_the_campaign_notices(served: Served, monkeypatch: pytest.MonkeyPatch, broken: object) -> None:
    monkeypatch.setattr(LoopDoor, "answer", broken)
    with pytest.raises(AssertionError):
        await campaign(served, 400)


ONE = b"GET " + PATH + b"?" + GOOD + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SMUGGLED = b"GET " + PATH + b"?" + GOOD + b" HTTP/1.1\r\nHost: x\r\n\r\n"
FRAMINGS = (
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
    b"Content-Length: +0\r\n\r\n",
    b"Content-Length: 0x0\r\n\r\n",
    b"Transfer-Encoding: xchunked\r\n\r\n",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n0;\n\r\n\r\n",
    b"X: y\r\n folded\r\n\r\n",
    b"X: y\n\r\n",
    b"X\x00: y\r\n\r\n",
)


@pytest.fixture
def nginx(served: Served, tmp_path: Path) -> Iterator[Served]:
    """A caching proxy in front."""
    path = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert path is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path / "nginx"
    folder.mkdir()
    (folder / "nginx.conf").write_text(
        "daemon off; master_process off; pid nginx.pid; error_log error.log; events {} http { access_log off;"
        " client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;"
        " proxy_cache_path c keys_zone=all:1m; proxy_cache all; proxy_cache_valid any 1h; proxy_http_version 1.1;"
        f" server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{served.port}; }} }} }}"
    )
    process = subprocess.Popen([path, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.02)
    yield Served(served.desk, port)
    process.terminate()
    process.wait(PATIENCE_SECONDS)


def test_no_cache_answers_in_our_place_and_nothing_is_smuggled_past_it(nginx: Served) -> None:
    for number in (1, 2):
        assert status_of(nginx.ask(ONE)) == 200
        assert len(nginx.desk.arrivals()) == number
    assert status_of(nginx.ask(ONE.replace(b"GET", b"HEAD", 1))) in {200, 405}
    stored = len(nginx.desk.arrivals())
    for framing in FRAMINGS:
        answer = nginx.ask(b"POST /hooks/nobody HTTP/1.1\r\nHost: x\r\n" + framing + SMUGGLED)
        # What the proxy takes for a second request is one, and is answered as one; nothing else is stored.
        stored += len(re.findall(rb"HTTP/1\.1 200 ", answer))
        assert len(nginx.desk.arrivals()) == stored, framing


def test_our_own_server_closes_after_a_framing_error(served: Served) -> None:
    for framing in FRAMINGS[:6]:
        answer = served.ask(b"POST /hooks/nobody HTTP/1.1\r\nHost: x\r\n" + framing)
        assert answer.count(b"HTTP/1.1 ") <= 1
        assert status_of(answer) in {400, 404}, (framing, answer)
    assert served.desk.arrivals() == []


def test_a_request_that_never_ends_is_closed_and_harms_no_other(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.3)
    with ExitStack() as ends:
        slow = [ends.enter_context(socket.create_connection(("127.0.0.1", served.port))) for _ in range(100)]
        for number, connection in enumerate(slow):
            connection.sendall((b"GET " + PATH + b"?" + GOOD + b" HTTP/1.1\r\nX: ")[: number or 1])
        assert status_of(served.ask(ONE)) == 200
        for connection in slow:
            connection.settimeout(PATIENCE_SECONDS)
            assert is_closed(connection)
    assert len(served.desk.arrivals()) == 1


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
