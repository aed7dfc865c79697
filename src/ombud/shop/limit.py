"""How many requests the API takes in a second, when it is told to mind: a limit to try a client's manners on.

The vendor documents none.
"""

import math
import time
from collections.abc import Callable

# Requests that may come at once after a pause.
BURST = 5


class Limit:
    """A bucket of requests, filled at a rate. `clock` gives seconds."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._tokens, self._at = float(BURST), clock()

    def wait_seconds(self) -> int:
        """Return 0 for a request that may be served, which is then counted; else the whole seconds to wait."""
        now = self._clock()
        self._tokens = min(BURST, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1:
            return math.ceil((1 - self._tokens) / self._per_second)
        self._tokens -= 1
        return 0
