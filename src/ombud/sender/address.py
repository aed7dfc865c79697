"""Which addresses a delivery may be sent to. Decided on the address itself, after every name has been resolved.

The lists are those of the IANA special-purpose registries, and an address that embeds another is judged by both:
RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo), RFC 4291 (mapped and compatible).
`ipaddress.is_global` is no such filter: it is true for several addresses that lead inside.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from ombud.sender.verdict import Failure

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Where clouds hand out credentials: never reachable, whatever is allowed.
METADATA = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Google, Azure, OpenStack and most others
        "169.254.170.2",  # AWS: containers
        "169.254.170.23",  # AWS: pods
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",  # Google
        "168.63.129.16",  # Azure
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "fd00:c1::a9fe:a9fe",
        "169.254.42.42",  # Scaleway
        "fd00:42::42",
    )
)

_BLOCKED_V4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",
    )
]
_GLOBAL_V6 = IPv6Network("2000::/3")
_BLOCKED_V6 = [IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]

# Prefix, and how many bits stand behind the embedded IPv4 address.
_EMBEDDING = [
    (IPv6Network("::/96"), 0),  # compatible
    (IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (IPv6Network("::ffff:0:0:0/96"), 0),  # translated
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (IPv6Network("2002::/16"), 80),  # 6to4
    (IPv6Network("2001::/32"), 64),  # Teredo: the server
]
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_TEREDO = IPv6Network("2001::/32")


def refusal(address: Address, allowed: Sequence[Network]) -> Failure | None:
    """Return why nothing may be sent to this address, or None when it is fine.

    `allowed` lifts the rule for its ranges, except where credentials are handed out.
    """
    # A zone (%eth0) does not make it another address.
    itself = IPv6Address(int(address)) if isinstance(address, IPv6Address) else address
    faces = [itself, *embedded_addresses(itself)]
    if any(face in METADATA for face in faces):
        return Failure.ADDRESS_OF_CREDENTIALS
    if is_allowed(address, allowed):
        return None
    if getattr(address, "scope_id", None) is None and all(_is_public(face) for face in faces):
        return None
    return Failure.ADDRESS_PRIVATE


def is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    """Return whether the operator has named a range with this address in it."""
    return any(address in network for network in allowed if network.version == address.version)


def embedded_addresses(address: Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that packets to this IPv6 address may end up at."""
    if isinstance(address, IPv4Address):
        return []
    bits = int(address)
    found = [IPv4Address(bits >> shift & 0xFFFFFFFF) for network, shift in _EMBEDDING if address in network]
    if address in _TEREDO:
        found.append(IPv4Address(~bits & 0xFFFFFFFF))
    if address in _LOCAL_NAT64:
        # RFC 6052, 2.2: behind a prefix of 48, 56, 64 or 96 bits, with a byte of zeros in bits 64-71. Which of them a
        # network uses cannot be seen.
        found.append(IPv4Address((bits >> 64 & 0xFFFF) << 16 | (bits >> 40 & 0xFFFF)))
        found.append(IPv4Address((bits >> 64 & 0xFF) << 24 | (bits >> 32 & 0xFFFFFF)))
        found += [IPv4Address(bits >> shift & 0xFFFFFFFF) for shift in (24, 0)]
    return found


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _BLOCKED_V4)
    return address in _GLOBAL_V6 and not any(address in net for net in _BLOCKED_V6)
