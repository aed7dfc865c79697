"""Several web servers on one event loop: every port bound before anything starts, one signal stops them all."""

import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from ombud.cli.collector import collect_rarely
from ombud.cli.endings import exit_code_after, failure_explains, stop_when_failed
from ombud.cli.patience import PatientProtocol
from ombud.db.database import Database
from ombud.errors import ConfigurationError

# Connections that wait to be accepted: a burst of a busy shop's API clients.
BACKLOG = 1_024
# Seconds that requests in flight have when the process stops; deliveries have as long.
STOP_SECONDS = 4


@dataclass(frozen=True)
class Site:
    """A web app and the socket it is served on."""

    app: ASGIApp
    socket: socket.socket


def bind(host: str, port: int) -> socket.socket:
    """Take a port; raises ConfigurationError that names it when somebody else has it."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {host} port {port}: {error.strerror or error}."
            " Choose another with --port, or 0 for a free one."
        ) from error
    return bound


def url_of(bound: socket.socket) -> str:
    """Return the URL that a bound socket answers to."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(start: Callable[[], Awaitable["Service"]]) -> int:
    """Run a service until a signal; returns the exit code."""
    collect_rarely()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(start))


@dataclass
class Service:
    """What runs: sites, work beside them, their databases, and what to say when all of it is up."""

    sites: Sequence[Site]
    databases: Sequence[Database]
    work: Callable[[], Awaitable[None]]
    stop_work: Callable[[], None]
    announce: Callable[[], None]
    close: Callable[[], None]


class Standby:
    """No work in this process: it only serves."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Wait for `stop`."""
        await self._stopped.wait()

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()


class _Server(uvicorn.Server):
    """A server whose signals are handled for all servers together, and that says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(start: Callable[[], Awaitable[Service]]) -> int:
    service = await start()
    servers = [_Server(_configuration(site.app)) for site in service.sites]
    received: list[signal.Signals] = []
    work = asyncio.ensure_future(service.work())

    def stop(*numbers: signal.Signals) -> None:
        received.extend(numbers)
        service.stop_work()
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    stop_when_failed(service.databases, stop)
    serving: list[asyncio.Future[None]] = []
    started = asyncio.ensure_future(_all_up(servers))
    try:
        serving += [
            asyncio.ensure_future(server.serve(sockets=[site.socket]))
            for server, site in zip(servers, service.sites, strict=True)
        ]
        await asyncio.wait([started, work, *serving], return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            service.announce()
        # Work ends by itself only when it fails; then nothing may pretend to be well.
        await asyncio.wait([work, *serving], return_when=asyncio.FIRST_COMPLETED)
        stop()
        with failure_explains(service.databases):
            await asyncio.gather(work, *serving)
    finally:
        started.cancel()
        service.close()
    return exit_code_after(service.databases, received)


async def _all_up(servers: Sequence[_Server]) -> None:
    for server in servers:
        await server.up.wait()


def _configuration(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop
