"""The ack path under ASGI."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from ombud.receiver.hook import LOOKED_AT, Asked
from ombud.receiver.loop_door import LoopDoor
from ombud.receiver.source import source_of

if TYPE_CHECKING:
    from ombud.receiver.inbox import Inbox

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_LOOKED_AT = frozenset(name.encode() for name in LOOKED_AT)


class AsgiHook:
    """An ASGI app: the last segment of the path is the token."""

    def __init__(self, inbox: "Inbox") -> None:
        self._inbox = inbox
        self._door = LoopDoor(inbox)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or follow the server's lifespan."""
        if scope["type"] != "http":
            await self._answer_other(scope, receive, send)
            return
        reply = await self._door.answer(scope["path"], self._asked(scope))
        # A list of its own: middleware adds to it.
        await send({"type": "http.response.start", "status": reply.status, "headers": [*reply.raw_headers]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})
        if self._door.owes_work(reply):
            await self._door.afterwards(reply)

    def _asked(self, scope: Scope) -> Asked:
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            if raw_name in _LOOKED_AT:
                name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
                # One that stands there twice is one list (RFC 9110, 5.3).
                headers[name] = f"{headers[name]},{value}" if name in headers else value
        client, trusted = scope.get("client"), self._inbox.settings.trusted_proxies
        source = source_of(client[0] if client else "", headers.get("x-forwarded-for", ""), trusted)
        return Asked(scope["method"], scope["query_string"], headers, source)

    async def _answer_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})

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
