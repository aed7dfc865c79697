"""Real endpoints on loopback, names with chosen addresses, and a sender on a real database."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partialmethod
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest
import trustme
import uvloop

from ombud.db.database import Database
from ombud.db.operation import Make, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.db.writer import ThreadWriter
from ombud.sender.address import Network
from ombud.sender.deliver import Deliverer
from ombud.sender.endpoint import Endpoint, EndpointEdit
from ombud.sender.resolver import Resolver
from ombud.sender.sender import Sender
from ombud.sender.transport_tls import context_of
from ombud.settings import Settings
from tests.support.databases import Home, lay_tables
from tests.support.loopback import PATIENCE_SECONDS, LoopbackServer
from tests.support.name_server import NameServer

T = TypeVar("T")

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"

# What a peer does with a connection: these bytes after a whole request, or whatever a function does.
Script = bytes | Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the tests of the transport on both event loops: commands use uvloop, embedded senders asyncio's own."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.stem.startswith("test_transport"):
        factories["uvloop"] = uvloop.new_event_loop
    return factories


class Peer(LoopbackServer):
    """A foreign server on a real socket: counts connections, keeps requests, answers in turn; the last goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[bytes] = []
        self.at: list[float] = []
        self.scripts: deque[Script] = deque([OK])
        self.url = ""

    async def start(self, host: str = "127.0.0.1", port: int = 0, **options: Any) -> Self:
        await super().start(host, port, **options)
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/hooks"
        return self

    def says(self, *scripts: Script) -> None:
        self.scripts = deque(scripts)

    def answers(self, *statuses: int) -> None:
        self.says(*(f"HTTP/1.1 {status} Told\r\nContent-Length: 0\r\n\r\n".encode() for status in statuses))

    async def wait_for(self, requests: int) -> list[bytes]:
        await self.wait_until(lambda: len(self.requests) >= requests)
        return self.requests

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self.scripts.popleft() if len(self.scripts) > 1 else self.scripts[0]
        try:
            if isinstance(script, bytes):
                await self._note(await reader.readuntil(b"\r\n\r\n"))
                writer.write(script)
                await writer.drain()
                writer.write_eof()
                await reader.read()
            else:
                with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                    await self._note(await reader.readuntil(b"\r\n\r\n"))
                await script(reader, writer)
        except OSError:
            pass
        finally:
            writer.transport.abort()

    async def _note(self, request: bytes) -> None:
        self.requests.append(request)
        self.at.append(asyncio.get_running_loop().time())
        await self._note_change()


@pytest.fixture
async def new_peer() -> AsyncIterator[Callable[..., Awaitable[Peer]]]:
    """Start foreign servers."""
    peers: list[Peer] = []

    async def make(*scripts: Script, **options: Any) -> Peer:
        peer = Peer()
        if scripts:
            peer.says(*scripts)
        peers.append(peer)
        return await peer.start(**options)

    yield make
    for peer in peers:
        await peer.close()


@pytest.fixture
async def peer(new_peer: Callable[..., Awaitable[Peer]]) -> Peer:
    """A foreign server."""
    return await new_peer()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    """Choose what names lead to: a name server on loopback, which every resolver asks instead of the system's."""
    server = NameServer()
    monkeypatch.setattr(Resolver, "__init__", partialmethod(Resolver.__init__, [server.address]))
    yield server
    server.close()


@pytest.fixture
async def deliverer(names: NameServer) -> AsyncIterator[Callable[..., Deliverer]]:
    """Make what sends one request: loopback allowed, a short deadline."""
    made: list[Deliverer] = []

    def make(
        allowed: Sequence[Network] = LOOPBACK, timeout_seconds: float = PATIENCE_SECONDS, **options: Any
    ) -> Deliverer:
        made.append(Deliverer(allowed, timeout_seconds, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
    await asyncio.sleep(0)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[trustme.CA]:
    """The only authority that this process trusts."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    context_of.cache_clear()
    yield made
    context_of.cache_clear()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """A database of its own, with the tables of a sender."""
    made = SqliteDatabase(lay_tables(tmp_path / "sender.db", "ombud.mailbox", "ombud.sender"))
    yield made
    made.close()


class NoticedWriter(ThreadWriter):
    """Says when something was committed."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.committed = asyncio.Event()

    async def write(self, make: Make[T]) -> T:
        result = await super().write(make)
        self.committed.set()
        return result

    async def add(self, together: Any, item: Any) -> Any:
        result = await super().add(together, item)
        self.committed.set()
        return result


class Running:
    """A sender that may be run, with short ways to look into its database."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.writer = NoticedWriter(sender.database)
        sender.writer.close()
        sender.writer = self.writer
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._work = asyncio.create_task(self.sender.run())

    async def stop(self) -> None:
        if self._work is not None:
            self.sender.stop()
            await self._work

    async def add(self, url: str, shop_id: int = 1, **choices: Any) -> Endpoint:
        edit = EndpointEdit(url, **choices)
        return await self.sender.writer.write(lambda: self.sender.endpoints.add(edit, shop_id))

    async def change(self, endpoint: Endpoint, **changes: Any) -> None:
        await self.sender.writer.write(lambda: self.sender.endpoints.change(endpoint.id, **changes))

    def rows(self, text: str, **values: Any) -> list[dict[str, Any]]:
        def read() -> Any:
            return (yield Statement(text, text), values)

        found: list[dict[str, Any]] = self.sender.database.read(read)
        return found

    async def until(self, text: str) -> list[dict[str, Any]]:
        """Wait until a query has rows."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                self.writer.committed.clear()
                if found := self.rows(text):
                    return found
                await self.writer.committed.wait()

    async def settled(self) -> list[dict[str, Any]]:
        """Wait until nothing is pending; returns every delivery, oldest first."""
        await self.until("select 1 where not exists (select 1 from delivery where state = 0)")
        return self.rows("select * from delivery order by event_id, lane_id")


@pytest.fixture
async def new_running(database: SqliteDatabase, names: NameServer) -> AsyncIterator[Callable[..., Running]]:
    """Make a sender with settings of its own."""
    made: list[Running] = []

    def make(**settings: Any) -> Running:
        chosen: dict[str, Any] = {
            "allow_networks": LOOPBACK,
            "retry_seconds": (0.05, 0.05),
            "timeout_seconds": PATIENCE_SECONDS,
        }
        made.append(Running(Sender(database, Settings(**(chosen | settings)))))
        return made[-1]

    yield make
    for running in made:
        await running.stop()
        running.sender.writer.close()


@pytest.fixture
def running(new_running: Callable[..., Running]) -> Running:
    """A sender that tries three times, soon after one another."""
    return new_running()


@pytest.fixture
async def anywhere(home: Home, names: NameServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """A sender on each database."""
    monkeypatch.setattr("ombud.sender.sender.LAG_SECONDS", 0.2)
    monkeypatch.setattr("ombud.sender.sender.BACKFILL_SECONDS", 0.05)
    database = home.open()
    settings = Settings(allow_networks=LOOPBACK, retry_seconds=(0.05,) * 3, probe_seconds=(0.1, 0.5))
    made = Running(Sender(database, settings))
    yield made
    await made.stop()
    await asyncio.to_thread(made.sender.close)
