"""The time, as a database file keeps it: UTC in microseconds, never going back, led astray by no clock that jumps."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

# Share of the time that passes by which the clock may be off its pace to come back to the machine's: a retry's pause is
# kept to within that, and an hour is made good in ten.
SLEW = 0.1
# Microseconds by which the two may differ before anything is done: below is ordinary drift, followed at once.
TOLERANCE = 50_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_microseconds() -> int:
    """Return the machine's time: UTC, in microseconds since 1970. It may jump."""
    return time.time_ns() // 1000


def elapsed_microseconds() -> int:
    """Return microseconds since some start, which nobody can set; on Linux the time asleep counts."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1000


def utc(microseconds: int) -> datetime:
    """Return a time, in microseconds since 1970, as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def microseconds_of(moment: datetime) -> int:
    """Return a datetime with a zone in microseconds since 1970; negative before."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


class SteadyClock:
    """The machine's time at first, then what has passed since; it comes back to a machine that was set slowly.

    So a clock set back freezes nothing that is due, and one set forward makes nothing due early. Thread-safe.
    """

    def __init__(
        self, wall: Callable[[], int] = now_microseconds, elapsed: Callable[[], int] = elapsed_microseconds
    ) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._time = wall()
        self._at = elapsed()

    def __call__(self) -> int:
        """Return the time: UTC, in microseconds since 1970."""
        with self._lock:
            at = self._elapsed()
            passed, self._at = at - self._at, at
            paced = self._time + passed
            off = self._wall() - paced
            if abs(off) > TOLERANCE:
                most = int(passed * SLEW)
                off = max(-most, min(most, off))
            self._time = max(self._time, paced + off)
            return self._time

    def not_before(self, seen: int) -> None:
        """Go on from a time that was seen before, if the machine's is behind it."""
        with self._lock:
            self._time = max(self._time, seen)
