"""Connections whose request never comes to an end are closed: uvicorn itself waits for a request's head for ever."""

import asyncio
import resource
from functools import cache
from itertools import takewhile
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Seconds from the connection, or from the first byte of a later request, until its headers must be complete: two
# packets in a row may get lost. Between requests uvicorn closes an idle connection after 5.
HEAD_SECONDS = 5.0
# Requests that may be without a complete head at once, from everywhere together: ten times what a burst of webhooks has
# on its way. One more, and the slowest one of the address with most of them is closed: honest heads come within
# milliseconds, and nobody else pays for who opens thousands of connections.
MOST_HEADS = 1_024


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, with a limit of time and of numbers for requests whose head is on its way."""

    waits_for_head = False
    address = ""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._wait_for_head()

    def on_message_begin(self) -> None:
        """Begin to wait for this request's headers, unless this is the connection's first."""
        super().on_message_begin()
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        """Wait no longer."""
        self.end_wait()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self.end_wait()
        super().connection_lost(exc)

    def end_wait(self) -> None:
        """Wait no longer for a head."""
        if self.waits_for_head:
            self.waits_for_head = False
            _heads.remove(self)

    def _wait_for_head(self) -> None:
        if self.waits_for_head:
            return
        self.waits_for_head = True
        _heads.add(self)
        if _heads.count > most_heads():
            _heads.slowest().cut()

    def cut(self) -> None:
        """Close the connection at once."""
        self.end_wait()
        self.transport.abort()


class _Heads:
    """The connections whose head is on its way, by the address they come from; of each address the slowest first.

    One timer is for all of them: one for each would be a good part of what a connection costs.
    """

    def __init__(self) -> None:
        # Since when, on the loop's clock, the slowest first.
        self._since: dict[PatientProtocol, float] = {}
        self._of: dict[str, dict[PatientProtocol, None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def count(self) -> int:
        return len(self._since)

    def add(self, one: PatientProtocol) -> None:
        self._since[one] = one.loop.time()
        self._of.setdefault(one.address, {})[one] = None
        if self._timer is None or self._loop is not one.loop:
            self._loop = one.loop
            self._timer = one.loop.call_later(HEAD_SECONDS, self._cut_late_ones, one.loop)

    def remove(self, one: PatientProtocol) -> None:
        del self._since[one]
        mine = self._of[one.address]
        del mine[one]
        if not mine:
            del self._of[one.address]

    def slowest(self) -> PatientProtocol:
        """Return the one to close."""
        most = max(self._of.values(), key=len)
        return next(iter(most))

    def _cut_late_ones(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, now = None, loop.time()
        late = [one for one, since in takewhile(lambda item: item[1] + HEAD_SECONDS <= now, self._since.items())]
        for one in late:
            one.cut()
        if self._since:
            slowest = next(iter(self._since.values()))
            self._timer = loop.call_later(slowest + HEAD_SECONDS - now, self._cut_late_ones, loop)


# Of all servers of this process.
_heads = _Heads()


@cache
def most_heads() -> int:
    """Return how many heads may be on their way: never more than half of the files that this process may open."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_HEADS if files == resource.RLIM_INFINITY else min(MOST_HEADS, files // 2)
