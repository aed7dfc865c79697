"""Stands between a client and a PostgreSQL server: counts round trips, and cuts the line at a commit.

It knows the frames of the protocol: https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import asyncio
import enum
import random
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

# A simple query is `Q`, the length of what follows, the text and a zero.
COMMIT = b"Q" + struct.pack("!i", 4 + len(b"commit\0")) + b"commit\0"
READY = b"Z"


class Cut(enum.Enum):
    """What becomes of a commit."""

    NOT = "it passes"
    BEFORE = "the server never hears of it"
    AFTER = "the server has it, and the client's line is cut at once"
    ANSWER = "the server has answered, and the client never hears"


WAYS = (Cut.BEFORE, Cut.AFTER, Cut.ANSWER)


class Cutting:
    """Once told to `begin`, cuts so many commits, three of ten, in ways that a seed decides; then `done` is set."""

    CUT_OF_TEN = 3

    def __init__(self, seed: int, cuts: int, ways: Sequence[Cut] = WAYS) -> None:
        self._dice = random.Random(seed)
        self._left = cuts
        self._ways = ways
        self._begun = False
        self.done = asyncio.Event()

    def begin(self) -> None:
        """Until now all passed."""
        self._begun = True

    def __call__(self) -> Cut:
        """Decide what becomes of one commit."""
        if not self._begun or self.done.is_set() or self._dice.randrange(10) >= self.CUT_OF_TEN:
            return Cut.NOT
        self._left -= 1
        if self._left == 0:
            self.done.set()
        return self._dice.choice(self._ways)


class PostgresProxy:
    """Listens on loopback. `choose` decides for every commit; `cuts` counts what was chosen.

    With `way_seconds` it is as far away as that: every message takes so long, in either direction.
    """

    def __init__(self, server: Path, choose: Callable[[], Cut] = lambda: Cut.NOT, way_seconds: float = 0.0) -> None:
        self._server = server
        self._choose = choose
        self.way_seconds = way_seconds
        self._listener: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()
        self.cuts = dict.fromkeys(Cut, 0)
        # Answers of the server after which it waits for the client: one for every round trip.
        self.round_trips = 0

    def url(self, database: str) -> str:
        """Return the address of a database behind it."""
        assert self._listener
        port = self._listener.sockets[0].getsockname()[1]
        return f"postgresql://ombud@127.0.0.1:{port}/{database}?sslmode=disable"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["PostgresProxy"]:
        """Listen; at the end all lines are cut."""
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        try:
            yield self
        finally:
            self._listener.close()
            for line in self._lines:
                line.cancel()
            await asyncio.gather(*self._lines, return_exceptions=True)
            await self._listener.wait_closed()

    async def _connected(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._lines.add(task)
        task.add_done_callback(self._lines.discard)
        server, to_server = await asyncio.open_unix_connection(self._server)
        line = _Line(self, client, to_client, server, to_server)
        try:
            # asyncio's streams complain of a task of theirs that ends as cancelled.
            with suppress(asyncio.CancelledError):
                await line.run()
        finally:
            to_client.transport.abort()
            to_server.transport.abort()

    def decide(self) -> Cut:
        """Decide what becomes of a commit that has just come."""
        cut = self._choose()
        self.cuts[cut] += 1
        return cut


class _Line:
    def __init__(
        self,
        proxy: PostgresProxy,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._client, self._to_client = client, to_client
        self._server, self._to_server = server, to_server
        self._cut = Cut.NOT

    async def run(self) -> None:
        """Pass messages on until one side or the proxy hangs up."""
        # The first message of a client has no letter.
        size = await self._client.readexactly(4)
        self._to_server.write(size + await self._client.readexactly(struct.unpack("!i", size)[0] - 4))
        ways = [asyncio.create_task(self._from_client()), asyncio.create_task(self._from_server())]
        _, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in left:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    async def _from_client(self) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                message = await _message(self._client)
                if message == COMMIT:
                    self._cut = self._proxy.decide()
                if self._cut is Cut.BEFORE:
                    return
                self._pass_on(self._to_server, message)
                if self._cut is Cut.AFTER:
                    await self._to_server.drain()
                    return

    async def _from_server(self) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                message = await _message(self._server)
                if self._cut is Cut.ANSWER:
                    return
                self._pass_on(self._to_client, message)
                if message[:1] == READY:
                    self._proxy.round_trips += 1

    def _pass_on(self, writer: asyncio.StreamWriter, message: bytes) -> None:
        if self._proxy.way_seconds:
            asyncio.get_running_loop().call_later(self._proxy.way_seconds, writer.write, message)
        else:
            writer.write(message)


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)
