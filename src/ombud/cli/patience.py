"""Connections whose request never comes to an end are closed: uvicorn itself waits for a request's head for ever."""

import asyncio
import resource
from functools import cache
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Seconds from the first byte of a request, or from the connection, until its headers must be complete: two packets in a
# row may get lost. Between requests uvicorn closes an idle connection after 5.
HEAD_SECONDS = 5.0
# Requests that may be without a complete head at once, from everywhere together: ten times what a burst of webhooks has
# on its way. One more, and the slowest one of the address with most of them is closed: honest heads come within
# milliseconds, and nobody else pays for who opens thousands of connections.
MOST_HEADS = 1_024


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, with a limit of time and of numbers for requests whose head is on its way."""

    head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._wait_for_head()

    def on_message_begin(self) -> None:
        """Begin to wait for this request's headers."""
        super().on_message_begin()
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        """Wait no longer."""
        self._end_wait()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._end_wait()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._end_wait()
        self.head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)
        _heads.add(self, self._address)
        if _heads.count > most_heads():
            slowest = _heads.slowest()
            slowest._end_wait()  # noqa: SLF001 - one of its own kind
            slowest.transport.abort()

    def _end_wait(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None
            _heads.remove(self, self._address)

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""


class _Heads:
    """The connections whose head is on its way, by the address they come from; of each address the slowest first."""

    def __init__(self) -> None:
        self.count = 0
        self._of: dict[str, dict[PatientProtocol, None]] = {}

    def add(self, one: PatientProtocol, address: str) -> None:
        self._of.setdefault(address, {})[one] = None
        self.count += 1

    def remove(self, one: PatientProtocol, address: str) -> None:
        mine = self._of[address]
        del mine[one]
        if not mine:
            del self._of[address]
        self.count -= 1

    def slowest(self) -> PatientProtocol:
        """Return the one to close."""
        most = max(self._of.values(), key=len)
        return next(iter(most))


# Of all servers of this process.
_heads = _Heads()


@cache
def most_heads() -> int:
    """Return how many heads may be on their way: never more than half of the files that this process may open."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_HEADS if files == resource.RLIM_INFINITY else min(MOST_HEADS, files // 2)
