"""Endpoints that answer, that hang, or that refuse, in the process that also publishes: one clock for both."""

import asyncio
import re
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import cast

_REQUEST = re.compile(rb"GET (\S+?)[?&]event_type=[a-z.]+&(?:order|product)_id=(\d+) HTTP/1\.1\r\n")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
REFUSED = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"

# Connections that the kernel makes before they are taken: as many as Linux allows; a run makes fewer.
BACKLOG = 4_096

# Hears a path and a number, and returns the answer.
Hears = Callable[[str, int], bytes]


class _Connection(asyncio.Protocol):
    def __init__(self, sink: "Sink") -> None:
        self._sink = sink
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's by inheritance.
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._data.endswith(b"\r\n\r\n"):
            return
        request = _REQUEST.match(self._data)
        self._data = b""
        assert request is not None
        path = request[1].decode()
        self._sink.begin(path)
        answer = self._sink.hears(path, int(request[2]))
        asyncio.get_running_loop().call_later(self._sink.answer_seconds, self._answer, path, answer)

    def _answer(self, path: str, answer: bytes) -> None:
        self._sink.end(path)
        self._transport.write(answer)


class Sink:
    """Listens at one port for those that answer, after `answer_seconds`, and at another for those that hang.

    Connections to the latter are made by the kernel and never taken: those that hang are on machines of their own, and
    whoever measures those that answer has no work with them.
    """

    def __init__(self, hears: Hears, answer_seconds: float = 0.0) -> None:
        self.hears = hears
        self.answer_seconds = answer_seconds
        self.port = 0
        self._hanging = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        # By path, what is under way and the most that ever was.
        self._now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def start(self) -> "Sink":
        """Listen."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=BACKLOG)
        self.port = server.sockets[0].getsockname()[1]
        return self

    @property
    def hanging_port(self) -> int:
        """Where nothing is ever answered."""
        port: int = self._hanging.getsockname()[1]
        return port

    def begin(self, path: str) -> None:
        """Count a request that came."""
        self._now[path] += 1
        self.most[path] = max(self.most[path], self._now[path])

    def end(self, path: str) -> None:
        """Count one that is answered."""
        self._now[path] -= 1


class Waits:
    """Seconds from when an event was due to be published until each endpoint that counts heard of it."""

    def __init__(self) -> None:
        self.due: dict[int, float] = {}
        self.seconds: list[float] = []
        self._heard: set[tuple[str, int]] = set()
        self._wanted = 0
        self._all = asyncio.Event()

    def hears(self, path: str, number: int) -> bytes:
        """Note that it came; a repetition counts once."""
        due = self.due.get(number)
        if due is not None and (path, number) not in self._heard:
            self._heard.add((path, number))
            self.seconds.append(time.perf_counter() - due)
            if self._wanted and len(self.seconds) >= self._wanted:
                self._all.set()
        return OK

    async def until(self, wanted: int, patience_seconds: float) -> None:
        """Wait until so many have come; raises TimeoutError."""
        self._wanted = wanted
        if len(self.seconds) < wanted:
            async with asyncio.timeout(patience_seconds):
                await self._all.wait()

    def milliseconds(self, share: float) -> float:
        """Return within how many milliseconds this share of them came."""
        return sorted(self.seconds)[max(0, int(len(self.seconds) * share) - 1)] * 1_000
