"""Where a request comes from: the peer, or what trusted proxies say of it. Pure.

`X-Forwarded-For` is text that anybody may send. It is believed only as far as trusted proxies have written it: from
its right end, each address was written by the one to its right, and the last by the peer itself.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from ombud.setting_values import SOCKET, Network, TrustedProxy

# A peer that has no address: it came through a socket of this machine's file system.
NO_ADDRESS = "socket"
# What cannot be read: a proxy that is trusted has passed on text that is no address.
UNREADABLE = "unreadable"
# Addresses of one header that are looked at: more proxies in a row are a mistake or an attack.
MOST_HOPS = 20
# Requests come from few peers; each is looked at once.
REMEMBER = 4_096


@lru_cache(REMEMBER)
def source_of(peer: str, forwarded: str, trusted: Sequence[TrustedProxy]) -> str:
    """Return the address that a request comes from; `socket` or `unreadable` when there is none.

    `peer`: the other end of the connection, empty for a socket in the file system. `forwarded`: the values of
    X-Forwarded-For, joined by commas.
    """
    here = _canonical(peer) if peer else NO_ADDRESS
    hops = [hop for hop in forwarded.rsplit(",", MOST_HOPS)[-MOST_HOPS:] if hop.strip()]
    while is_trusted(here, trusted) and hops:
        here = _canonical(hops.pop())
    return here


def is_trusted(address: str, trusted: Sequence[TrustedProxy]) -> bool:
    """Return whether an address is one of a proxy that is trusted."""
    if address == NO_ADDRESS:
        return SOCKET in trusted
    return is_within(address, [one for one in trusted if not isinstance(one, str)])


def is_within(address: str, ranges: Sequence[Network]) -> bool:
    """Return whether an address, as `source_of` returns it, is in one of these ranges."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in one for one in ranges)


def _canonical(text: str) -> str:
    """Return an address in its one spelling, without port, brackets and zone."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return UNREADABLE
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address)
