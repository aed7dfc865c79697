"""One GET on a real socket: the bytes that go out, and what is made of the bytes that come back."""

import asyncio
import gc
import os
import socket
from typing import Any

import pytest

from ombud.errors import NetworkError
from ombud.sender.url import parse_url

FINAL = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("rest", "target"),
    [
        ("/hooks?event_type=order.new&order_id=90017", "/hooks?event_type=order.new&order_id=90017"),
        ("?event_type=order.new&order_id=1", "/?event_type=order.new&order_id=1"),
        ("/%7e/a%2Fb//../?t=%20+;&event_type=product.add&product_id=a:b", None),
    ],
)
async def test_the_request_byte_for_byte(peer: Any, deliverer: Any, rest: str, target: str | None) -> None:
    answer = await deliverer().send(f"http://127.0.0.1:{peer.port}{rest}")

    assert answer.status == 200
    assert peer.requests == [
        f"GET {target or rest} HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{peer.port}\r\n"
        "User-Agent: Quickbutik-Webhooks/1.0\r\n"
        "Cache-Control: no-cache\r\n"
        "\r\n".encode()
    ]


async def test_the_host_header_of_a_name_and_of_ipv6(names: Any, deliverer: Any, new_peer: Any) -> None:
    names.are("shop-sync.example", ["127.0.0.1"])
    four, six = await new_peer(), await new_peer(host="::1")

    await deliverer().send(f"http://Shop-Sync.Example.:{four.port}/")
    await deliverer().send(f"http://[0:0::1]:{six.port}/")

    assert four.requests[0].split(b"\r\n")[1] == f"Host: shop-sync.example:{four.port}".encode()
    assert six.requests[0].split(b"\r\n")[1] == f"Host: [::1]:{six.port}".encode()


def test_a_port_of_the_scheme_is_not_named() -> None:
    assert parse_url("http://example.com:80/").authority == "example.com"
    assert parse_url("https://[2001:db8::1]:443/").authority == "[2001:db8::1]"


ANSWERS = {
    "with a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200),
    "with a body until the end": (b"HTTP/1.1 200 OK\r\n\r\nhello", 200),
    "chunked": (b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 201),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
    "of HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nOK", 200),
    "without a reason": (b"HTTP/1.1 200\r\n\r\n", 200),
    "with a reason of Latin-1": (b"HTTP/1.1 200 Lyckad \xe5tg\xe4rd\r\n\r\n", 200),
    "an unusual status": (b"HTTP/1.1 299 Fine\r\n\r\n", 299),
    "a status beyond the classes": (b"HTTP/1.1 799 ?\r\n\r\n", 799),
    "behind 100": (b"HTTP/1.1 100 Continue\r\n\r\n" + FINAL, 200),
    "behind early hints": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 No\r\n\r\n", 404),
    "behind many of 1xx": (b"HTTP/1.1 102 Processing\r\n\r\n" * 50 + FINAL, 200),
    "two at once": (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" + FINAL, 500),
    "two at once, the other way": (FINAL + b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 200),
    "chunks of garbage": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a number\r\n", 200),
    "a chunk as large as memory": (b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", 503),
    "a body shorter than said": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello", 200),
    "garbage behind the end": (FINAL + b"\x00\xff garbage", 200),
    "packed": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08", 200),
    "kept open": (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", 200),
    "an upgrade that nobody asked for": (
        b"HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n",
        200,
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_the_status_of_an_answer(peer: Any, deliverer: Any, name: str) -> None:
    raw, status = ANSWERS[name]
    peer.says(raw)

    assert (await deliverer().send(peer.url)).status == status
    assert peer.connections == 1


NO_ANSWERS = {
    "nothing": (b"", "closed before an answer"),
    "half a status line": (b"HTTP/1.1 20", "closed before an answer"),
    "headers without an end": (b"HTTP/1.1 200 OK\r\nA: b\r\n", "closed before an answer"),
    "only 1xx": (b"HTTP/1.1 100 Continue\r\n\r\n", "closed before an answer"),
    "a status of 099": (b"HTTP/1.1 099 No\r\n\r\n", "not HTTP"),
    "garbage": (b"\x16\x03\x01\x00\x01 no http at all\r\n\r\n", "not HTTP"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
    "a request": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "not HTTP"),
    "HTTP/2.0": (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "not HTTP"),
    "HTTP/2.0, and an answer behind it": (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n" + FINAL, "not HTTP"),
    "HTTP/0.9": (b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n", "not HTTP"),
    "HTTP/1.1 in small letters": (b"http/1.1 200 OK\r\n\r\n", "not HTTP"),
    "a status of four digits": (b"HTTP/1.1 2000 OK\r\n\r\n", "not HTTP"),
    "a status of letters": (b"HTTP/1.1 abc OK\r\n\r\n", "not HTTP"),
    "a negative status": (b"HTTP/1.1 -200 OK\r\n\r\n", "not HTTP"),
    "other protocols": (b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n" + FINAL, "not HTTP"),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nOK", "not HTTP"),
    "a length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "not HTTP",
    ),
    "a length of letters": (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "not HTTP"),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "not HTTP"),
    "a header with a space": (b"HTTP/1.1 200 OK\r\nA B: c\r\n\r\n", "not HTTP"),
    "a header with NUL": (b"HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n", "not HTTP"),
}


@pytest.mark.parametrize("name", NO_ANSWERS)
async def test_what_is_not_an_answer(peer: Any, deliverer: Any, name: str) -> None:
    raw, words = NO_ANSWERS[name]
    peer.says(raw)

    with pytest.raises(NetworkError, match=words):
        await deliverer().send(peer.url)
    assert peer.connections == 1


@pytest.mark.parametrize("name", [name for name, (raw, _) in ANSWERS.items() if len(raw) < 200])
async def test_an_answer_in_single_bytes_means_the_same(peer: Any, deliverer: Any, name: str) -> None:
    raw, status = ANSWERS[name]

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(0)
        for place in range(len(raw)):
            writer.write(raw[place : place + 1])
            await writer.drain()
            await asyncio.sleep(0)

    peer.says(drip)

    assert (await deliverer().send(peer.url)).status == status


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_never_followed(
    peer: Any, deliverer: Any, new_peer: Any, status: int
) -> None:
    canary = await new_peer()
    places = f"Location: {canary.url}\r\nRefresh: 0; url={canary.url}\r\n"
    peer.says(f"HTTP/1.1 {status} Moved\r\n{places}Content-Length: 0\r\n\r\n".encode())

    assert (await deliverer().send(peer.url)).status == status
    assert (peer.connections, canary.connections) == (1, 0)


async def test_proxies_of_the_environment_are_not_asked(
    peer: Any, deliverer: Any, new_peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = await new_peer()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, canary.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")

    assert (await deliverer().send(peer.url)).status == 200
    assert (peer.connections, canary.connections) == (1, 0)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"HTTP/1.1 429 No\r\nRetry-After: 120\r\n\r\n", "120"),
        (b"HTTP/1.1 503 No\r\nretry-after:  \tTue, 05 Jan 2027 10:00:00 GMT \r\n\r\n", "Tue, 05 Jan 2027 10:00:00 GMT"),
        (b"HTTP/1.1 503 No\r\n\r\n", None),
        (b"HTTP/1.1 503 No\r\nRetry-After:\r\n\r\n", ""),
        (b"HTTP/1.1 503 No\r\nRetry-After: \xff\r\n\r\n", "\xff"),
        # What stands in an interim answer, or behind the end, is not the answer's.
        (b"HTTP/1.1 103 Hints\r\nRetry-After: 7\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nRetry-After: 7\r\n\r\n", None),
    ],
)
async def test_retry_after_comes_as_it_stands(peer: Any, deliverer: Any, raw: bytes, expected: str | None) -> None:
    peer.says(raw)

    assert (await deliverer().send(peer.url)).retry_after == expected


async def test_nobody_listens(peer: Any, deliverer: Any) -> None:
    await peer.close()

    with pytest.raises(NetworkError, match=f"Connection refused: nothing listens on port {peer.port}"):
        await deliverer().send(peer.url)


async def test_the_next_address_is_tried_when_the_first_refuses(names: Any, deliverer: Any, peer: Any) -> None:
    names.are("shop.example", ["::1", "127.0.0.2", "127.0.0.1"])

    assert (await deliverer().send(f"http://shop.example:{peer.port}/")).status == 200
    assert peer.connections == 1


async def test_only_one_address_is_asked_when_the_first_one_answers_badly(
    names: Any, deliverer: Any, new_peer: Any
) -> None:
    first = await new_peer(b"", host="127.0.0.1")
    names.are("shop.example", ["127.0.0.1", "127.0.0.1", "127.0.0.2"])

    with pytest.raises(NetworkError, match="closed before an answer"):
        await deliverer().send(f"http://shop.example:{first.port}/")
    assert first.connections == 1


async def test_no_descriptor_is_left_behind(new_peer: Any, deliverer: Any, names: Any) -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    names.are("slow.example", ["127.0.0.1"])
    bad = [await new_peer(script) for script in (b"", b"garbage\r\n\r\n", b"HTTP/1.1 500 No\r\n\r\n", hang)]
    dead = await new_peer()
    await dead.close()
    one = deliverer(timeout_seconds=0.05)
    urls = [
        *(f"http://slow.example:{peer.port}/" for peer in [*bad, dead]),
        *(f"https://127.0.0.1:{peer.port}/" for peer in bad),
    ]

    async def fail(times: int) -> None:
        for _ in range(times):
            await asyncio.gather(*(one.send(url) for url in urls), return_exceptions=True)

    await fail(2)
    before = await descriptors(bad)
    await fail(23)

    assert await descriptors(bad) == before


async def descriptors(peers: list[Any]) -> int:
    """Count what is open when the peers have let go of everything."""
    gc.collect()
    async with asyncio.timeout(10):
        for peer in peers:
            while peer._tasks:
                await asyncio.wait(peer._tasks)
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the kernel answers at once


async def test_a_connection_that_leads_elsewhere_than_it_was_made_to_hears_nothing(
    new_peer: Any, deliverer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vetted, elsewhere = await new_peer(), await new_peer(host="127.0.0.2")

    class Astray(socket.socket):
        def connect(self, _address: Any) -> None:
            super().connect(("127.0.0.2", elsewhere.port))

    monkeypatch.setattr("ombud.sender.transport.socket.socket", Astray)
    with pytest.raises(NetworkError, match=r"it leads to 127\.0\.0\.2, and was made to 127\.0\.0\.1"):
        await deliverer().send(vetted.url)
    assert elsewhere.requests == []
