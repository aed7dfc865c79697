"""Endpoints that take too long or send too much: one deadline over everything, and a bound on every part."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ombud.errors import NetworkError
from ombud.sender.answer import BODY_BYTES, HEADER_BYTES
from tests.support.name_server import Says

DEADLINE_SECONDS = 0.3
# On a busy machine; what is bounded by nothing takes for ever.
LATEST_SECONDS = 5.0

OK_HEAD = b"HTTP/1.1 200 OK\r\n"
FINAL = OK_HEAD + b"Content-Length: 0\r\n\r\n"


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Check that the deadline was kept, and that it was waited for."""
    started = time.monotonic()
    yield
    assert DEADLINE_SECONDS * 0.9 <= time.monotonic() - started < LATEST_SECONDS


def dripping(start: bytes, drop: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Say the start, and then a drop every few milliseconds for ever."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        end = asyncio.ensure_future(reader.read())
        while not end.done():
            writer.write(drop)
            await asyncio.wait([end], timeout=0.01)

    return drip


def pouring(start: bytes, part: bytes, parts: int | None, poured: list[int]) -> Any:
    """Say the start, and then the part so often or for ever, as fast as it is taken; note how many went out."""

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        writer.transport.set_write_buffer_limits(0)
        writer.write(start)
        try:
            while parts is None or len(poured) < parts:
                writer.write(part)
                await writer.drain()
                poured.append(len(part))
        except ConnectionError:
            return

    return pour


DRIPS = {
    "nothing": (b"", b""),
    "a status line": (b"HTTP/1.1 200 ", b"O"),
    "a header": (OK_HEAD + b"X-Long: ", b"a"),
    "headers": (OK_HEAD, b"A: b\r\n"),
    "interim answers": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
}


@pytest.mark.alone
@pytest.mark.parametrize("name", DRIPS)
async def test_a_drip_before_the_end_of_the_headers_is_no_answer(peer: Any, deliverer: Any, name: str) -> None:
    peer.says(dripping(*DRIPS[name]))

    async with in_time():
        with pytest.raises(NetworkError, match="Connected, but the answer did not come in time"):
            await deliverer(timeout_seconds=DEADLINE_SECONDS).send(peer.url)


@pytest.mark.alone
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (OK_HEAD + b"\r\n", 200),
        (OK_HEAD + b"Content-Length: 1000000\r\n\r\n", 200),
        (b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", 500),
    ],
)
async def test_a_drip_of_body_changes_nothing_of_the_status(
    peer: Any, deliverer: Any, head: bytes, status: int
) -> None:
    peer.says(dripping(head, b"1\r\na\r\n"))

    async with in_time():
        assert (await deliverer(timeout_seconds=DEADLINE_SECONDS).send(peer.url)).status == status


@pytest.mark.alone
async def test_a_connection_that_is_never_accepted(deliverer: Any) -> None:
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        # They fill the queue of the kernel, which from then on lets connections wait.
        for filling in (first, second):
            filling.setblocking(False)
            filling.connect_ex(listening.getsockname())
        async with in_time():
            with pytest.raises(NetworkError, match="connection was not made in time"):
                await deliverer(timeout_seconds=DEADLINE_SECONDS).send(url)


@pytest.mark.alone
async def test_a_tls_handshake_that_never_begins(peer: Any, deliverer: Any) -> None:
    peer.says(dripping(b"", b""))

    async with in_time():
        with pytest.raises(NetworkError, match="Connected, but TLS did not begin in time"):
            await deliverer(timeout_seconds=DEADLINE_SECONDS).send(f"https://127.0.0.1:{peer.port}/")


@pytest.mark.alone
async def test_a_name_that_takes_too_long(names: Any, deliverer: Any, peer: Any) -> None:
    names.are("slow.example", Says(["127.0.0.1"], after_seconds=DEADLINE_SECONDS * 3))

    async with in_time():
        with pytest.raises(NetworkError, match=r"slow\.example could not be resolved in time"):
            await deliverer(timeout_seconds=DEADLINE_SECONDS).send(f"http://slow.example:{peer.port}/")
    assert peer.connections == 0


@pytest.mark.alone
async def test_the_phases_share_one_deadline(names: Any, deliverer: Any, peer: Any) -> None:
    names.are("slow.example", Says(["127.0.0.1"], after_seconds=0.8))
    peer.says(dripping(b"", b""))
    started = time.monotonic()

    with pytest.raises(NetworkError):
        await deliverer(timeout_seconds=1.0).send(f"http://slow.example:{peer.port}/")

    # With a second of its own the answer would be waited for until 1.8.
    assert time.monotonic() - started < 1.7
    assert peer.connections == 1


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("head", [b"Content-Length: 104857600\r\n", b"", b"Transfer-Encoding: chunked\r\n"])
async def test_a_body_of_100_mb_is_cut(peer: Any, deliverer: Any, head: bytes, status: int) -> None:
    poured: list[int] = []
    part = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    peer.says(pouring(f"HTTP/1.1 {status} Told\r\n".encode() + head + b"\r\n", part, 1_600, poured))

    answer = await deliverer().send(peer.url)

    assert answer.status == status
    # What the two kernels hold between them comes on top of what is read.
    assert sum(poured) < BODY_BYTES + 16 * 1024 * 1024


async def test_a_body_that_just_fits_is_read_to_its_end(peer: Any, deliverer: Any) -> None:
    ended = asyncio.Event()

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK_HEAD + f"Content-Length: {BODY_BYTES}\r\n\r\n".encode() + b"a" * BODY_BYTES)
        await writer.drain()
        ended.set()
        await reader.read()

    peer.says(say)

    assert (await deliverer().send(peer.url)).status == 200
    assert ended.is_set()


@pytest.mark.parametrize(
    "head",
    [
        b"X: " + b"a" * HEADER_BYTES + b"\r\n",
        b"A: b\r\n" * (HEADER_BYTES // 6 + 1),
        b"X-" + b"a" * HEADER_BYTES + b": b\r\n",
    ],
    ids=["a long one", "many", "a long name"],
)
@pytest.mark.parametrize("pieces", [1, 7])
async def test_more_headers_than_anybody_needs_are_no_answer(
    peer: Any, deliverer: Any, head: bytes, pieces: int
) -> None:
    raw = OK_HEAD + head + b"Content-Length: 0\r\n\r\n"
    size = len(raw) // pieces + 1

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for place in range(0, len(raw), size):
            writer.write(raw[place : place + size])
            await writer.drain()
        await reader.read()

    peer.says(say)

    with pytest.raises(NetworkError, match=f"more than {HEADER_BYTES} bytes of headers"):
        await deliverer().send(peer.url)


@pytest.mark.parametrize("drop", [b"A: b\r\n", b"HTTP/1.1 102 Processing\r\n\r\n", b"a"], ids=["headers", "1xx", "one"])
async def test_headers_without_end_are_no_answer(peer: Any, deliverer: Any, drop: bytes) -> None:
    start = b"" if drop.startswith(b"HTTP") else OK_HEAD + b"X: y\r\n"
    poured: list[int] = []
    peer.says(pouring(start, drop * 1_000, None, poured))

    with pytest.raises(NetworkError, match=f"more than {HEADER_BYTES} bytes of headers"):
        await deliverer().send(peer.url)


async def test_headers_just_below_the_limit_are_an_answer(peer: Any, deliverer: Any) -> None:
    peer.says(OK_HEAD + b"X: " + b"a" * (HEADER_BYTES - 100) + b"\r\nContent-Length: 0\r\n\r\n")

    assert (await deliverer().send(peer.url)).status == 200


async def test_an_attempt_that_is_cancelled_drops_its_connection(new_peer: Any, deliverer: Any) -> None:
    gone = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            gone.set()

    peer = await new_peer(wait)
    attempt = asyncio.ensure_future(deliverer().send(peer.url))
    await peer.wait_for(1)
    attempt.cancel()

    with pytest.raises(asyncio.CancelledError):
        await attempt
    async with asyncio.timeout(10):
        await gone.wait()
