"""What came back over HTTP, and what it means before anyone looks at its fields. Pure: no socket in sight."""

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from ombud.client.errors import ApiError, ForeignAnswer, RateLimited, Unauthorized
from ombud.client.secret import Secret
from ombud.errors import NetworkError

MAX_ANSWER_BYTES = 32 * 1024 * 1024  # bytes; 1,000 orders with details are about 5 MB, more than this is a mistake
MAX_ANSWER_SECONDS = 60.0  # seconds from the headers to the last byte; each single wait is bounded by the client's own
NOT_JSON = object()
SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Answer:
    """One complete HTTP answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    secret: Secret

    @property
    def missing(self) -> bool:
        """404 with the API's error object, or with nothing, says "there is none".

        Any other 404, such as the page of a web server or a gateway, says nothing about the shop and raises
        `UnexpectedAnswer`: what is believed here may be told as a deletion.
        """
        if self.status != HTTPStatus.NOT_FOUND:
            return False
        said = _load(self.body) if self.body.strip() else {"code": self.status}
        if not isinstance(said, dict) or not said.keys() & {"code", "error"}:
            raise ForeignAnswer("404 with something that is not the API's; does the base URL end in /v1?")
        return True

    def json(self) -> Any:
        """The JSON of a success. Raises `ApiError` for any other status, `UnexpectedAnswer` for what is no JSON."""
        self.raise_for_status()
        value = _load(self.body)
        if value is NOT_JSON:
            raise ForeignAnswer(f"{len(self.body)} bytes that are not JSON")
        return value

    def raise_for_status(self) -> None:
        if HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES:
            return
        value = _load(self.body)
        said = value.get("error") if isinstance(value, dict) else None
        words = self.secret.hide(said) if isinstance(said, str) else ""
        if self.status == HTTPStatus.UNAUTHORIZED:
            raise Unauthorized(words)
        wait = retry_after_seconds(self.headers)
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise RateLimited(wait, words)
        raise ApiError(self.status, words, wait)


class Incoming:
    """Collects an answer piece by piece, within bounds. `clock` gives seconds."""

    def __init__(self, status: int, headers: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self._status = status
        self._headers = headers
        self._clock = clock
        self._until = clock() + MAX_ANSWER_SECONDS
        self._body = bytearray()

    def add(self, piece: bytes) -> None:
        """Raises `UnexpectedAnswer` past the bound in bytes, `NetworkError` past the bound in seconds."""
        if len(self._body) + len(piece) > MAX_ANSWER_BYTES:
            raise ForeignAnswer(f"more than {MAX_ANSWER_BYTES} bytes")
        if self._clock() > self._until:
            raise NetworkError(f"The shop's API had not finished its answer after {MAX_ANSWER_SECONDS:g} s.")
        self._body += piece

    def answer(self, secret: Secret) -> Answer:
        return Answer(self._status, self._headers, bytes(self._body), secret)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """The header `Retry-After`: a number of seconds, or an HTTP date, which is measured by the server's clock."""
    value = headers.get("retry-after", "").strip()
    if SECONDS.fullmatch(value):
        return float(value)
    until = _http_date(value)
    if until is None:
        return None
    now = _http_date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _finite(value: str) -> float:
    found = float(value)
    if not math.isfinite(found):
        raise ValueError
    return found


def _load(body: bytes) -> Any:
    """JSON, or NOT_JSON. Also refused is what could not be written again: infinities and halves of surrogate pairs.

    It never lets the decoder's own error out: that one carries the whole body.
    """
    try:
        text = body.decode("utf-8-sig")
        value = json.loads(text, parse_float=_finite, parse_constant=_finite)
        if ESCAPED_SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return NOT_JSON
    return value
