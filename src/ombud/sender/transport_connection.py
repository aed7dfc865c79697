"""One connection: a request, its answer, and the next request when the endpoint keeps it open.

It is a BufferedProtocol: for a Protocol asyncio takes a quarter of a megabyte of memory for every read (2.4 times the
answers of a core-second; with uvloop as many). It has one timer, which follows the deadline of the request under way
instead of being set anew for each.
"""

import asyncio
import ssl
from contextlib import suppress
from typing import Protocol, cast

import httptools

from ombud.sender.answer import BODY_BYTES, HEADER_BYTES, Answer
from ombud.sender.transport_tls import failed_handshake
from ombud.sender.verdict import DeliveryFailed, Failure

# Scheme, host (which is the TLS name), port, the authority that is trusted, and the address that was vetted.
Key = tuple[str, str, int, str | None, str]

# Seconds that a connection stays open with nothing to do. Servers close theirs after 5 to 75.
IDLE_SECONDS = 30.0
# Seconds after which even a busy one is made anew: load balancers move, certificates are replaced.
LIFE_SECONDS = 300.0

_NEVER = float("inf")
_OK = 200
_CONTINUE = 100
_SWITCHING_PROTOCOLS = 101
# Whose Retry-After counts.
_BUSY = frozenset({429, 503})
_PLAIN = {status: Answer(status) for status in range(_OK, 1000)}


class NotHeard(Exception):
    """A connection that was used again had been closed by the other side: nothing of an answer came."""


class Waiter(Protocol):
    """Is told what came of a request, once: a future of an Answer, or what acts like one."""

    def done(self) -> bool:
        """Return whether nobody waits any more."""

    def set_result(self, result: Answer, /) -> None:
        """Hear the answer."""

    def set_exception(self, exception: Exception, /) -> None:
        """Hear why there is none."""


class Owner(Protocol):
    """Keeps connections that are free. `buffer` is what all of them read into, one read at a time."""

    buffer: memoryview

    def free(self, connection: "Connection") -> None:
        """Hear that it may be asked again."""

    def gone(self, connection: "Connection") -> None:
        """Hear that it is closed."""


class Connection(asyncio.BufferedProtocol):
    """Asks one thing at a time; the first as soon as it is made, so that nothing can be said before it was asked."""

    __slots__ = (
        "_buffer", "_complete", "_deadline", "_dies_at", "_failure", "_head", "_keep", "_loop", "_more", "_owner",
        "_parser", "_received", "_request", "_requests", "_retry_after", "_status", "_timer", "_timer_at", "_transport",
        "_waiter", "first", "key",
    )  # fmt: skip

    # Of the request under way; `ask` sets them.
    _received: int
    _status: int
    _complete: bool
    _keep: bool
    _more: bool
    _failure: Failure | None
    _retry_after: str | None

    def __init__(
        self, owner: Owner, key: Key, loop: asyncio.AbstractEventLoop, request: bytes, deadline: float
    ) -> None:
        self.key = key
        # The answer to the first request.
        self.first: asyncio.Future[Answer] = loop.create_future()
        # What has not left yet.
        self._request: bytes | None = request
        self._owner = owner
        self._buffer = owner.buffer
        self._loop = loop
        self._requests = 0
        self._waiter: Waiter | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = _NEVER
        self._deadline = deadline
        self._head: list[bytes] = []
        self._dies_at = loop.time() + LIFE_SECONDS

    def ask(self, request: bytes, deadline: float, waiter: Waiter) -> None:
        """Give the answer of a request that `send` sends to `waiter`, by that time of the loop's clock.

        It gets DeliveryFailed instead, or NotHeard when the connection turns out to be closed.
        """
        self._request = request
        self._expect(deadline, waiter)

    def send(self) -> None:
        """Send what it was asked last, if that is awaited still."""
        request, self._request = self._request, None
        # Where it is closing, `connection_lost` is to come.
        if request is not None and not self._transport.is_closing():
            self._transport.write(request)

    def _expect(self, deadline: float, waiter: Waiter) -> None:
        self._waiter = waiter
        self._received = self._status = 0
        self._complete = self._keep = self._more = False
        self._failure = self._retry_after = None
        if self._head:
            self._head = []
        self._requests += 1
        if deadline < self._timer_at:
            self._set(deadline)
        self._deadline = deadline

    def forget(self, waiter: Waiter) -> None:
        """Drop the connection if this answer is still awaited on it: nobody wants it any more."""
        if self._waiter is waiter:
            self._waiter = None
            self.abort()

    def abort(self) -> None:
        """Drop the connection at once, whatever is on it."""
        self._request = None
        self._transport.abort()

    # The timer. It is set for a time and looks, when that has come, whether the deadline has moved on meanwhile.

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(at, self._look), at

    def _look(self) -> None:
        self._timer, self._timer_at = None, _NEVER
        if self._loop.time() < self._deadline:
            self._set(self._deadline)
        elif self._waiter is None:
            self.abort()
        else:
            self._failure = Failure.ANSWER_TIMEOUT
            self._end()

    # The event loop calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's by inheritance.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._parser = httptools.HttpResponseParser(self)
        self._expect(self._deadline, self.first)
        self.send()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio names it
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._waiter is None or self._request is not None:
            # It speaks unasked: what it says next could be taken for the next answer.
            self.abort()
            return
        data = self._buffer[:nbytes]
        answered = self._status
        self._received += nbytes
        try:
            if answered or self._received <= HEADER_BYTES:
                self._parser.feed_data(data)
            else:
                self._feed_up_to_the_limit(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._failure = self._failure or Failure.ANSWER_NOT_HTTP
            self._keep, self._complete = False, True
        if not answered:
            if not self._status:
                self._head.append(bytes(data))
            elif self._status in _BUSY:
                self._retry_after = _retry_after(b"".join([*self._head, data]))
        if self._complete or self._received > HEADER_BYTES + BODY_BYTES:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._request = None
        self._owner.gone(self)
        # They hold each other.
        del self._parser
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return
        if self._status:
            waiter.set_result(self._answer())
        elif isinstance(exc, ssl.SSLError):
            # TLS 1.3 tells only now that it wanted a certificate of ours.
            waiter.set_exception(failed_handshake(exc, self.key[1], self.key[2]))
        elif self._received:
            waiter.set_exception(DeliveryFailed(Failure.ANSWER_CUT))
        elif self._requests > 1:
            waiter.set_exception(NotHeard())
        else:
            waiter.set_exception(DeliveryFailed(Failure.ANSWER_MISSING))

    # The parser calls these. An answer of 1xx comes as a complete message of its own (RFC 9110, 15.2).

    def on_message_begin(self) -> None:
        # Whatever comes behind the end.
        self._more = self._complete

    def on_headers_complete(self) -> None:
        # One read may hold two answers, and the second would overwrite the status: the first is the one we asked for.
        if self._status or self._failure:
            return
        status = self._parser.get_status_code()
        if (
            self._parser.get_http_version() not in {"1.1", "1.0"}
            or status == _SWITCHING_PROTOCOLS
            or status < _CONTINUE
        ):
            self._failure, self._complete = Failure.ANSWER_OTHER_PROTOCOL, True
        elif status >= _OK:
            self._status = status

    def on_message_complete(self) -> None:
        if self._status and not self._complete:
            self._complete = True
            self._keep = self._parser.should_keep_alive()

    def _feed_up_to_the_limit(self, data: memoryview) -> None:
        """Feed so much that the headers cannot be longer than HEADER_BYTES; the rest only when they have ended."""
        room = len(data) - (self._received - HEADER_BYTES)
        self._parser.feed_data(data[:room])
        if self._status or self._failure:
            self._parser.feed_data(data[room:])
        else:
            self._failure, self._complete = Failure.ANSWER_TOO_LONG, True

    def _end(self) -> None:
        """Hand over what has come, and be free for the next request when the other side is."""
        waiter, self._waiter = self._waiter, None
        now = self._loop.time()
        if self._keep and not self._more and now < self._dies_at:
            self._deadline = now + IDLE_SECONDS
            if self._timer_at > self._deadline:
                self._set(self._deadline)
            self._owner.free(self)
        else:
            self.abort()
        assert waiter is not None
        if waiter.done():
            return
        if self._status:
            waiter.set_result(self._answer())
        else:
            waiter.set_exception(DeliveryFailed(self._failure or Failure.ANSWER_TOO_LONG, detail=HEADER_BYTES))

    def _answer(self) -> Answer:
        return _PLAIN[self._status] if self._retry_after is None else Answer(self._status, self._retry_after)


class _Headers:
    """Takes Retry-After out of an answer that has come already: most answers are read without looking at headers."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.retry_after: str | None = None
        self._ended = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._ended and name.lower() == b"retry-after":
            self.retry_after = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        self._ended = self._ended or self.parser.get_status_code() >= _OK
        if not self._ended:
            self.retry_after = None


def _retry_after(raw: bytes) -> str | None:
    headers = _Headers()
    # What is wrong is wrong behind the headers: they were read once before.
    with suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
        headers.parser.feed_data(raw)
    return headers.retry_after
