"""How often live parts are made: as often as the process has time for beside its work, which is to deliver."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

# Of a core: what making live parts may take of what is idle; and what it may take when nothing is.
SHARE_OF_IDLE = 0.5
LEAST_SHARE = 0.02
# Seconds after which it is looked again at how busy the process is.
WINDOW_SECONDS = 0.5

Clock = Callable[[], float]

_spent: ContextVar[list[float] | None] = ContextVar("_spent", default=None)


class Pace:
    """One part is made at a time, and each is followed by a rest that fits what it took."""

    def __init__(self, clock: Clock = time.monotonic, processor: Clock = time.process_time) -> None:
        """`clock` and `processor` give seconds: of the wall, and of all processors that this process has used."""
        self._clock = clock
        self._processor = processor
        self._turn = asyncio.Lock()
        self._share = SHARE_OF_IDLE
        self._seen = (clock(), processor())

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn to make a part; the rest after it belongs to the turn."""
        async with self._turn:
            spans: list[float] = []
            token = _spent.set(spans)
            try:
                yield
            finally:
                _spent.reset(token)
            await asyncio.sleep(self.rest(sum(spans)))

    def rest(self, spent: float) -> float:
        """Return how long nothing may be made after something that took so many seconds."""
        now = (self._clock(), self._processor())
        window = now[0] - self._seen[0]
        if window >= WINDOW_SECONDS:
            idle = 1 - (now[1] - self._seen[1]) / window
            self._share, self._seen = max(LEAST_SHARE, SHARE_OF_IDLE * idle), now
        return spent / self._share - spent


@contextmanager
def spending(clock: Clock) -> Iterator[None]:
    """Count what is done here as spent by the part that is being made, if one is; `clock` gives seconds."""
    spans = _spent.get()
    if spans is None:
        yield
        return
    began = clock()
    try:
        yield
    finally:
        spans.append(clock() - began)
