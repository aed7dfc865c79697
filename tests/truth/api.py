"""The API of a pretend shop in trouble: old copies, 429, failures, and changes while a read is on its way."""

import asyncio
import json
import random
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECOND = 1_000_000
# What the API says while it is in trouble: the status and the headers.
TROUBLE: tuple[tuple[int, tuple[tuple[bytes, bytes], ...]], ...] = (
    (500, ()),
    (503, ()),
    (503, ((b"retry-after", b"3"),)),
    (429, ()),
    (429, ((b"retry-after", b"7"),)),
)


class Api:
    """What stands before the shop's API; only reads of the receiver suffer."""

    def __init__(self, clock: Callable[[], int], chance: random.Random) -> None:
        self._clock = clock
        self._chance = chance
        self._app: ASGIApp | None = None
        self._old: dict[str, tuple[Any, int]] = {}
        self._down_until = 0
        # Called once while the next read of this subject is on its way, after its answer was made.
        self.during: dict[str, Callable[[], None]] = {}
        # What of that has failed: it may have happened all the same, and nobody knows what the shop is.
        self.failures: list[BaseException] = []
        self.reads = 0
        self.healthy = False

    def before(self, app: ASGIApp) -> "Api":
        self._app = app
        return self

    def remember(self, subject: str, document: Any, seconds: float) -> None:
        """Let a copy answer so for a while."""
        self._old[subject] = (document, self._clock() + round(seconds * SECOND))

    def break_down(self, seconds: float) -> None:
        self._down_until = self._clock() + round(seconds * SECOND)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._app is not None
        agent = dict(scope.get("headers", ())).get(b"x-driver")
        if scope["type"] != "http" or scope["method"] != "GET" or agent is not None or self.healthy:
            await self._app(scope, receive, send)
            return
        self.reads += 1
        if self._clock() < self._down_until:
            status, headers = self._chance.choice(TROUBLE)
            await _answer(send, status, {"code": status, "error": "trouble"}, headers)
            return
        subject = _subject(scope["query_string"].decode())
        if not subject and scope["path"].endswith("/products"):
            await self._app(scope, receive, self._paged(send))
            return
        document = self._old_copy(subject)
        if document is not None:
            await _answer(send, 200, document)
            return
        await self._app(scope, receive, self._interrupted(subject, send))

    def _old_copy(self, subject: str) -> Any:
        document, until = self._old.get(subject, (None, 0))
        return document if self._clock() < until and self._chance.random() < 0.6 else None

    def _paged(self, send: Send) -> Send:
        """Show some products of a page as they were, and change some while it is on its way."""

        async def late(message: Message) -> None:
            if message["type"] == "http.response.body":
                page = json.loads(message["body"])["product"]
                shown = [(self._old_copy(f"product/{one['id']}") or {"product": one})["product"] for one in page]
                acts = [self.during.pop(f"product/{one['id']}", None) for one in page]
                for act in filter(None, acts):
                    await self._beside(act)
                await _answer(send, 200, {"product": shown})

        return late

    def _interrupted(self, subject: str, send: Send) -> Send:
        act = self.during.pop(subject, None)
        if act is None:
            return send

        async def late(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._beside(act)
            await send(message)

        return late

    async def _beside(self, act: Callable[[], None]) -> None:
        """Do it in a thread of its own: it waits for the shop, which reads in the few threads that the loop keeps."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def run() -> None:
            try:
                act()
            except BaseException as error:  # noqa: BLE001 - raised where the history is lived through
                self.failures.append(error)
            loop.call_soon_threadsafe(done.set_result, None)

        threading.Thread(target=run, daemon=True).start()
        await asyncio.shield(done)


def _subject(query: str) -> str:
    values = parse_qs(query)
    for kind in ("order", "product"):
        if f"{kind}_id" in values:
            return f"{kind}/{values[f'{kind}_id'][0]}"
    return ""


async def _answer(send: Send, status: int, value: Any, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    body = json.dumps(value).encode()
    given = [(b"content-type", b"application/json"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": given})
    await send({"type": "http.response.body", "body": body})
