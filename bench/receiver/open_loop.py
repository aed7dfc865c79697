"""Requests that come when they come, whether others were answered or not; a wait counts from when it was due."""

import asyncio
import itertools
import re
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

# Connections that a shop's sender may have open at once.
CONNECTIONS = 64
# Seconds after the last request in which every answer must have come.
PATIENCE_SECONDS = 15.0
# Seconds between two looks at what is due: uvloop counts in milliseconds, and takes less for no pause at all. A
# generator that never rests burns a core of two, and then measures how long that is waited for.
PAUSE_SECONDS = 0.001
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}).*?\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass
class Answers:
    """What came back: seconds from due to answered, and every status."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    def share(self, of_thousand: int) -> float:
        """Return the milliseconds within which that many of a thousand answers came."""
        return sorted(self.seconds)[max(0, len(self.seconds) * of_thousand // 1000 - 1)] * 1000


class _Connection(asyncio.Protocol):
    def __init__(self, load: "OpenLoop") -> None:
        self._load = load
        self._answer = b""
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's by inheritance.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._load.free(self)

    def ask(self, request: bytes, due: float) -> None:
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head = _HEAD.match(self._answer)
        if head is None:
            return
        length = _LENGTH.search(head[0])
        if len(self._answer) < head.end() + (int(length[1]) if length else 0):
            return
        self._answer = b""
        self._load.answered(int(head[1]), self._due)
        self._load.free(self)


class OpenLoop:
    """Sends a number of requests a second to one server."""

    def __init__(
        self,
        port: int,
        path: str,
        per_second: int,
        numbers: Iterator[int] | None = None,
        due: dict[int, float] | None = None,
    ) -> None:
        """`numbers`: the orders, else a thousand in turn. `due`: is told when each was due."""
        self._port = port
        self._path = path
        self._interval = 1 / per_second
        self._free: deque[_Connection] = deque()
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._numbers = numbers or itertools.cycle(range(1, 1_001))
        self._due = {} if due is None else due
        self._total: int | None = None
        self._all = asyncio.Event()
        self.answers = Answers()

    async def run(self, seconds: float) -> Answers:
        """Send for so long, and wait for what is still to be answered."""
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
        begin = time.perf_counter()
        total = round(seconds / self._interval)
        sent = 0
        while sent < total:
            due = min(total, int((time.perf_counter() - begin) / self._interval) + 1)
            for number in range(sent, due):
                self._send(begin + number * self._interval)
            sent = due
            await asyncio.sleep(PAUSE_SECONDS)
        async with asyncio.timeout(PATIENCE_SECONDS):
            self._total = total
            if len(self.answers.seconds) < total:
                await self._all.wait()
        return self.answers

    def _send(self, due: float) -> None:
        number = next(self._numbers)
        self._due[number] = due
        request = f"GET {self._path}?event_type=order.new&order_id={number} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        if self._free:
            self._free.popleft().ask(request, due)
        else:
            self._waiting.append((request, due))

    def free(self, connection: _Connection) -> None:
        """Take back a connection that has been answered."""
        if self._waiting:
            connection.ask(*self._waiting.popleft())
        else:
            self._free.append(connection)

    def answered(self, status: int, due: float) -> None:
        """Count an answer."""
        self.answers.seconds.append(time.perf_counter() - due)
        self.answers.statuses[status] = self.answers.statuses.get(status, 0) + 1
        if len(self.answers.seconds) == self._total:
            self._all.set()
