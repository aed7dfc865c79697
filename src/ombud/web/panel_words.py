"""Times as people read them. The exact one is always beside it."""

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_SECOND_MILLISECONDS = 1_000


def ago(text: str, now: datetime | None = None) -> str:
    """Return an RFC 3339 time as its distance from now: `3 s ago`, `in 5 min`."""
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(text)).total_seconds()
    if abs(seconds) < 1:
        return "just now" if seconds >= 0 else "now"
    words = span(abs(seconds))
    return f"{words} ago" if seconds > 0 else f"in {words}"


def due(text: str, now: datetime | None = None) -> str:
    """Return the RFC 3339 time of what is to be done: `in 5 min`, or `now` when that has come."""
    words = ago(text, now)
    return words if words.startswith("in ") else "now"


def span(seconds: float) -> str:
    """Return a span in its largest unit: `12 s`, `5 min`, `3 h`, `2 days`."""
    if seconds < _MINUTE:
        return f"{int(seconds)} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min"
    if seconds < _DAY:
        return f"{int(seconds // _HOUR)} h"
    days = int(seconds // _DAY)
    return f"{days} day{'' if days == 1 else 's'}"


def exact(text: str) -> str:
    """Return an RFC 3339 time in UTC, with milliseconds: `2026-11-02 08:14:05.123 UTC`."""
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"


def milliseconds_between(earlier: str, later: str) -> int:
    """Return the milliseconds from one RFC 3339 time to another."""
    return round((datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds() * 1000)


def duration(milliseconds: int) -> str:
    """Return a duration: `61 ms`, `2.4 s`, `5 min`."""
    if milliseconds < _SECOND_MILLISECONDS:
        return f"{milliseconds} ms"
    if milliseconds < _MINUTE * _SECOND_MILLISECONDS:
        return f"{milliseconds / _SECOND_MILLISECONDS:.1f} s"
    return span(milliseconds / _SECOND_MILLISECONDS)
