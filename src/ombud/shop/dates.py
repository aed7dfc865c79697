"""The API's dates: `YYYY-MM-DD HH:MM:SS` in Europe/Stockholm, without a zone. Inside, UTC microseconds."""

import re
from datetime import datetime

from ombud.client.values import shop_zone
from ombud.clock import microseconds_of, utc
from ombud.errors import InvalidInput

MICROSECONDS = 1_000_000

# Seconds since 1970, until the year 5138.
_TIMESTAMP = re.compile(r"[0-9]{1,11}", re.ASCII)
_DATE = re.compile(r"(19[7-9]|20[0-9])[0-9]-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}:[0-9]{2})?", re.ASCII)


def date_text(at: int) -> str:
    """Return UTC microseconds as the API writes them."""
    return utc(at).astimezone(shop_zone()).strftime("%Y-%m-%d %H:%M:%S")


def read_date(field: str, text: str) -> int:
    """Return the UTC microseconds of a UNIX timestamp or of a date as the API writes it. Clients filter by the former.

    Raises InvalidInput naming the field.
    """
    if _TIMESTAMP.fullmatch(text):
        return int(text) * MICROSECONDS
    if _DATE.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text).replace(tzinfo=shop_zone())
        except ValueError as error:
            raise InvalidInput(field, f"There is no such date: {error}.") from error
        return microseconds_of(moment)
    raise InvalidInput(field, "It is a UNIX timestamp in seconds, or a date like 2026-11-02 09:14:05.")
