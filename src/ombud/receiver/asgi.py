"""The ack path under ASGI: the event loop never waits for the disk."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from ombud.errors import OmbudError
from ombud.receiver.hook import NOT_STORED, OK, Asked, Reply, token_of, write_notes
from ombud.receiver.source import source_of
from ombud.settings import TrustedProxy

if TYPE_CHECKING:
    from ombud.receiver.inbox import Inbox

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

log = logging.getLogger("ombud.receiver")


class AsgiHook:
    """An ASGI app: the last segment of the path is the token."""

    def __init__(self, inbox: "Inbox") -> None:
        self._inbox = inbox
        self._told_of_lazy_start = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or follow the server's lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            reply = await self._answer(scope)
            headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers]
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            body = b"" if scope["method"] == "HEAD" else reply.text.encode()
            await send({"type": "http.response.body", "body": body})
            if self._inbox.is_open:
                await self._write_notes()
            if reply is OK:
                await self._start_lazily()
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})

    async def _answer(self, scope: Scope) -> Reply:
        try:
            hook = self._inbox.hook if self._inbox.is_open else await asyncio.to_thread(lambda: self._inbox.hook)
            token = token_of(scope["path"])
            receiver = self._inbox.receiver
            shop = hook.recall(token) or await receiver.database.fetch(lambda: hook.learn(token))
            judged = hook.judge(shop, _asked(scope, receiver.settings.trusted_proxies))
            if isinstance(judged, Reply):
                return judged
            await receiver.writer.add(receiver.arrivals.append, judged)
        except OmbudError as error:
            log.warning("an arrival was not stored: %s", error)
            return NOT_STORED
        return OK

    async def _write_notes(self) -> None:
        """Once in a while, and after the answer: what was stored is stored."""
        if notes := self._inbox.hook.take_notes():
            with contextlib.suppress(OmbudError):
                await self._inbox.receiver.writer.write(lambda: write_notes(notes))

    async def _start_lazily(self) -> None:
        """A mounted app gets no lifespan from its host: work would wait for nobody, so begin now, and say so.

        After the answer: what was stored is stored, whether the work can begin or not.
        """
        if self._inbox.started or self._told_of_lazy_start:
            return
        self._told_of_lazy_start = True
        log.warning(
            "the inbox starts with its first webhook, so what waited since the last stop has waited until now."
            " Start it with the app: lifespan=inbox.lifespan, or run `ombud work`."
        )
        try:
            await asyncio.to_thread(self._inbox.start_embedded)
        except OmbudError as error:
            log.error("webhooks are stored, and wait: %s", error)  # noqa: TRY400 - its text says it all

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await asyncio.to_thread(self._inbox.start_embedded)
                except Exception as error:  # noqa: BLE001 - the protocol wants every failure as a message
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._inbox.stop_embedded()
                self._inbox.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _asked(scope: Scope, trusted: tuple[TrustedProxy, ...]) -> Asked:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        # One that stands there twice is one list (RFC 9110, 5.3).
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    peer = (scope.get("client") or ("",))[0]
    source = source_of(peer, headers.get("x-forwarded-for", ""), trusted)
    return Asked(scope["method"], scope["query_string"], headers, source)
