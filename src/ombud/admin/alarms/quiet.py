"""Quiet hours: when nobody wants to be told. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ombud.clock import microseconds_of, utc
from ombud.errors import InvalidInput

DAY_MINUTES = 24 * 60
_TIME = "((?:[01][0-9]|2[0-3]):[0-5][0-9])"
HOURS_PATTERN = f"^{_TIME}-{_TIME}$"
# Where the vendor's shops are.
ZONE = "Europe/Stockholm"
# What people read.
NO_HOURS = "Quiet hours are two times of the day such as 22:00-07:00."
NO_ZONE = "It is a time zone such as Europe/Stockholm."


@dataclass(frozen=True)
class Quiet:
    """From one minute of the day to another, in a time zone; `22:00` to `07:00` is a night."""

    since: int
    until: int
    zone: str = ZONE

    def ends_at(self, now: int) -> int | None:
        """Return when the quiet hours that it is now end, None when it is none of them; UTC microseconds."""
        local = utc(now).astimezone(ZoneInfo(self.zone))
        minute = local.hour * 60 + local.minute
        if not (minute - self.since) % DAY_MINUTES < (self.until - self.since) % DAY_MINUTES:
            return None
        day = local.date() + timedelta(days=minute >= self.until)
        end = datetime(day.year, day.month, day.day, *divmod(self.until, 60), tzinfo=ZoneInfo(self.zone))
        # In the hour that comes twice the first end has passed when it is the second: whoever asks, asks again soon.
        return max(now + 1, microseconds_of(end))


def read_quiet(text: str, zone: str) -> Quiet | None:
    """Return the quiet hours that `22:00-07:00` means; an empty text is none, and so is a span from a time to itself.

    Raises InvalidInput.
    """
    if not text:
        return None
    match = re.fullmatch(HOURS_PATTERN, text)
    if match is None:
        raise InvalidInput("quiet_hours", NO_HOURS)
    since, until = (int(hour) * 60 + int(minute) for hour, minute in (match[1].split(":"), match[2].split(":")))
    return None if since == until else Quiet(since, until, zone)


def quiet_text(since: int, until: int) -> str:
    """Return minutes of the day as people write them."""
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (since, until))


def check_zone(name: str) -> None:
    """Raise InvalidInput for what is no time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput("zone", NO_ZONE) from None
