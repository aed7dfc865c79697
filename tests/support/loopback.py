"""A server on loopback: each connection is served in a task of its own, which ends with the server at the latest."""

import asyncio
from collections.abc import Callable
from typing import Any, Self

# Seconds: generous on a busy machine; a test that waits this long has failed.
PATIENCE_SECONDS = 20.0


class LoopbackServer:
    """What it says is for those that are made of it."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0, **options: Any) -> Self:
        """Begin to listen; `port` 0 is any that is free."""
        self._server = await asyncio.start_server(self._accept, host, port, **options)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        """End, with every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return when this holds after a change."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            await self._changed.wait_for(condition)

    async def _note_change(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)

        def end(ended: asyncio.Task[None]) -> None:
            self._tasks.discard(ended)
            # One that is cancelled before it has begun closes nothing itself.
            if ended.cancelled():
                writer.transport.abort()

        task.add_done_callback(end)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError
