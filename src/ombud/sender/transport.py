"""One GET: connect to an address that was vetted, ask, take the status.

A client of our own, because it alone may decide where to connect. It follows no redirect, reads no proxy setting, keeps
no cookie and undoes no compression.
"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

import httptools

from ombud.errors import NetworkError
from ombud.sender.address import Address
from ombud.sender.url import EndpointUrl
from ombud.wire import USER_AGENT

# Bytes of headers, and of body, that an endpoint may make us read. Neither changes what the status has decided.
HEADER_BYTES = 32 * 1024
BODY_BYTES = 64 * 1024
# Seconds for one address when there is another to try: a host whose IPv6 leads nowhere is still reached in time.
CONNECT_SECONDS = 3.0

_FIRST_FINAL_STATUS = 200
_TOO_MANY_HEADERS = f"The answer has more than {HEADER_BYTES} bytes of headers."


@dataclass(frozen=True)
class Answer:
    """What an endpoint answered: its status, and its Retry-After as it stands."""

    status: int
    retry_after: str | None = None


def request_bytes(url: EndpointUrl) -> bytes:
    """Return the request, byte for byte as the vendor's page shows it, and the header that keeps caches out of it."""
    lines = [
        f"GET {url.target} HTTP/1.1",
        f"Host: {url.authority}",
        f"User-Agent: {USER_AGENT}",
        "Cache-Control: no-cache",
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("ascii")


async def get(url: EndpointUrl, addresses: Sequence[Address], deadline: float) -> Answer:
    """Send the GET to one of these addresses and return the answer, by that time of the event loop's clock.

    Raises NetworkError, in words for a merchant, when there is no answer.
    """
    exchange: _Exchange | None = None
    try:
        async with asyncio.timeout_at(deadline):
            exchange = await _connect(url, addresses)
            await exchange.finished
    except TimeoutError:
        if exchange is None:
            raise NetworkError("The connection was not made in time.") from None
    finally:
        if exchange is not None:
            exchange.close()
    if exchange.answer is None:
        raise NetworkError(exchange.problem or "Connected, but the answer did not come in time.")
    return exchange.answer


async def _connect(url: EndpointUrl, addresses: Sequence[Address]) -> "_Exchange":
    loop = asyncio.get_running_loop()
    secure = url.scheme == "https"
    problem = "There is no address to connect to."
    for address in addresses:
        last = address is addresses[-1]
        try:
            async with asyncio.timeout(None if last else CONNECT_SECONDS):
                _, exchange = await loop.create_connection(
                    lambda: _Exchange(request_bytes(url)),
                    str(address),
                    url.port,
                    ssl=_tls() if secure else None,
                    server_hostname=url.host if secure else None,
                )
                return exchange
        except TimeoutError:
            if last:
                raise
            problem = f"No connection to {address} within {CONNECT_SECONDS:g} seconds."
        except ssl.SSLCertVerificationError as error:
            problem = f"The TLS certificate is not valid for {url.host}: {error.verify_message}."
        except ssl.SSLError as error:
            problem = f"TLS failed: {error.reason or error}."
        except ConnectionRefusedError:
            problem = f"Connection refused: nothing listens on port {url.port}."
        except OSError as error:
            problem = f"No connection: {error.strerror or str(error) or 'it was closed at once'}."
    raise NetworkError(problem)


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Exchange(asyncio.Protocol):
    """One request and its answer on one connection. `finished` is set when nothing more is wanted of it."""

    def __init__(self, request: bytes) -> None:
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answer: Answer | None = None
        self.problem: str | None = None
        self._request = request
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.WriteTransport | None = None
        self._received = 0
        self._header_bytes = 0
        self._retry_after: str | None = None

    def close(self) -> None:
        """Drop the connection at once, whatever is on it."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's by inheritance.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._finish("The answer is not HTTP.")
            return
        if self.answer is None and self._received > HEADER_BYTES:
            self._finish(_TOO_MANY_HEADERS)
        elif self._received > HEADER_BYTES + BODY_BYTES:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        self._finish("The connection was closed before an answer.")

    # The parser calls these. An answer of 1xx comes as a complete message of its own (RFC 9110, 15.2).

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value) + len(": \r\n")
        if name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        # One read may hold two answers, and the second would overwrite the status: the first is the one we asked for.
        if self.finished.done():
            return
        status = self._parser.get_status_code()
        if self._header_bytes > HEADER_BYTES:
            self._finish(_TOO_MANY_HEADERS)
        elif self._parser.get_http_version() not in {"1.0", "1.1"} or status == 101:  # noqa: PLR2004
            self._finish("The answer is not HTTP/1.1.")
        elif status >= _FIRST_FINAL_STATUS:
            self.answer = Answer(status, self._retry_after)
        else:
            self._retry_after = None

    def on_message_complete(self) -> None:
        if self.answer is not None:
            self._finish()

    def _finish(self, problem: str | None = None) -> None:
        if self.problem is None:
            self.problem = problem
        if not self.finished.done():
            self.finished.set_result(None)
