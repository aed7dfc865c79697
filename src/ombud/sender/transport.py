"""GETs over connections that are kept: to an address that was vetted, by one deadline.

A client of our own, because it alone may decide where to connect. It follows no redirect, reads no proxy setting, keeps
no cookie and undoes no compression.
"""

import asyncio
import errno
import resource
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from ombud.sender.answer import Answer
from ombud.sender.transport_connection import Connection, Key, NotHeard, Waiter
from ombud.sender.transport_tls import context_of, failed_handshake
from ombud.sender.url import EndpointUrl
from ombud.sender.verdict import DeliveryFailed, Failure

# Seconds for one address when there is another to try: a host whose IPv6 leads nowhere is still reached in time.
CONNECT_SECONDS = 3.0
# Connections that are kept open with nothing to do; the oldest goes when there is one more. A few kilobytes each, with
# TLS some tens. At most a quarter of the files that this process may open.
IDLE_CONNECTIONS = 2_048
# Files that a command lets itself open: slots, kept connections, clients and databases fit several times.
MOST_FILES = 16_384
# Bytes of one read: an answer's headers at their longest.
_READ_BYTES = 64 * 1024

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_UNREACHABLE = frozenset(
    {
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.EHOSTDOWN,
        errno.EAFNOSUPPORT,
        errno.EACCES,
        errno.EPERM,
    }
)


def allow_more_files() -> None:
    """Let this process open as many files as it may: a thousand endpoints are a thousand connections.

    For commands; a program that uses `select` must not have numbers above 1,023.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


class Transport:
    """Sends requests and keeps their connections. For one event loop."""

    def __init__(self, idle_connections: int | None = None) -> None:
        """`idle_connections` stands in for what the limit of open files allows."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = min(IDLE_CONNECTIONS, files // 4) if idle_connections is None else idle_connections
        # By key, the latest last; and all of them, the one that is free for longest first.
        self._idle: dict[Key, list[Connection]] = {}
        self._order: dict[Connection, None] = {}
        # Whose requests leave in the loop's next turn.
        self._leaving: list[Connection] = []
        self.buffer = memoryview(bytearray(_READ_BYTES))

    def ask(
        self,
        url: EndpointUrl,
        addresses: Sequence[str],
        request: bytes,
        deadline: float,
        waiter: Waiter,
        authority: str | None = None,
    ) -> Connection | None:
        """Send the request over a connection that is kept open; returns that, or None: nothing was sent.

        `deadline` is a time of the loop's clock. With https the certificate must be one of `authority` (PEM), or of a
        public one. The waiter is given the answer, DeliveryFailed, or NotHeard: then the request may be sent once more,
        over a new connection, and nobody will have heard it twice.
        """
        for address in addresses:
            kept = self._idle.get((url.scheme, url.host, url.port, authority, address))
            if kept:
                connection = kept.pop()
                del self._order[connection]
                connection.ask(request, deadline, waiter)
                # Requests that are made together leave one right after the other (docs/decisions/0063).
                if not self._leaving:
                    asyncio.get_running_loop().call_soon(self._send)
                self._leaving.append(connection)
                return connection
        return None

    async def get(
        self, url: EndpointUrl, addresses: Sequence[str], request: bytes, deadline: float, authority: str | None = None
    ) -> Answer:
        """Send the request to one of these addresses and return the answer; like `ask`. Raises DeliveryFailed."""
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        connection = self.ask(url, addresses, request, deadline, waiter, authority)
        if connection is not None:
            try:
                return await waiter
            except NotHeard:
                # Once and in silence: a new connection is no such surprise.
                pass
            finally:
                connection.forget(waiter)
        return await self.get_anew(url, addresses, request, deadline, authority)

    async def get_anew(
        self, url: EndpointUrl, addresses: Sequence[str], request: bytes, deadline: float, authority: str | None = None
    ) -> Answer:
        """Do so over a new connection."""
        keys = [(url.scheme, url.host, url.port, authority, address) for address in addresses]
        connection = await self._connect(keys, request, deadline)
        try:
            return await connection.first
        finally:
            connection.forget(connection.first)

    def close(self) -> None:
        """Close what is idle. Call it on the event loop."""
        self._shed(len(self._order))

    @property
    def idle(self) -> int:
        """How many connections are kept open with nothing to do."""
        return len(self._order)

    def free(self, connection: Connection) -> None:
        """Keep a connection for the next request to the same place."""
        if self._most < 1:
            connection.abort()
            return
        if len(self._order) >= self._most:
            self._shed(1)
        self._order[connection] = None
        self._idle.setdefault(connection.key, []).append(connection)

    def gone(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        kept = self._idle.get(connection.key, [])
        if connection in self._order:
            del self._order[connection]
            kept.remove(connection)
        if not kept:
            self._idle.pop(connection.key, None)

    def _send(self) -> None:
        leaving, self._leaving = self._leaving, []
        for connection in leaving:
            connection.send()

    def _shed(self, count: int) -> None:
        for connection in list(self._order)[:count]:
            self.gone(connection)
            connection.abort()

    async def _connect(self, keys: Sequence[Key], request: bytes, deadline: float) -> Connection:
        failed = DeliveryFailed(Failure.NAME_WITHOUT_ADDRESS, host="")
        for key in keys:
            loop = asyncio.get_running_loop()
            until = deadline if key is keys[-1] else min(deadline, loop.time() + CONNECT_SECONDS)
            connection = Connection(self, key, loop, request, deadline)
            try:
                await self._speak(connection, await self._reach(key, until), until)
            except (DeliveryFailed, asyncio.CancelledError) as error:
                # It may have been made at that very moment.
                connection.forget(connection.first)
                if not isinstance(error, DeliveryFailed):
                    raise
                failed = error
            else:
                return connection
            if loop.time() >= deadline:
                break
        raise failed

    async def _reach(self, key: Key, until: float) -> socket.socket:
        _, _, port, _, address = key
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        reached: socket.socket | None = None
        try:
            async with asyncio.timeout_at(until):
                reached = socket.socket(family, socket.SOCK_STREAM)
                reached.setblocking(False)
                await asyncio.get_running_loop().sock_connect(reached, (address, port))
            _check_peer(reached, address)
        except BaseException as error:
            if reached is not None:
                reached.close()
            if not isinstance(error, OSError):
                raise
            raise self._not_reached(error, address, port) from None
        return reached

    def _not_reached(self, error: OSError, address: str, port: int) -> DeliveryFailed:
        detail = error.strerror or str(error)
        if isinstance(error, ConnectionRefusedError):
            return DeliveryFailed(Failure.CONNECTION_REFUSED, port=port)
        if isinstance(error, TimeoutError):
            return DeliveryFailed(Failure.CONNECTION_TIMEOUT, address=address, port=port)
        if error.errno in _OURS:
            # What is idle may be just what is missing.
            self._shed(len(self._order) // 2)
            return DeliveryFailed(Failure.OURS, detail=detail)
        failure = Failure.CONNECTION_UNREACHABLE if error.errno in _UNREACHABLE else Failure.CONNECTION_FAILED
        return DeliveryFailed(failure, address=address, detail=detail)

    async def _speak(self, connection: Connection, reached: socket.socket, until: float) -> None:
        scheme, host, port, authority, _ = connection.key
        secure = scheme == "https"
        try:
            async with asyncio.timeout_at(until):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    sock=reached,
                    ssl=context_of(authority) if secure else None,
                    server_hostname=host if secure else None,
                )
        except TimeoutError:
            raise DeliveryFailed(Failure.TLS_TIMEOUT) from None
        except OSError as error:
            raise failed_handshake(error, host, port) from None


def _check_peer(reached: socket.socket, address: str) -> None:
    """Raise OSError when a connection leads elsewhere than it was made to: what was vetted is what is asked."""
    peer = reached.getpeername()[0]
    if ip_address(peer).packed != ip_address(address).packed:
        raise OSError(f"it leads to {peer}, and was made to {address}")
