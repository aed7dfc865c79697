"""How many requests a key may make: a bucket for each, told in every answer (draft-ietf-httpapi-ratelimit-headers).

`POST /v1/events` is not counted: there the queue of writes is the limit, and OMBUD_EVENTS_PER_SECOND.
"""

import math
import time
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ombud.web.auth import CALLER
from ombud.web.brakes import Brake
from ombud.web.problems import problem

# Requests of one key: at once, and for each second. A script that pages through everything stays below it.
BURST = 2_000
PER_SECOND = 200

POLICY = f'"key";q={BURST};w={BURST // PER_SECOND}'
_TOO_MANY = f"This key makes more than {PER_SECOND} requests a second. Wait, as Retry-After says."


class LimitRate:
    """ASGI middleware behind RequireKey: answers 429 to a key that asks too often."""

    def __init__(self, app: ASGIApp, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._keys = Brake(BURST, 1 / PER_SECOND, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request and pass it on, or not."""
        caller = scope.get(CALLER)
        if caller is None:
            await self._app(scope, receive, send)
            return
        name = caller.name
        wait = self._keys.wait(name)
        if not wait:
            self._keys.take(name)
        left = self._keys.left(name)

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["RateLimit-Policy"] = POLICY
                headers["RateLimit"] = f'"key";r={left};t={math.ceil((BURST - left) / PER_SECOND)}'
            await send(message)

        refused = problem(429, _TOO_MANY, headers={"Retry-After": str(max(1, math.ceil(wait)))})
        await (refused if wait else self._app)(scope, receive, send_counted)
