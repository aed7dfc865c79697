"""From a URL to the addresses that a delivery may connect to: resolved here, all of them judged, at every attempt."""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from ombud.errors import NetworkError, Refused
from ombud.sender.address import Address, Network, refusal
from ombud.sender.url import EndpointUrl

# Threads that may wait for the system's resolver at once. They are apart from every other pool, so that a name server
# that hangs delays names alone.
RESOLVER_THREADS = 16

_resolver = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="ombud-resolver")


async def vet(url: EndpointUrl, allowed: Sequence[Network]) -> list[Address]:
    """Resolve the host and return its addresses, in the resolver's order.

    Raises Refused when any one of them may not be sent to, NetworkError when the name has none.
    """
    addresses = await _resolve(url.host)
    for address in addresses:
        if reason := refusal(address, allowed):
            shown = f"{url.host} is at {address}. " if url.host != str(address) else ""
            raise Refused(f"{shown}{reason} An operator may allow a range with OMBUD_ALLOW_NETWORKS.")
    return addresses


async def _resolve(host: str) -> list[Address]:
    try:
        return [ip_address(host)]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        answers = await loop.run_in_executor(_resolver, _look_up, host)
    except socket.gaierror as error:
        raise NetworkError(f"The name {host} could not be resolved ({error.strerror}).") from None
    except UnicodeError:
        raise NetworkError(f"The name {host} could not be resolved (it is not a valid name).") from None
    return list(dict.fromkeys(ip_address(answer) for answer in answers))


def _look_up(host: str) -> list[str]:
    return [str(answer[4][0]) for answer in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
