"""What the dials do to requests: an API that is not itself, and an endpoint that answers as it is told."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ombud.shop.trouble import Trouble

# Seconds: longer than nobody notices, and longer than a sender waits (10).
SLOW_SECONDS = 3.0
TOO_LATE_SECONDS = 12.0

_ANSWERS: Mapping[str, Response] = {
    "busy": JSONResponse({"code": 429, "error": "Too many requests."}, 429, {"Retry-After": "2"}),
    "down": JSONResponse({"code": 503, "error": "The shop is down."}, 503),
    "garbage": HTMLResponse("<h1>We will be back soon</h1>"),
    "refused": JSONResponse({"code": 401, "error": "The key is not good."}, 401),
}


class TroubledApi:
    """The API behind its dial."""

    def __init__(self, app: ASGIApp, trouble: Trouble, *, slow_seconds: float = SLOW_SECONDS) -> None:
        self._app = app
        self._trouble = trouble
        self._slow_seconds = slow_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the dial says."""
        place = self._trouble.places.api
        if place == "slow":
            await asyncio.sleep(self._slow_seconds)
        await _ANSWERS.get(place, self._app)(scope, receive, send)


class TriedEndpoint:
    """An endpoint for webhooks, which forgets them."""

    def __init__(self, trouble: Trouble, *, late_seconds: float = TOO_LATE_SECONDS) -> None:
        self._trouble = trouble
        self._late_seconds = late_seconds

    async def answer(self, _: Request) -> Response:
        """Answer as the dial says."""
        place = self._trouble.places.endpoint
        if place == "slow":
            await asyncio.sleep(self._late_seconds)
        if place.isdecimal():
            headers = {"Retry-After": "5"} if place == "429" else None
            return PlainTextResponse("not now\n", int(place), headers)
        return PlainTextResponse("OK\n")
