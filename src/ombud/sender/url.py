"""The grammar of an endpoint's URL: parsed once, into the parts that the request is built from, and never again.

Whatever two parsers could read differently is refused (RFC 3986 is the base; spellings of addresses that only the
operating system's resolver accepts, such as `127.1`, are not hosts here).
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import idna

from ombud.errors import InvalidInput
from ombud.wire import reserved_parameter

# Longer ones fail in proxies and servers on the way (RFC 9110, 4.1 asks for 8,000; many stop at 2,048).
LONGEST_URL = 2_048
HIGHEST_PORT = 65_535
DEFAULT_PORTS = {"http": 80, "https": 443}

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#\[\]:@]+)(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?].*)?",
    re.IGNORECASE | re.ASCII,
)
# What RFC 3986 allows in a path and a query, percent-encoding included.
_REST = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?\[\]]|%[0-9A-Fa-f]{2})*")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True)
class EndpointUrl:
    """The parts of a URL. `host` is a lower-case ASCII name or an address; `target` is path and query as they came."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The Host header: the port is named only when it is not the scheme's own (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def check_endpoint_url(text: str, field: str = "url") -> EndpointUrl:
    """Parse the URL of an endpoint, whose query must leave our parameters to us; raises InvalidInput."""
    if len(text) > LONGEST_URL:
        raise InvalidInput(field, f"The URL has {len(text)} characters; {LONGEST_URL} is the most.")
    url = parse_url(text, field)
    name = reserved_parameter(url.target.partition("?")[2])
    if name is not None:
        raise InvalidInput(field, f"The query already has {name!r}, which the sender adds itself. Remove it there.")
    return url


def parse_url(text: str, field: str = "url") -> EndpointUrl:
    """Parse a URL into the parts of a request; raises InvalidInput that says what is wrong and how to mend it."""
    if re.search(r"[\x00-\x20\x7f-\x9f\\]", text):
        raise InvalidInput(
            field, "The URL has a space, a control character or a backslash. Percent-encode or remove it."
        )
    match = _URL.fullmatch(text)
    if not match or "#" in text:
        raise InvalidInput(field, _why_not_a_url(text))
    scheme = match["scheme"].lower()
    port = int(match["port"]) if match["port"] else DEFAULT_PORTS[scheme]
    if not 0 < port <= HIGHEST_PORT:
        raise InvalidInput(field, f"Port {port} does not exist: ports go from 1 to {HIGHEST_PORT}.")
    rest = match["rest"] or ""
    if not _REST.fullmatch(rest):
        raise InvalidInput(field, "The path or query has a character that must be percent-encoded, such as %20.")
    return EndpointUrl(scheme, _host(match["host"], field), port, rest if rest.startswith("/") else f"/{rest}")


def redacted(text: str) -> str:
    """Return a URL for people who need not know its secrets: scheme and host; path and query may hold a token."""
    try:
        url = parse_url(text)
    except InvalidInput:
        return "…"
    return f"{url.scheme}://{url.authority}/" + ("…" if url.target != "/" else "")


def _why_not_a_url(text: str) -> str:
    if "#" in text:
        return "The URL has a fragment (#…), which is never sent. Remove it."
    if "@" in text.partition("://")[2].partition("/")[0]:
        return "The URL has a user name or password. Put a secret into the path or the query instead."
    if not text.lower().startswith(("http://", "https://")):
        return "The URL must start with https:// or http://."
    return "This is not a URL. It looks like https://example.com/webhooks."


def _host(text: str, field: str) -> str:
    """Return the one spelling of a host that nothing downstream can read in another way."""
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1]))
        except ValueError:
            raise InvalidInput(field, f"{text} is not an IPv6 address.") from None
    name = text.lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise InvalidInput(field, f"{text!r} is not a host name: {error}.") from None
    name = name.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):  # noqa: PLR2004 - RFC 1035, 2.3.4
        raise InvalidInput(field, f"{text!r} is not a host name.")
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        try:
            return str(IPv4Address(name))
        except ValueError:
            raise InvalidInput(field, f"{text!r} is neither a host name nor an address like 192.0.2.1.") from None
    return name
