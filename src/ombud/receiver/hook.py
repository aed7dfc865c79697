"""The ack path: token, parse, append, commit, 200; in this order and nothing else. Storage in doubt is 503.

It knows no handler and needs no API key, and works with an event loop and without.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from ombud.db.operation import Operation
from ombud.mailbox.model import Draft
from ombud.receiver.arrival import LONGEST_QUERY, Arrival, read_query
from ombud.receiver.shops import find_shop_of_token, sql, token_hash

# Arrivals of one shop in a minute that are about nothing we know: more are not stored, or the disk is the target.
JUNK_PER_MINUTE = 600
# Seconds after which a refused arrival is worth another try.
RETRY_AFTER_SECONDS = 1
# Seconds that a good token is remembered: one that was replaced twice stops working within this.
REMEMBER_SECONDS = 1.0
REMEMBER_TOKENS = 10_000
# Seconds between two notes that a token is used: precise enough for who waits until nobody uses the old one.
NOTE_USE_SECONDS = 60.0


@dataclass(frozen=True)
class Reply:
    """The answer to a hook: a status and a sentence."""

    status: int
    text: str
    more: tuple[tuple[str, str], ...] = ()

    @property
    def line(self) -> str:
        """Status and phrase: `200 OK`."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"

    @property
    def headers(self) -> list[tuple[str, str]]:
        """What goes with it: no cache may answer in our place."""
        return [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(self.text.encode()))),
            ("Cache-Control", "no-store"),
            *self.more,
        ]


@dataclass
class Known:
    """The shop that a token names."""

    shop_id: int
    reader_lane_id: int
    digest: bytes
    use_is_noted: bool = True

    def take_note(self) -> bool:
        """Return whether whoever asks is to note that the token is used: the first one, once in a while."""
        noted, self.use_is_noted = self.use_is_noted, True
        return not noted


OK = Reply(200, "OK")
UNKNOWN_TOKEN = Reply(404, "Not found.")
ONLY_GET = Reply(405, "A webhook is a GET.", (("Allow", "GET"),))
FROM_A_BROWSER = Reply(400, "This address takes webhooks; a browser has nothing to look for here. Nothing was stored.")
TOO_LONG = Reply(414, f"The query has more than {LONGEST_QUERY} bytes; nothing was stored.")
TOO_MUCH_JUNK = Reply(429, "Too many requests that are no webhooks; nothing was stored.", (("Retry-After", "60"),))
NOT_STORED = Reply(503, "Nothing was stored. Send it again.", (("Retry-After", str(RETRY_AFTER_SECONDS)),))


class Hook:
    """Judges one request, and says what to store for it. Whoever asks it does the reading and the writing."""

    def __init__(self) -> None:
        # By hash, as everywhere: no look-up compares the token itself.
        self._tokens: dict[bytes, tuple[Known, float]] = {}
        self._junk: dict[int, tuple[int, int]] = {}

    def recall(self, token: str) -> Known | None:
        """Return the shop of a token that was looked up a moment ago, and was good."""
        known, until = self._tokens.get(token_hash(token), (None, 0.0))
        return known if until > time.monotonic() else None

    def learn(self, token: str) -> Operation[Known | None]:
        """Look up the shop of a token."""
        digest = token_hash(token)
        found = yield from find_shop_of_token(digest)
        if found is None:
            return None
        if len(self._tokens) >= REMEMBER_TOKENS:
            self._tokens.clear()
        noted = found.now < (found.used_at or 0) + round(NOTE_USE_SECONDS * 1_000_000)
        known = Known(found.shop_id, found.reader_lane_id, digest, noted)
        self._tokens[digest] = (known, time.monotonic() + REMEMBER_SECONDS)
        return known

    def knows(self, text: str) -> bool:
        """Return whether a text is a token that was good a moment ago, or longer ago."""
        return token_hash(text) in self._tokens

    def judge(self, shop: Known | None, method: str, query: bytes, headers: Mapping[str, str]) -> Reply | Draft:
        """Return the answer when nothing is to be stored, else what is. Header names in lower case."""
        if shop is None:
            return UNKNOWN_TOKEN
        if refused := _refusal(method, query, headers):
            return refused
        arrival = read_query(query)
        if not arrival.readable and self._too_much_junk(shop.shop_id):
            return TOO_MUCH_JUNK
        return _draft(arrival, shop)

    def _too_much_junk(self, shop_id: int) -> bool:
        minute = int(time.monotonic() // 60)
        since, count = self._junk.get(shop_id, (minute, 0))
        count = count + 1 if since == minute else 1
        self._junk[shop_id] = (minute, count)
        return count > JUNK_PER_MINUTE


def note_use(known: Known) -> Operation[None]:
    """Note that a token is used."""
    yield sql["note_token_use"], {"id": known.shop_id, "token_hash": known.digest}


def token_of(path: str) -> str:
    """Return the token of a hook's path: its last segment."""
    return path.rstrip("/").rpartition("/")[2]


def _refusal(method: str, query: bytes, headers: Mapping[str, str]) -> Reply | None:
    if method != "GET":
        return ONLY_GET
    if "prefetch" in headers.get("sec-purpose", "") or headers.get("sec-fetch-mode") == "navigate":
        return FROM_A_BROWSER
    return TOO_LONG if len(query) > LONGEST_QUERY else None


def _draft(arrival: Arrival, shop: Known) -> Draft:
    lanes = [shop.reader_lane_id] if arrival.readable else []
    return Draft(shop.shop_id, arrival.event_type, arrival.subject, lanes, arrival.note)
