"""Names to addresses, without a thread or a socket for each: c-ares asks, on one thread of its own that never waits.

The system's `getaddrinfo` blocks for up to half a minute, so a thousand names whose servers hang would need a thousand
threads. Here they are a thousand entries of a table, and delay no other name.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address

import pycares

from ombud.sender.address import Address
from ombud.sender.verdict import DeliveryFailed, Failure

# Seconds for one name: half of an attempt's time, so that a slow answer leaves the endpoint the other half.
LOOKUP_SECONDS = 5.0
# Seconds until a silent name server is asked again, at first: c-ares learns from its answers, and doubles each round.
QUERY_SECONDS = 1.0
QUERY_ROUNDS = 4
# Seconds that addresses are used without asking again: as long as the name says (its TTL), but never longer than this.
LONGEST_ANSWER_SECONDS = 30.0
# Seconds that a failure is believed. "There is none" for less than the first retry's pause, so that every retry asks;
# silent name servers for longer, because each look costs an attempt LOOKUP_SECONDS.
NO_ANSWER_SECONDS = 4.0
SILENCE_SECONDS = 15.0
# Seconds for one channel. A channel keeps what it was told, "there is none" for an hour; a new one knows nothing, and
# reads the system's configuration anew. After a failure there is a new one as soon as that is not believed any more.
CHANNEL_SECONDS = 15.0
# Names that are asked for at once; past it they queue. Each is a few kilobytes.
LOOKUPS = 4_096
# Names remembered, expired ones included; past it all are forgotten. Each is a few hundred bytes.
NAMES = 20_000

_FAILURES = {
    pycares.errno.ARES_ENOTFOUND: Failure.NAME_UNKNOWN,
    pycares.errno.ARES_EBADNAME: Failure.NAME_UNKNOWN,
    pycares.errno.ARES_ENODATA: Failure.NAME_WITHOUT_ADDRESS,
    pycares.errno.ARES_ETIMEOUT: Failure.NAME_TIMEOUT,
}


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a name until `expires` (on the loop's clock): its addresses, or why it has none."""

    addresses: tuple[Address, ...]
    expires: float
    failure: Failure | None = None
    detail: str = ""


class _Lookup:
    """A name that is being asked for, and everybody who waits for it."""

    __slots__ = ("timer", "waiting")

    def __init__(self) -> None:
        self.waiting: set[asyncio.Future[Found]] = set()
        self.timer: asyncio.TimerHandle | None = None


class Resolver:
    """Looks names up and remembers them for a little while. For one event loop."""

    def __init__(self, servers: Sequence[str] = ()) -> None:
        """`servers` (`192.0.2.1:53`) stand in for those of the system's configuration."""
        self._servers = servers
        self._known: dict[str, Found] = {}
        self._lookups: dict[str, _Lookup] = {}
        self._queue: deque[str] = deque()
        self._asked = 0
        self._channel: pycares.Channel | None = None
        self._channel_until = 0.0

    def known(self, host: str, now: float) -> Found | None:
        """Return what is known of a name at this time of the loop's clock, without asking."""
        found = self._known.get(host)
        return found if found is not None and now < found.expires else None

    async def look_up(self, host: str) -> Found:
        """Return the addresses of a name, at least one. Raises DeliveryFailed within LOOKUP_SECONDS."""
        loop = asyncio.get_running_loop()
        found = self.known(host, loop.time()) or await self._wait(host, loop)
        if found.failure is not None:
            raise DeliveryFailed(found.failure, host=host, detail=found.detail)
        return found

    def close(self) -> None:
        """Let go of thread and socket; a later look-up begins anew."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    async def _wait(self, host: str, loop: asyncio.AbstractEventLoop) -> Found:
        lookup = self._lookups.get(host)
        if lookup is None:
            lookup = self._lookups[host] = _Lookup()
            lookup.timer = loop.call_later(LOOKUP_SECONDS, self._fall_silent, host, lookup)
            self._queue.append(host)
            self._ask(loop)
        waiter: asyncio.Future[Found] = loop.create_future()
        lookup.waiting.add(waiter)
        try:
            return await waiter
        finally:
            lookup.waiting.discard(waiter)

    def _ask(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._queue and self._asked < LOOKUPS:
            host = self._queue.popleft()
            lookup = self._lookups.get(host)
            if lookup is not None:
                self._asked += 1
                answered = partial(self._hand_over, loop, host, lookup)
                self._fresh_channel(loop.time()).getaddrinfo(host, None, type=socket.SOCK_STREAM, callback=answered)

    def _fresh_channel(self, now: float) -> pycares.Channel:
        if self._channel is None or now >= self._channel_until:
            # The old one ends by itself, when the last of its look-ups has.
            self._channel = pycares.Channel(servers=self._servers or None, timeout=QUERY_SECONDS, tries=QUERY_ROUNDS)
            self._channel_until = now + CHANNEL_SECONDS
        return self._channel

    def _hand_over(
        self,
        loop: asyncio.AbstractEventLoop,
        host: str,
        lookup: _Lookup,
        result: pycares.AddrInfoResult | None,
        error: int | None,
    ) -> None:
        """Bring an answer from the thread of c-ares to the loop; the loop may be gone, with all who waited."""
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._answered, host, lookup, result, error)

    def _answered(self, host: str, lookup: _Lookup, result: pycares.AddrInfoResult | None, error: int | None) -> None:
        loop = asyncio.get_running_loop()
        self._asked -= 1
        found = _found(result, error, loop.time())
        if found.failure is not None:
            self._channel_until = min(self._channel_until, found.expires)
        self._settle(host, lookup, found)
        self._ask(loop)

    def _fall_silent(self, host: str, lookup: _Lookup) -> None:
        expires = asyncio.get_running_loop().time() + SILENCE_SECONDS
        self._settle(host, lookup, Found((), expires, Failure.NAME_TIMEOUT))

    def _settle(self, host: str, lookup: _Lookup, found: Found) -> None:
        if self._lookups.get(host) is not lookup:
            # Too late: whoever waited has been told that the servers are silent.
            return
        assert lookup.timer is not None
        lookup.timer.cancel()
        del self._lookups[host]
        if len(self._known) >= NAMES:
            self._known.clear()
        self._known[host] = found
        for waiter in lookup.waiting:
            if not waiter.done():
                waiter.set_result(found)


def _found(result: pycares.AddrInfoResult | None, error: int | None, now: float) -> Found:
    if result is not None and result.nodes:
        seconds = min(LONGEST_ANSWER_SECONDS, *(node.ttl for node in result.nodes))
        return Found(tuple(dict.fromkeys(_address(node.addr) for node in result.nodes)), now + seconds)
    failure = _FAILURES.get(error, Failure.NAME_SERVER_FAILED) if error else Failure.NAME_WITHOUT_ADDRESS
    seconds = SILENCE_SECONDS if failure is Failure.NAME_TIMEOUT else NO_ANSWER_SECONDS
    return Found((), now + seconds, failure, _said(error))


def _said(error: int | None) -> str:
    text = pycares.errno.strerror(error) if error else ""
    return text if isinstance(text, str) else text.decode("ascii", "replace")


def _address(socket_address: tuple[bytes | int, ...]) -> Address:
    """Read an address as c-ares gives it; one that is good on one interface alone comes with its zone."""
    host, zone = socket_address[0], socket_address[3:]
    assert isinstance(host, bytes)
    text = host.decode("ascii")
    return ip_address(f"{text}%{int(zone[0])}" if zone and zone[0] else text)
