"""Pages for browsers on this machine alone, and for forms that come from the pages themselves."""

import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What a page of another site cannot have as its own host, even by pointing its name at this machine; with any port.
_LOOPBACK_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.ASCII | re.IGNORECASE)

_POLICY = "style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


def page_headers(*, scripts: bool) -> dict[str, str]:
    """Return the headers that keep a browser to pages: nothing inline, nothing from elsewhere, no frame, no cache."""
    script = " script-src 'self'; connect-src 'self';" if scripts else ""
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": f"default-src 'none';{script} {_POLICY}",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


class LocalPages:
    """Pages behind the rules of this module. `place` is what they call themselves: "this shop"."""

    def __init__(self, app: ASGIApp, place: str, *, scripts: bool = False) -> None:
        """`scripts`: the pages bring script files of their own, which may ask the server they came from."""
        self._app = app
        self._place = place
        self._headers = page_headers(scripts=scripts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it with a sentence."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await (self._refusal(scope) or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        if not is_here(scope):
            return PlainTextResponse(
                f"The pages of {self._place} open on this machine alone: use http://127.0.0.1.\n", 421
            )
        if scope["method"] not in ("GET", "HEAD") and not comes_from_own_page(headers):
            return PlainTextResponse(
                f"This form was not sent by a page of {self._place}; open its page and try again.\n", 403
            )
        return None


def is_here(scope: Scope) -> bool:
    """Return whether a request comes from this machine and calls it by its loopback address."""
    return is_loopback(Headers(scope=scope).get("host", "")) and _is_peer_here(scope)


def is_loopback(host: str) -> bool:
    """Return whether a Host header names this machine by its loopback address; any port."""
    return _LOOPBACK_HOST.fullmatch(host) is not None


def comes_from_another_site(headers: Mapping[str, str]) -> bool:
    """Return whether a browser says so. Programs say nothing."""
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def comes_from_own_page(headers: Mapping[str, str]) -> bool:
    """Return whether a form was sent by a page of this same host and port.

    Origin decides; a browser that leaves it out says it by Sec-Fetch-Site, an old one by Referer.
    """
    host = headers.get("host", "")
    origin = headers.get("origin")
    if origin is not None:
        return _is_at(origin, host)
    if "sec-fetch-site" in headers:
        return not comes_from_another_site(headers)
    return _is_at(headers.get("referer", ""), host)


def _is_peer_here(scope: Scope) -> bool:
    """Return whether the connection comes from this machine: programs elsewhere can write any Host header."""
    client = scope.get("client")
    try:
        address = ip_address(client[0]) if client else None
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is None or address.is_loopback


def _is_at(url: str, host: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower() != ""
