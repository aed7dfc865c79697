"""The time, as the database keeps it."""

import time


def now_microseconds() -> int:
    """Return the time: UTC, in microseconds since 1970."""
    return time.time_ns() // 1000
