"""`python -m bench.sender.readers`: people who look at live pages, without a browser. What they are sent is forgotten.

A line of JSON on standard input says where: `{"port": …, "streams": [[path, cookie], …]}`. It answers with a line once
each was shown something, and reads on until standard input ends.
"""

import asyncio
import json
import sys
from collections.abc import Sequence


class Reader(asyncio.Protocol):
    """One stream. `shown` is set when its first event has come."""

    def __init__(self, path: str, cookie: str) -> None:
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\nAccept: text/event-stream\r\n\r\n"
        )
        self.shown = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request.encode())

    def data_received(self, data: bytes) -> None:
        """Forget it."""
        if b"data: " in data:
            self.shown.set()


async def _read(port: int, streams: Sequence[Sequence[str]]) -> None:
    loop = asyncio.get_running_loop()
    readers = [Reader(path, cookie) for path, cookie in streams]
    for reader in readers:
        await loop.create_connection(lambda reader=reader: reader, "127.0.0.1", port)  # type: ignore[misc]
    for reader in readers:
        await reader.shown.wait()
    sys.stdout.write(json.dumps({"ready": len(readers)}) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_read(**json.loads(sys.stdin.readline())))
