"""The server's time, as this process may know it without asking each time."""

import time
from collections.abc import Callable

# Seconds after which the next look at the clock has it asked again: quartz drifts by some 0.1 ms meanwhile, and a clock
# that somebody sets is followed that soon.
RENEW_SECONDS = 10.0


class ServerClock:
    """UTC microseconds of the server, from a sample and the time since; `renew` is to bring a new one, but not now."""

    def __init__(self, renew: Callable[[], None]) -> None:
        self._renew = renew
        self._ahead = 0
        self._asked_at = 0.0

    def __call__(self) -> int:
        """Return the time, UTC in microseconds since 1970."""
        now = time.monotonic()
        if now - self._asked_at > RENEW_SECONDS:
            self._asked_at = now
            self._renew()
        return int(now * 1_000_000) + self._ahead

    def set(self, server: int, before: float, after: float) -> None:
        """Take a sample: the server's microseconds, and the seconds of the monotonic clock before and after it."""
        self._ahead = server - int((before + after) / 2 * 1_000_000)
        self._asked_at = after
