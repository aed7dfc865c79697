"""What every answer of the REST APIs says to whoever carries or shows it: keep no copy, and believe its type."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ombud.web.gate import STRICT_TRANSPORT, Place

# A secret may be in any of them, and a cache would answer for us when we have other news.
_HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
_SECURE = [*_HEADERS, (b"strict-transport-security", STRICT_TRANSPORT.encode())]


class ApiHeaders:
    """ASGI middleware; `place`: where there is TLS."""

    def __init__(self, app: ASGIApp, place: Place) -> None:
        self._app = app
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add to its answer."""

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = _SECURE if self._place.is_secure(scope) else _HEADERS
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        await self._app(scope, receive, send_more)
