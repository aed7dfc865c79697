"""The ack path under RSGI, granian's own interface: the fastest door that is measured (docs/performance.md).

https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ombud.errors import OmbudError
from ombud.receiver.hook import LOOKED_AT, Asked
from ombud.receiver.loop_door import LoopDoor
from ombud.receiver.source import source_of

if TYPE_CHECKING:
    from ombud.receiver.inbox import Inbox

log = logging.getLogger("ombud.receiver")


class Scope(Protocol):
    """What is used of a request."""

    proto: str
    method: str
    path: str
    query_string: str
    client: str

    @property
    def headers(self) -> "Headers":
        """Its headers, names in lower case."""


class Headers(Protocol):
    """What is used of them."""

    def __contains__(self, name: object, /) -> bool:
        """Return whether a header is there."""

    def get_all(self, name: str, /) -> Sequence[str]:
        """Return the values of a header."""


class RsgiHook:
    """An RSGI app: the last segment of the path is the token."""

    def __init__(self, inbox: "Inbox") -> None:
        self._inbox = inbox
        self._door = LoopDoor(inbox)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Perform beside the server, unless the settings leave that to another process."""
        try:
            self._inbox.start_embedded()
        except OmbudError as error:
            log.error("webhooks are stored, and wait: %s", error)  # noqa: TRY400 - its text says it all

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """End with the server."""
        loop.run_until_complete(self._inbox.stop_embedded())
        self._inbox.close()

    async def __rsgi__(self, scope: Scope, protocol: Any) -> None:
        """Answer a request."""
        if scope.proto != "http":
            protocol.close(1008)  # policy violation (RFC 6455, 7.4.1)
            return
        asked = self._asked(scope)
        reply = await self._door.answer(scope.path, asked)
        if asked.method == "HEAD":
            protocol.response_empty(reply.status, reply.lower_headers)
        else:
            protocol.response_bytes(reply.status, reply.lower_headers, reply.body)
        if self._door.owes_work(reply):
            await self._door.afterwards(reply)

    def _asked(self, scope: Scope) -> Asked:
        # The server makes a value anew each time that it is asked for one.
        given, client = scope.headers, scope.client
        headers: Mapping[str, str] = {name: ",".join(given.get_all(name)) for name in LOOKED_AT if name in given}
        peer = client.rpartition(":")[0] if ":" in client else client
        source = source_of(peer, headers.get("x-forwarded-for", ""), self._inbox.settings.trusted_proxies)
        query = scope.query_string.encode("latin-1", "backslashreplace")
        return Asked(scope.method, query, headers, source)
