"""Live parts of pages as server-sent events: a part is made once a tick for everybody who looks at the same.

So two hundred open pages cost the database what one costs. The format:
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable

from starlette.responses import StreamingResponse

from ombud.errors import OmbudError
from ombud.web.pace import Pace

log = logging.getLogger("ombud.web")

# Seconds between two makings of a part, at least: a busy process takes more (pace.py).
TICK_SECONDS = 2.0
# Seconds after which a stream ends and the browser opens another: who was logged out meanwhile is noticed then.
STREAM_SECONDS = 60.0
# Milliseconds that the browser waits before it does.
RETRY_MILLISECONDS = 500

Make = Callable[[], Awaitable[str]]


class Streams:
    """The streams of one process, for its event loop."""

    def __init__(self) -> None:
        self._parts: dict[Hashable, _Part] = {}
        self._pace = Pace()

    def open(self, key: Hashable, make: Make) -> StreamingResponse:
        """Answer with a stream of what `make` returns, whenever that has changed. Equal keys share one making."""
        return StreamingResponse(self._events(key, make), media_type="text/event-stream")

    async def _events(self, key: Hashable, make: Make) -> AsyncIterator[bytes]:
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = _Part(make, self._pace, lambda: self._parts.pop(key, None))
        # At once: between a yield and the next step the last of those who look may have left, and the part with them.
        part.join()
        seen, made = 0, part.made
        end = asyncio.get_running_loop().time() + STREAM_SECONDS
        try:
            yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
            while True:
                try:
                    async with asyncio.timeout_at(end):
                        seen = await part.after(seen)
                except TimeoutError:
                    if part.made > made:
                        return
                    # So busy that its turn has not come: in another stream it would wait from the start.
                    end += STREAM_SECONDS
                else:
                    yield part.event
        finally:
            part.leave()


class _Part:
    """What many look at. It is made while somebody does."""

    def __init__(self, make: Make, pace: Pace, forget: Callable[[], object]) -> None:
        self.event = b""
        # How often it was made, or could not be.
        self.made = 0
        self._make = make
        self._pace = pace
        self._forget = forget
        self._version = 0
        self._lookers = 0
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    def join(self) -> None:
        """Look from now on."""
        self._lookers += 1
        # One that has met an error nobody foresaw is made again for the next who looks.
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._again_and_again())

    def leave(self) -> None:
        """Look no more."""
        self._lookers -= 1
        if self._lookers == 0 and self._task is not None:
            self._task.cancel()
            self._forget()

    async def after(self, seen: int) -> int:
        """Return the number of the version after the one that was seen, when there is one."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._version > seen)
            return self._version

    async def _again_and_again(self) -> None:
        while True:
            async with self._pace.turn():
                await self._once()
            await asyncio.sleep(TICK_SECONDS)

    async def _once(self) -> None:
        try:
            event = _event(await self._make())
        except OmbudError as error:
            log.warning("a live page waits: %s", error)
        else:
            await self._show(event)
        finally:
            self.made += 1

    async def _show(self, event: bytes) -> None:
        if event == self.event:
            return
        async with self._changed:
            self.event, self._version = event, self._version + 1
            self._changed.notify_all()


def _event(text: str) -> bytes:
    return ("".join(f"data: {line}\n" for line in text.splitlines()) + "\n").encode()
