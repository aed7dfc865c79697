"""Publishing by the REST API at a pace of its own, whether it is answered or not."""

import asyncio
import json
import re
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, cast

# Connections to the API.
CONNECTIONS = 32
# Seconds in which everything must have been answered after the last request.
PATIENCE_SECONDS = 30.0
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}).*?\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class _Connection(asyncio.Protocol):
    def __init__(self, pace: "Pace") -> None:
        self._pace = pace
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's by inheritance.
        self.transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head = _HEAD.match(self._answer)
        length = _LENGTH.search(head[0]) if head else None
        if head and len(self._answer) >= head.end() + (int(length[1]) if length else 0):
            self._answer = b""
            self._pace.answered(int(head[1]), self)


class Pace:
    """Sends one event for each tick of a rate. `event`: makes one of its number, and hears when it was due."""

    def __init__(self, port: int, key: str, event: Callable[[int, float], dict[str, Any]]) -> None:
        self._port = port
        self._head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: "
        self._event = event
        self._free: deque[_Connection] = deque()
        self._waiting: deque[bytes] = deque()
        self.statuses: Counter[int] = Counter()
        self._sent = 0
        self._all = asyncio.Event()

    async def run(self, seconds: float, per_second: float, first: int) -> int:
        """Publish for so long, wait for every answer, and return the number after the last one."""
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, made = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
            self._free.append(made)
        began, total, sent = time.perf_counter(), round(seconds * per_second), 0
        while sent < total:
            due = min(total, int((time.perf_counter() - began) * per_second) + 1)
            for place in range(sent, due):
                self._send(json.dumps(self._event(first + place, began + place / per_second)))
            sent = due
            await asyncio.sleep(began + sent / per_second - time.perf_counter())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum(self.statuses.values()) < self._sent:
                self._all.clear()
                await self._all.wait()
        for one in self._free:
            one.transport.close()
        self._free.clear()
        return first + total

    def answered(self, status: int, connection: _Connection) -> None:
        """Take a connection back."""
        self.statuses[status] += 1
        self._all.set()
        if self._waiting:
            connection.transport.write(self._waiting.popleft())
        else:
            self._free.append(connection)

    def _send(self, body: str) -> None:
        request = f"{self._head}{len(body)}\r\n\r\n{body}".encode()
        self._sent += 1
        if self._free:
            self._free.popleft().transport.write(request)
        else:
            self._waiting.append(request)
