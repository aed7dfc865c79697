"""Two hundred ways to answer badly, and a server for them: `GET /7` is answered by the seventh.

It runs in a process of its own (`python -m tests.support.hostile`), so that the memory of whoever asks can be measured.
"""

import asyncio
import contextlib
import gzip
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

# What an answer must be taken for: a status, or one of these (failures, or a status in digits).
Verdict = int | tuple[str, ...]

OK = b"HTTP/1.1 200 OK\r\n"
FINAL = OK + b"Content-Length: 0\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PART = b"a" * 65_536

NOT_HTTP = ("answer-not-http",)
OTHER = ("answer-other-protocol", "answer-not-http")
MISSING = ("answer-missing",)
CUT = ("answer-cut",)
GONE = ("answer-cut", "answer-missing")
TIMEOUT = ("answer-timeout",)
TOO_LONG = ("answer-too-long",)


@dataclass(frozen=True)
class Case:
    """What the server does: say `start`; then `again` for ever, at that pace; then `end` the connection, or hang."""

    name: str
    verdict: Verdict
    start: bytes = b""
    again: bytes = b""
    pause_seconds: float = 0.0
    end: str = "hang"
    # Bytes for each write; 0 is all at once.
    piece: int = 0


def _status_lines() -> Iterable[Case]:
    lines: dict[bytes, Verdict] = {
        b"HTTP/1.1 200": 200,
        b"HTTP/1.1 200 ": 200,
        b"HTTP/1.1 200 \xe5\xe4\xf6": 200,
        b"HTTP/1.1 999 Denied": 999,
        b"HTTP/1.1 600 ?": 600,
        b"HTTP/1.0 500 No": 500,
        b"HTTP/1.1 404 " + b"x" * 20_000: 404,
        b"HTTP/1.1 099 No": OTHER,
        b"HTTP/1.1 000 No": OTHER,
        b"HTTP/1.1 2000 OK": NOT_HTTP,
        b"HTTP/1.1 20 OK": NOT_HTTP,
        b"HTTP/1.1  200 OK": NOT_HTTP,
        b"HTTP/1.1 -200 OK": NOT_HTTP,
        b"HTTP/1.1 2e2 OK": NOT_HTTP,
        b"HTTP/1.1 abc OK": NOT_HTTP,
        b"HTTP/1.1 200\tOK": NOT_HTTP,
        b"HTTP/1.1\t200 OK": NOT_HTTP,
        b"HTTP/1.1200 OK": NOT_HTTP,
        b"HTTP/0.9 200 OK": OTHER,
        b"HTTP/2.0 200 OK": OTHER,
        b"HTTP/3.0 200 OK": OTHER,
        b"HTTP/11 200 OK": NOT_HTTP,
        b"HTTP/1.1.1 200 OK": NOT_HTTP,
        b"http/1.1 200 OK": NOT_HTTP,
        b"HTTPS/1.1 200 OK": NOT_HTTP,
        b"ICY 200 OK": NOT_HTTP,
        # The parser lets these pass; a status is a status.
        b"RTSP/1.0 200 OK": 200,
        b"HTTP/1.1 200 OK\x00": 200,
        b"\x00HTTP/1.1 200 OK": NOT_HTTP,
        b"\xef\xbb\xbfHTTP/1.1 200 OK": NOT_HTTP,
        b"GET / HTTP/1.1": NOT_HTTP,
        b"<html>": NOT_HTTP,
        b'{"ok": true}': NOT_HTTP,
        b"OK": NOT_HTTP,
    }
    for line, verdict in lines.items():
        yield Case(f"status line {line[:40]!r}", verdict, line + b"\r\nContent-Length: 0\r\n\r\n", end="close")


def _headers() -> Iterable[Case]:
    heads: dict[bytes, Verdict] = {
        b"A B: c": NOT_HTTP,
        b"A\x00: c": NOT_HTTP,
        b"A: b\x00c": NOT_HTTP,
        b": b": NOT_HTTP,
        b"no colon": NOT_HTTP,
        b"\xc3\xa5: b": NOT_HTTP,
        b"A\r: b": NOT_HTTP,
        b"A: b\rc: d": NOT_HTTP,
        b" A: folded": NOT_HTTP,
        b"A :b": NOT_HTTP,
        b"A: \x7f": NOT_HTTP,
        b"A: \xff\xfe": 200,
        b"A:": 200,
        b"A: b\r\nA: b\r\nA: b": 200,
        b"Set-Cookie: a=b; Domain=.example": 200,
        b"Location: http://169.254.169.254/": 200,
        b"Location: //127.0.0.1/\r\nLocation: file:///etc/passwd": 200,
        b"Content-Type: text/html\r\nLink: <http://127.0.0.1/>; rel=preload": 200,
        b"Proxy-Authenticate: Basic\r\nWWW-Authenticate: Negotiate": 200,
        b"Refresh: 0; url=http://127.0.0.1:1/": 200,
        b'Alt-Svc: h2=":443"': 200,
        b"Strict-Transport-Security: max-age=1": 200,
        b"Upgrade: h2c\r\nConnection: upgrade": 200,
        b"Connection: \xff": 200,
        b"Keep-Alive: timeout=-1, max=9999999999999999999999": 200,
        b"Content-Encoding: gzip, deflate, br, zstd": 200,
        b"Retry-After: " + b"9" * 10_000: 200,
    }
    for head, verdict in heads.items():
        raw = OK + head + b"\r\nContent-Length: 0\r\n\r\n"
        yield Case(f"header {head[:40]!r}", verdict, raw, end="close")
    yield Case("bare line feeds", NOT_HTTP, b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", end="close")
    yield Case("bare carriage returns", NOT_HTTP, b"HTTP/1.1 200 OK\rContent-Length: 0\r\r", end="close")
    for name, head in {
        "one of 40 KB": b"A: " + b"b" * 40_000 + b"\r\n",
        "a name of 40 KB": b"A" * 40_000 + b": b\r\n",
        "ten thousand": b"A: b\r\n" * 10_000,
        "a reason of 40 KB": b"A: b\r\n" * 7_000,
    }.items():
        yield Case(f"headers: {name}", TOO_LONG, OK + head + b"\r\n", end="close")
    yield Case("headers: a million, without end", TOO_LONG, OK, b"A: b\r\n" * 1_000)
    yield Case("headers: one without end", TOO_LONG, OK + b"A: ", b"b" * 4_096)
    yield Case("a status line without end", TOO_LONG, b"HTTP/1.1 200 ", b"O" * 4_096)


def _lengths() -> Iterable[Case]:
    heads: dict[bytes, Verdict] = {
        b"Content-Length: 1\r\nContent-Length: 2": NOT_HTTP,
        b"Content-Length: 2\r\nContent-Length: 2": NOT_HTTP,
        b"Content-Length: -1": NOT_HTTP,
        b"Content-Length: +1": NOT_HTTP,
        b"Content-Length: 0x10": NOT_HTTP,
        b"Content-Length: 1e3": NOT_HTTP,
        b"Content-Length: ": (*NOT_HTTP, "200"),
        b"Content-Length: 1, 1": NOT_HTTP,
        b"Content-Length: 99999999999999999999": NOT_HTTP,
        b"Content-Length: 18446744073709551616": NOT_HTTP,
        b"Content-Length: 9223372036854775807": 200,
        b"Content-Length: 10\r\nTransfer-Encoding: chunked": NOT_HTTP,
        b"Transfer-Encoding: chunked\r\nContent-Length: 10": NOT_HTTP,
        b"Transfer-Encoding: identity": (*NOT_HTTP, "200"),
        b"Transfer-Encoding: gzip, chunked": (*NOT_HTTP, "200"),
        b"Transfer-Encoding: chunked, gzip": (*NOT_HTTP, "200"),
        b"Transfer-Encoding: xchunked": (*NOT_HTTP, "200"),
        b"Transfer-Encoding: \x0bchunked": NOT_HTTP,
    }
    for head, verdict in heads.items():
        yield Case(f"length {head[:50]!r}", verdict, OK + head + b"\r\n\r\n0\r\n\r\n", end="close")
    chunks = [
        *(b"zz\r\n", b"-1\r\n", b"\r\n", b"0x5\r\nhello\r\n", b"5\nhello\n0\n\n", b"5\r\nhelloX\r\n0\r\n\r\n"),
        *(b"FFFFFFFFFFFFFFFFF\r\n", b"FFFFFFFFFFFFFFFF\r\n", b"7fffffffffffffff\r\na", b"5 5\r\nhello\r\n", b"5;"),
        *(b"5;" + b"x" * 100_000 + b"\r\n", b"0\r\nA: b\r\n" * 10, b"0\r\n" + b"A: b\r\n" * 20_000, b"1\r\na"),
    ]
    for number, chunk in enumerate(chunks):
        yield Case(f"chunk {number}: {chunk[:20]!r}", 200, CHUNKED + chunk, end="close")


def _bodies() -> Iterable[Case]:
    for status in (200, 500):
        head = b"HTTP/1.1 %d Told\r\n" % status
        yield Case(f"{status} and a body without end", status, head + b"\r\n", PART)
        yield Case(f"{status} and 100 MB that were said", status, head + b"Content-Length: 104857600\r\n\r\n", PART)
        chunk = b"10000\r\n" + PART + b"\r\n"
        yield Case(f"{status} and chunks without end", status, head + b"Transfer-Encoding: chunked\r\n\r\n", chunk)
        yield Case(
            f"{status} and chunks of one byte", status, head + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"
        )
    bomb = gzip.compress(b"\0" * 10_000_000) * 4
    packed = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    yield Case("a bomb of 40 MB in 40 KB", 200, packed + bomb)
    yield Case("a bomb without end", 200, OK + b"Content-Encoding: gzip\r\n\r\n", bomb)
    yield Case("a body that is shorter than was said", 200, OK + b"Content-Length: 1000\r\n\r\nhello", end="close")
    yield Case("a body that is shorter, and a reset", 200, OK + b"Content-Length: 1000\r\n\r\nhello", end="reset")
    yield Case("a body of 204", 204, b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello", end="close")
    yield Case("a body of 304", 304, b"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\nhello", end="close")


def _drips() -> Iterable[Case]:
    drips: dict[str, tuple[Verdict, bytes, bytes]] = {
        "nothing": (TIMEOUT, b"", b""),
        "one byte": (TIMEOUT, b"H", b""),
        "a status line": (TIMEOUT, b"HTTP/1.1 200 ", b"O"),
        "a header's name": (TIMEOUT, OK, b"A"),
        "a header's value": (TIMEOUT, OK + b"A: ", b"a"),
        "headers": (TIMEOUT, OK, b"A: b\r\n"),
        "headers without the last line": (TIMEOUT, OK + b"A: b\r\n", b""),
        "headers without the last byte": (TIMEOUT, OK + b"A: b\r\n\r", b""),
        "interim answers": (TIMEOUT, b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        "half an interim answer": (TIMEOUT, b"HTTP/1.1 100 Continue\r\n", b""),
        "a body": (200, OK + b"Content-Length: 1000\r\n\r\n", b"a"),
        "a body without length": (200, OK + b"\r\n", b"a"),
        "chunks": (200, CHUNKED, b"1\r\na\r\n"),
        "a chunk's size": (200, CHUNKED, b"0"),
        "a chunk's extension": (200, CHUNKED + b"5;", b"x"),
        "trailers": (200, CHUNKED + b"0\r\n", b"A: b\r\n"),
        "no body after 500": (500, b"HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\n", b""),
        "blank lines": (TIMEOUT, b"", b"\r\n"),
    }
    for name, (verdict, start, drop) in drips.items():
        yield Case(f"a drip of {name}", verdict, start, drop, pause_seconds=0.02)
    whole = b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nhello"
    yield Case("an answer in single bytes", 503, whole, piece=1)
    yield Case("an answer in pairs of bytes", 503, whole, piece=2)


def _ends() -> Iterable[Case]:
    whole = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello"
    head = whole.index(b"\r\n\r\n") + 4
    for place in (0, 1, 4, 8, 9, 12, 15, 17, 20, 28, head - 3, head - 1, head, head + 1, len(whole)):
        for end in ("close", "reset"):
            if place >= head:
                # A reset overtakes what was said: it may or may not have been read.
                verdict: Verdict = 200 if end == "close" else (*GONE, "200")
            else:
                verdict = (MISSING if place == 0 else CUT) if end == "close" else GONE
            yield Case(f"{end} after {place} bytes", verdict, whole[:place], end=end)


def _interim() -> Iterable[Case]:
    yield Case("100 of 1xx", 200, b"HTTP/1.1 102 Processing\r\n\r\n" * 100 + FINAL)
    yield Case(
        "100 Continue that nobody asked for",
        201,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\n\r\n",
        end="close",
    )
    yield Case("1xx without end", TOO_LONG, b"", b"HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n" * 100)
    yield Case(
        "1xx with a length", ("200", *NOT_HTTP, *TIMEOUT), b"HTTP/1.1 100 C\r\nContent-Length: 5\r\n\r\n" + FINAL
    )
    yield Case("1xx alone", CUT, b"HTTP/1.1 199 ?\r\n\r\n", end="close")
    yield Case("101", OTHER, b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n" + FINAL)
    yield Case("101 without an upgrade", OTHER, b"HTTP/1.1 101 Switching\r\n\r\n" + FINAL)
    yield Case("two answers", 500, b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" + FINAL)
    yield Case("a thousand answers", 200, FINAL * 1_000)
    yield Case("answers without end", 200, FINAL, FINAL * 100)
    yield Case("garbage behind the end", 200, FINAL + bytes(range(256)) * 100)
    yield Case("garbage without end behind the end", 200, FINAL, bytes(range(256)) * 100)


def _others() -> Iterable[Case]:
    greetings = {
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
        "SMTP": b"220 mail.example ESMTP\r\n",
        "FTP": b"220 (vsFTPd 3.0.3)\r\n",
        "POP3": b"+OK ready\r\n",
        "IMAP": b"* OK IMAP4rev1\r\n",
        "Redis": b"-ERR unknown command\r\n",
        "memcached": b"ERROR\r\n",
        "MySQL": b"\x4a\x00\x00\x00\x0a8.0.36\x00",
        "PostgreSQL": b"E\x00\x00\x00\x8bSFATAL\x00",
        "TLS alert": b"\x15\x03\x03\x00\x02\x02\x28",
        "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18),
        "SOCKS": b"\x05\x00",
        "NNTP": b"200 news.example ready\r\n",
        "Gopher": b"iWelcome\tfake\t(NULL)\t0\r\n.\r\n",
        "a proxy": b"CONNECT example.com:443 HTTP/1.1\r\n\r\n",
        "AMQP": b"AMQP\x00\x00\x09\x01",
        "telnet": b"\xff\xfd\x18\xff\xfd\x20",
        "zeros": bytes(10_000),
        "ones": b"\xff" * 10_000,
        "Redis without end": b"",
    }
    for name, greeting in greetings.items():
        again = b"$5\r\nhello\r\n" if not greeting else b""
        yield Case(f"speaks {name}", NOT_HTTP, greeting or b"*1\r\n", again, pause_seconds=0.02 if again else 0.0)


_KINDS: Sequence[Callable[[], Iterable[Case]]] = (
    _status_lines, _headers, _lengths, _bodies, _drips, _ends, _interim, _others,
)  # fmt: skip
CASES: list[Case] = [case for kind in _KINDS for case in kind()]


async def serve_case(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request as its number says."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError, IndexError):
        request = await reader.readuntil(b"\r\n\r\n")
        case = CASES[int(request.split(b" ", 2)[1].split(b"?")[0].strip(b"/"))]
        writer.transport.set_write_buffer_limits(0)
        size = case.piece or len(case.start) or 1
        for place in range(0, len(case.start), size):
            writer.write(case.start[place : place + size])
            await writer.drain()
            await asyncio.sleep(0)
        left = asyncio.ensure_future(reader.read(1))
        # Whoever has gone says so there too, and nobody asks.
        left.add_done_callback(lambda one: one.cancelled() or one.exception())
        while case.again and not left.done():
            writer.write(case.again)
            await writer.drain()
            await asyncio.wait([left], timeout=case.pause_seconds)
        if case.end == "hang":
            await left
        left.cancel()
        if case.end == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()


async def main() -> None:
    """Serve until standard input ends; print the port."""
    server = await asyncio.start_server(serve_case, "127.0.0.1", 0, backlog=2_048)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
