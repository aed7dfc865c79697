"""From a URL to the addresses that a delivery may connect to: resolved here, all of them judged, at every attempt."""

import asyncio
import queue
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from ipaddress import ip_address

from ombud.errors import NetworkError, Refused
from ombud.sender.address import Address, Network, refusal
from ombud.sender.url import EndpointUrl

# Threads that may wait for the system's resolver at once: it takes up to half a minute with name servers that hang, and
# they must delay no other name. As many as deliveries in flight; made when needed, and kept.
RESOLVER_THREADS = 512


class _Resolver:
    """Asks the system's resolver from threads of its own, which hold neither a name nor the exit of the process."""

    def __init__(self) -> None:
        self._wanted: queue.SimpleQueue[tuple[str, Future[list[str]]]] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads = 0

    async def look_up(self, host: str) -> list[str]:
        answer: Future[list[str]] = Future()
        self._wanted.put((host, answer))
        if not self._idle.acquire(blocking=False) and self._threads < RESOLVER_THREADS:
            self._threads += 1
            threading.Thread(target=self._answer, name="ombud-resolver", daemon=True).start()
        return await asyncio.wrap_future(answer)

    def _answer(self) -> None:
        while True:
            host, answer = self._wanted.get()
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(_look_up(host))
                except Exception as error:  # noqa: BLE001 - whoever asked gets it
                    answer.set_exception(error)
            self._idle.release()


_resolver = _Resolver()


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
    try:
        answers = await _resolver.look_up(host)
    except socket.gaierror as error:
        raise NetworkError(f"The name {host} could not be resolved ({error.strerror}).") from None
    except UnicodeError:
        raise NetworkError(f"The name {host} could not be resolved (it is not a valid name).") from None
    return list(dict.fromkeys(ip_address(answer) for answer in answers))


def _look_up(host: str) -> list[str]:
    return [str(answer[4][0]) for answer in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
