"""How the text of a setting becomes a value: each raises ValueError with words that say what it should look like."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from ombud.errors import ConfigurationError

Network = IPv4Network | IPv6Network
# A range of addresses, or the word for whoever comes through a socket in the file system.
TrustedProxy = Network | str
SOCKET = "unix"

# A longer pause, or more retries than this, is a typing error: together they last a year.
LONGEST_RETRY_SECONDS = 86_400.0
MOST_RETRIES = 365
# An endpoint that takes longer works before it answers, and every one of them holds a slot.
LONGEST_TIMEOUT_SECONDS = 120.0
# How long nobody delivers for a node that died; and how long nothing is said of what is wrong.
LONGEST_LEASE_SECONDS = 3_600.0
LONGEST_ALARM_SECONDS = 31_536_000.0
# A field of a document, or a field of its parts: `images.*.image`.
FIELD = re.compile(r"(?!\*)[\w*-]+(\.[\w*-]+)*")
# Bits at least of an allowed range: 10.0.0.0/8 and fc00::/7 are the widest that anybody has for themselves.
WIDEST_RANGE = {4: 8, 6: 7}


def text(value: str) -> str:
    """Read what must not be empty."""
    if not value:
        raise ValueError("it is empty")
    return value


def one_of(*words: str) -> Callable[[str], str]:
    """Read one of a few words."""

    def parse(value: str) -> str:
        if value not in words:
            raise ValueError(f"it is one of: {', '.join(words)}")
        return value

    return parse


def api_url(value: str) -> str:
    """Read the address of a shop's API. A mistaken one may hold the key, and is not shown."""
    text(value)
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
        good = good and not parts.query and not parts.fragment
    except ValueError:
        good = False
    if not good:
        raise ConfigurationError(
            "OMBUD_API_URL: its value cannot be used: it is the address of the shop's API, without user, query and"
            " fragment: https://api.quickbutik.com/v1."
        )
    return value


def public_url(value: str) -> str:
    """Read an address of this installation."""
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.netloc or "@" in parts.netloc or parts.path.strip("/") or parts.query:
        raise ValueError("it is an address with https:// and no path: https://ombud.example.com")
    return f"https://{parts.netloc.lower()}"


def issuer(value: str) -> str:
    """Read the address of an OpenID provider."""
    parts = urlsplit(value)
    here = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    secure = parts.scheme == "https" or here
    if not secure or not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("it is the provider's address with https://, as the provider writes it")
    return value


def domain(roles: Sequence[str]) -> Callable[[str], tuple[str, str]]:
    """Read a domain and the role of whoever has an address there."""

    def parse(value: str) -> tuple[str, str]:
        name, _, role = value.partition(":")
        if not name or "@" in name or role not in roles:
            raise ValueError(f"it is a domain and one of {', '.join(roles)}: example.com:reader")
        return name.casefold(), role

    return parse


def _number(value: str) -> float:
    """Return a number; not a number for what is none, so that the words of a limit say it."""
    try:
        return float(value)
    except ValueError:
        return math.nan


def positive(most: float) -> Callable[[str], float]:
    """Read a number above 0."""

    def parse(value: str) -> float:
        number = _number(value)
        if not 0 < number <= most:
            raise ValueError(f"it is a number above 0, {most:.0f} at most")
        return number

    return parse


def retries(presets: Mapping[str, tuple[float, ...]]) -> Callable[[str], tuple[float, ...]]:
    """Read a list of seconds, or the name of one."""

    def parse(value: str) -> tuple[float, ...]:
        preset = presets.get(value.strip())
        if preset is None and value.strip().isalpha():
            raise ValueError(f"it is a list of seconds, or one of: {', '.join(presets)}")
        return seconds_list(value) if preset is None else preset

    return parse


def seconds_list(value: str) -> tuple[float, ...]:
    """Read spans, separated by commas."""
    seconds = tuple(map(_number, value.split(","))) if value.strip() else ()
    if len(seconds) > MOST_RETRIES or not all(0 <= number <= LONGEST_RETRY_SECONDS for number in seconds):
        raise ValueError(f"it is a list of at most {MOST_RETRIES} numbers from 0 to 86400: 5,30,300")
    return seconds


def _pair(fits: Callable[[float, float], bool], words: str, *, empty: bool = False) -> Callable[[str], Any]:
    def parse(value: str) -> tuple[float, ...]:
        seconds = seconds_list(value)
        if (seconds or not empty) and (len(seconds) != 2 or not fits(*seconds)):  # noqa: PLR2004 - a pair
            raise ValueError(words)
        return seconds

    return parse


probes = _pair(lambda a, b: 0 < a <= b, "it is two numbers above 0, the first and the longest pause: 5,300")
quiet = _pair(lambda a, b: a <= b, "it is two numbers from 0, the pause and how long it may be put off: 2,10")
sweeps = _pair(
    lambda a, b: min(a, b) > 0,
    "it is two numbers above 0, between two lists of orders and of products, or nothing: 300,3600",
    empty=True,
)


def paths(value: str) -> tuple[str, ...]:
    """Read fields of documents, separated by commas."""
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    if not all(FIELD.fullmatch(path) for path in found):
        raise ValueError("it is a list of fields, those of parts behind a point and * for each: views,images.*.image")
    return found


def whole(least: int, most: int) -> Callable[[str], int]:
    """Read a whole number within limits."""

    def parse(value: str) -> int:
        number = int(value) if value.strip().isdecimal() else least - 1
        if not least <= number <= most:
            raise ValueError(f"it is a whole number from {least} to {most}")
        return number

    return parse


def networks(value: str) -> tuple[Network, ...]:
    """Read ranges of addresses that somebody has for themselves, separated by commas."""
    found = tuple(_network(part.strip()) for part in value.split(",") if part.strip())
    for network in found:
        if network.prefixlen < WIDEST_RANGE[network.version]:
            raise ValueError(f"{network} is more than one house owns, and opens every network inside; name your ranges")
    return found


def proxies(value: str) -> tuple[TrustedProxy, ...]:
    """Read ranges of addresses, and SOCKET."""
    parts = [part.strip() for part in value.split(",") if part.strip()]
    return tuple(part if part == SOCKET else _network(part) for part in parts)


def _network(text: str) -> Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no range; it is a list of them: 10.1.0.0/16,fd00:1::/64") from None
    if network.network_address != ip_address(text.partition("/")[0]):
        raise ValueError(f"{text} begins within a range; the whole of it is {network}")
    return network
