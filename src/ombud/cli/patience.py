"""Connections whose request never comes to an end are closed: uvicorn itself waits for a request's head for ever."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Seconds from the first byte of a request, or from the connection, until its headers must be complete: a slow phone's
# worth of packets repeated several times. Between requests uvicorn closes an idle connection after 5.
HEAD_SECONDS = 10.0


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, with a time limit for a request's head."""

    head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._wait_for_head()

    def on_message_begin(self) -> None:
        """Begin to wait for this request's headers."""
        super().on_message_begin()
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        """Wait no longer."""
        self._end_wait()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._end_wait()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._end_wait()
        self.head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _end_wait(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None
