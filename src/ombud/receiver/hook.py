"""The ack path: token, parse, append, commit, 200; in this order and nothing else. Storage in doubt is 503.

It knows no handler and needs no API key, and works with an event loop and without.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from ombud.db.operation import Operation
from ombud.mailbox.model import Draft
from ombud.receiver.arrival import LONGEST_QUERY, Arrival, read_query
from ombud.receiver.shops import find_shop_of_token, sql, token_hash
from ombud.receiver.sources import Sources, Verdict, note_source, sources_of
from ombud.settings import Settings
from ombud.wire import EVENT_TYPES

# Arrivals of one shop in a minute that are about nothing we know: more are not stored, or the disk is the target.
JUNK_PER_MINUTE = 600
# Seconds after which a refused arrival is worth another try.
RETRY_AFTER_SECONDS = 1
# Seconds that a good token is remembered: one that was replaced twice stops working within this.
REMEMBER_SECONDS = 1.0
REMEMBER_TOKENS = 10_000
# Seconds between two notes of the same: precise enough for who waits until nobody uses the old token.
NOTE_SECONDS = 60.0
# Notes that wait to be written; each is written with the next answer.
MOST_NOTES = 100

log = logging.getLogger("ombud.receiver")


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


@dataclass(frozen=True)
class Asked:
    """A request: header names in lower case; `source` as `source_of` returns it."""

    method: str
    query: bytes
    headers: Mapping[str, str]
    source: str


@dataclass(frozen=True)
class Known:
    """The shop that a token names. `now`: the database's time when it was looked up, in UTC microseconds."""

    shop_id: int
    name: str
    reader_lane_id: int
    digest: bytes
    sources: Sources
    used_at: int
    now: int


@dataclass(frozen=True)
class Note:
    """What is to be written down beside the answer: the use of a token, or of an address."""

    shop_id: int
    token_hash: bytes | None = None
    source: str | None = None
    known: bool = False


OK = Reply(200, "OK")
UNKNOWN_TOKEN = Reply(404, "Not found.")
ONLY_GET = Reply(405, "A webhook is a GET.", (("Allow", "GET"),))
FROM_A_BROWSER = Reply(400, "This address takes webhooks; a browser has nothing to look for here. Nothing was stored.")
WRONG_SOURCE = Reply(403, "Webhooks of this shop do not come from this address. Nothing was stored.")
TOO_LONG = Reply(414, f"The query has more than {LONGEST_QUERY} bytes; nothing was stored.")
TOO_MUCH_JUNK = Reply(429, "Too many requests that are no webhooks; nothing was stored.", (("Retry-After", "60"),))
NOT_STORED = Reply(503, "Nothing was stored. Send it again.", (("Retry-After", str(RETRY_AFTER_SECONDS)),))


class Hook:
    """Judges one request, and says what to store for it. Whoever asks it does the reading and the writing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # By hash, as everywhere: no look-up compares the token itself.
        self._tokens: dict[bytes, tuple[Known, float]] = {}
        self._junk: dict[int, tuple[int, int]] = {}
        # What is to be written down, and until when (monotonic seconds) nothing need be said of it again.
        self._notes: list[Note] = []
        self._noted: dict[tuple[int, bytes | str], float] = {}
        self._told_of_proxies = False

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
        sources = yield from sources_of(found.shop_id, found.created_at, found.now, self._settings)
        if len(self._tokens) >= REMEMBER_TOKENS:
            self._tokens.clear()
        known = Known(found.shop_id, found.name, found.reader_lane_id, digest, sources, found.used_at or 0, found.now)
        self._tokens[digest] = (known, time.monotonic() + REMEMBER_SECONDS)
        return known

    def knows(self, text: str) -> bool:
        """Return whether a text is a token that was good a moment ago, or longer ago."""
        return token_hash(text) in self._tokens

    def judge(self, shop: Known | None, asked: Asked) -> Reply | Draft:
        """Return the answer when nothing is to be stored, else what is."""
        if shop is None:
            return UNKNOWN_TOKEN
        if refused := _refusal(asked):
            return refused
        self._note_use(shop)
        self._tell_of_unnamed_proxies(asked)
        if self._is_from_elsewhere(shop, asked.source):
            return WRONG_SOURCE
        arrival = read_query(asked.query)
        if not arrival.readable and self._too_much_junk(shop.shop_id):
            return TOO_MUCH_JUNK
        return self._draft(arrival, shop)

    def take_notes(self) -> Sequence[Note]:
        """Return what is to be written down now; whoever takes it writes it, after the answer if that is possible."""
        if not self._notes:
            return ()
        notes, self._notes = self._notes, []
        return notes

    def _note_use(self, shop: Known) -> None:
        self._note(Note(shop.shop_id, token_hash=shop.digest), shop.digest, shop.now - shop.used_at)

    def _is_from_elsewhere(self, shop: Known, source: str) -> bool:
        """Judge where a request comes from, and write down what is new; returns whether it is refused."""
        verdict = shop.sources.judge(source)
        if verdict is Verdict.KNOWN and source not in shop.sources.last_at:
            return False  # a range that was allowed; its addresses are not kept
        known = verdict in (Verdict.KNOWN, Verdict.LEARNED)
        note = Note(shop.shop_id, source=source, known=known)
        is_new = self._note(note, source, shop.now - shop.sources.last_at.get(source, 0))
        if is_new and not known:
            log.warning(
                "%s a webhook for shop %s from %s, which is not one of its addresses. If it is:"
                " ombud shops sources NAME --allow %s",
                "refused" if verdict is Verdict.REFUSED else "stored",
                ascii(shop.name),
                source,
                source,
            )
        return verdict is Verdict.REFUSED

    def _tell_of_unnamed_proxies(self, asked: Asked) -> None:
        """Say once that addresses are compared which are those of a proxy."""
        settings = self._settings
        if settings.sources == "learn" or settings.trusted_proxies or "x-forwarded-for" not in asked.headers:
            return
        if not self._told_of_proxies:
            self._told_of_proxies = True
            log.warning(
                "webhooks come through a proxy at %s, which is compared in place of their own address."
                " If it is yours, name it: OMBUD_TRUSTED_PROXIES=%s",
                asked.source,
                asked.source,
            )

    def _note(self, note: Note, what: bytes | str, ago: int) -> bool:
        """Have something written down, unless it was noted within the last minute (`ago`, in microseconds, or here)."""
        now, key = time.monotonic(), (note.shop_id, what)
        if ago < NOTE_SECONDS * 1_000_000 or self._noted.get(key, 0.0) > now:
            return False
        if len(self._notes) >= MOST_NOTES:
            return False
        if len(self._noted) >= REMEMBER_TOKENS:
            self._noted.clear()
        self._noted[key] = now + NOTE_SECONDS
        self._notes.append(note)
        return True

    def _draft(self, arrival: Arrival, shop: Known) -> Draft:
        lanes = [shop.reader_lane_id] if arrival.readable else []
        # An order is read at once: somebody waits for it. A product is often saved a few times in a row.
        waits = self._settings.confirm == "api" and EVENT_TYPES.get(arrival.event_type) == "product"
        delay = round(self._settings.quiet_seconds[0] * 1_000_000) if waits else 0
        return Draft(shop.shop_id, arrival.event_type, arrival.subject, lanes, arrival.note, delay)

    def _too_much_junk(self, shop_id: int) -> bool:
        minute = int(time.monotonic() // 60)
        since, count = self._junk.get(shop_id, (minute, 0))
        count = count + 1 if since == minute else 1
        self._junk[shop_id] = (minute, count)
        return count > JUNK_PER_MINUTE


def write_notes(notes: Sequence[Note]) -> Operation[None]:
    """Write down what was noted."""
    for note in notes:
        if note.token_hash is not None:
            yield sql["note_token_use"], {"id": note.shop_id, "token_hash": note.token_hash}
        if note.source is not None:
            yield from note_source(note.shop_id, note.source, known=note.known)


def token_of(path: str) -> str:
    """Return the token of a hook's path: its last segment."""
    return path.rstrip("/").rpartition("/")[2]


def _refusal(asked: Asked) -> Reply | None:
    if asked.method != "GET":
        return ONLY_GET
    headers = asked.headers
    if "prefetch" in headers.get("sec-purpose", "") or headers.get("sec-fetch-mode") == "navigate":
        return FROM_A_BROWSER
    return TOO_LONG if len(asked.query) > LONGEST_QUERY else None
