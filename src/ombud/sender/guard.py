"""Where a delivery may go: the one validator of an endpoint's URL, when it is entered and at every attempt.

A name is resolved here, all of its addresses are judged, and what was judged is what is connected to.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from ombud.errors import InvalidInput, NetworkError
from ombud.sender.address import Address, Network, is_allowed, refusal
from ombud.sender.resolver import Found, Resolver
from ombud.sender.url import EndpointUrl, check_endpoint_url
from ombud.sender.verdict import DestinationRefused, Failure

# The ports of the web, and those beside them that are commonly used for it. Behind others are mail, shells, databases.
PORTS = frozenset({80, 443, 8080, 8443})
# Seconds that a person waits, at most, for a name to be resolved when an endpoint is entered.
CHECK_SECONDS = 5.0
# Hosts and ports whose verdict is kept; past it all are judged anew.
VERDICTS = 20_000


@dataclass(frozen=True, slots=True)
class Vetted:
    """Addresses that a delivery may connect to until `expires` (on the loop's clock), in the resolver's order."""

    addresses: tuple[str, ...]
    expires: float


class Guard:
    """The rules of an installation. For one event loop."""

    def __init__(
        self, allowed: Sequence[Network] = (), resolver: Resolver | None = None, ports: Collection[int] = PORTS
    ) -> None:
        """`allowed` lifts the rules on addresses and ports for its ranges, except where credentials are handed out."""
        self._allowed = tuple(allowed)
        self._resolver = resolver or Resolver()
        self._ports = ports
        self._vetted: dict[tuple[str, int], Vetted] = {}

    def check(self, text: str, field: str = "url") -> EndpointUrl:
        """Parse the URL of an endpoint and judge what can be judged without its name; raises InvalidInput."""
        url = check_endpoint_url(text, field)
        literal = _literal(url.host)
        refused = None
        if literal is not None:
            refused = self._refusal(url, [literal])
        elif not self._allowed and url.port not in self._ports:
            refused = DestinationRefused(Failure.PORT_REFUSED, port=url.port)
        if refused is not None:
            raise InvalidInput(field, str(refused))
        return url

    async def check_now(self, text: str, field: str = "url") -> EndpointUrl:
        """Check, and judge what the name leads to now; raises InvalidInput within CHECK_SECONDS.

        A name that has no address yet is accepted: every attempt asks anew.
        """
        url = self.check(text, field)
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self.vet(url)
        except DestinationRefused as error:
            raise InvalidInput(field, str(error)) from None
        except (NetworkError, TimeoutError):
            pass
        return url

    def last_vetted(self, key: tuple[str, int]) -> Vetted | None:
        """Return what was found of a host and port last, also when it is to be looked up anew."""
        return self._vetted.get(key)

    def last_known(self, url: EndpointUrl) -> tuple[str, ...]:
        """Return the addresses that this URL led to last; none when nobody has asked."""
        vetted = self._vetted.get((url.host, url.port))
        if vetted is not None:
            return vetted.addresses
        return (url.host,) if _literal(url.host) is not None else ()

    def known(self, url: EndpointUrl, now: float) -> Vetted | None:
        """Return where this URL may be sent to as far as it is known at this time of the loop's clock."""
        vetted = self._vetted.get((url.host, url.port))
        return vetted if vetted is not None and now < vetted.expires else None

    async def vet(self, url: EndpointUrl) -> Vetted:
        """Resolve the host and judge all of its addresses.

        Raises DestinationRefused when any one of them may not be sent to, DeliveryFailed when the name has none.
        """
        literal = _literal(url.host)
        found = Found((literal,), float("inf")) if literal is not None else await self._resolver.look_up(url.host)
        refused = self._refusal(url, found.addresses)
        if refused is not None:
            raise refused
        if len(self._vetted) >= VERDICTS:
            self._vetted.clear()
        vetted = self._vetted[url.host, url.port] = Vetted(tuple(map(str, found.addresses)), found.expires)
        return vetted

    def close(self) -> None:
        """Let go of the resolver's thread and socket."""
        self._resolver.close()

    def _refusal(self, url: EndpointUrl, addresses: Sequence[Address]) -> DestinationRefused | None:
        for address in addresses:
            failure = refusal(address, self._allowed)
            if failure is None and url.port not in self._ports and not is_allowed(address, self._allowed):
                failure = Failure.PORT_REFUSED
            if failure is not None:
                place = f"{address} is" if url.host == str(address) else f"{url.host} is at {address},"
                return DestinationRefused(failure, place=place, port=url.port)
        return None


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
