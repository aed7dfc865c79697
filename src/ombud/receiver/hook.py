"""The ack path: token, parse, append, commit, 200; in this order and nothing else. Storage in doubt is 503.

It knows no handler and needs no API key, and works with an event loop and without.
"""

import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hmac import compare_digest
from http import HTTPStatus
from typing import NamedTuple

from ombud.db.operation import Operation
from ombud.mailbox.model import Draft
from ombud.receiver import flood
from ombud.receiver.arrival import LONGEST_QUERY, UNKNOWN, read_query
from ombud.receiver.notes import Note, Notebook
from ombud.receiver.shops import find_shop_of_token, token_hash
from ombud.receiver.sources import Sources, Verdict, sources_of
from ombud.settings import Settings
from ombud.wire import EVENT_TYPES

# Seconds after which a refused arrival is worth another try.
RETRY_AFTER_SECONDS = 1
# Seconds that a good token is remembered: one that was replaced twice stops working within this.
REMEMBER_SECONDS = 1.0
REMEMBER_TOKENS = 10_000
# Addresses whose verdict is remembered as long as their token is.
REMEMBER_SOURCES = 1_000

# The headers that say something here; others are not even decoded.
LOOKED_AT = frozenset({"sec-purpose", "sec-fetch-mode", "x-forwarded-for"})

log = logging.getLogger("ombud.receiver")


@dataclass(frozen=True)
class Reply:
    """The answer to a hook: a status, and a sentence where something is to be said."""

    status: int
    text: str
    more: tuple[tuple[str, str], ...] = ()

    @property
    def line(self) -> str:
        """Status and phrase: `200 OK`."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"

    @cached_property
    def body(self) -> bytes:
        """The sentence as it is sent."""
        return self.text.encode()

    @cached_property
    def raw_headers(self) -> Sequence[tuple[bytes, bytes]]:
        """The headers as ASGI has them."""
        return tuple((name.encode(), value.encode()) for name, value in self.lower_headers)

    @cached_property
    def lower_headers(self) -> list[tuple[str, str]]:
        """The headers as RSGI has them."""
        return [(name.lower(), value) for name, value in self.headers]

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """What goes with it: no cache may answer in our place."""
        content_type = [("Content-Type", "text/plain; charset=utf-8")] if self.text else []
        return [
            *content_type,
            ("Content-Length", str(len(self.body))),
            ("Cache-Control", "no-store"),
            *self.more,
        ]


class Asked(NamedTuple):
    """A request: of its headers those of LOOKED_AT, names in lower case; `source` as `source_of` returns it."""

    method: str
    query: bytes
    headers: Mapping[str, str]
    source: str


@dataclass(frozen=True)
class Known:
    """The shop that a token names. `now`: the database's time when it was looked up, in UTC microseconds."""

    shop_id: int
    name: str
    lanes: Sequence[int]  # its reader's
    digest: bytes
    sources: Sources
    used_at: int
    now: int
    # What was said of addresses since.
    verdicts: dict[str, Verdict] = field(default_factory=dict)


# Nothing is in it: servers hand a body to the kernel by itself, a fifth of all that a webhook costs (decision 0077).
OK = Reply(200, "")
UNKNOWN_TOKEN = Reply(404, "Not found.")
ONLY_GET = Reply(405, "A webhook is a GET.", (("Allow", "GET"),))
FROM_A_BROWSER = Reply(400, "This address takes webhooks; a browser has nothing to look for here. Nothing was stored.")
WRONG_SOURCE = Reply(403, "Webhooks of this shop do not come from this address. Nothing was stored.")
TOO_LONG = Reply(414, f"The query has more than {LONGEST_QUERY} bytes; nothing was stored.")
TOO_MUCH_JUNK = Reply(429, "Too many requests that are no webhooks; nothing was stored.", (("Retry-After", "60"),))
TOO_MANY_ALIKE = Reply(429, "Too many webhooks about the same; nothing was stored.", (("Retry-After", "60"),))
TOO_MANY = Reply(429, "Too many webhooks of this shop; nothing was stored.", (("Retry-After", "60"),))
NOT_STORED = Reply(503, "Nothing was stored. Send it again.", (("Retry-After", str(RETRY_AFTER_SECONDS)),))


class Hook:
    """Judges one request, and says what to store for it. Whoever asks it does the reading and the writing."""

    def __init__(self, settings: Settings, hears_unknown: Callable[[], bool] = lambda: False) -> None:
        """`hears_unknown`: whether somebody wants what is not known here; it is stored in any case."""
        self._settings = settings
        self._hears_unknown = hears_unknown
        # By hash, as everywhere: no look-up compares the token itself.
        self._tokens: dict[bytes, tuple[Known, float]] = {}
        # One value, so that no other thread comes between a token and its hash.
        self._last = ("", b"")
        self._junk, self._alike = flood.Minute(), flood.Minute()
        self._webhooks = flood.Allowance(settings.webhooks_per_hour)
        self._notes = flood.Allowance(settings.webhooks_per_hour)
        self.notebook = Notebook()
        self._told_of_proxies = False
        # An order is read at once: somebody waits for it. A product is often saved a few times in a row.
        quiet = round(settings.quiet_seconds[0] * 1_000_000) if settings.confirm == "api" else 0
        self._delays = {event_type: quiet for event_type, kind in EVENT_TYPES.items() if kind == "product"}

    def recall(self, token: str) -> Known | None:
        """Return the shop of a token that was looked up a moment ago, and was good."""
        # Most often it is the one that came before: compared in a time that does not tell where the two differ.
        last_token, last_digest = self._last
        same = token.isascii() and compare_digest(token, last_token)
        digest = last_digest if same else token_hash(token)
        known, until = self._tokens.get(digest, (None, 0.0))
        if until <= time.monotonic():
            return None
        if not same:
            self._last = (token, digest)
        return known

    def learn(self, token: str) -> Operation[Known | None]:
        """Look up the shop of a token."""
        digest = token_hash(token)
        found = yield from find_shop_of_token(digest)
        if found is None:
            return None
        sources = yield from sources_of(found.shop_id, found.created_at, found.now, self._settings)
        if len(self._tokens) >= REMEMBER_TOKENS:
            self._tokens.clear()
        used_at = found.used_at or 0
        known = Known(found.shop_id, found.name, [found.reader_lane_id], digest, sources, used_at, found.now)
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
        verdict = shop.verdicts.get(asked.source) or self._look_at_source(shop, asked)
        if verdict is Verdict.REFUSED:
            return WRONG_SOURCE
        return self._judge_query(shop, asked.query)

    def _judge_query(self, shop: Known, query: bytes) -> Reply | Draft:
        event_type, subject, note = read_query(query)
        if note is None:
            if self._alike.count((shop.shop_id, event_type, subject)) > self._settings.alike_per_minute:
                return self._refuse(shop, TOO_MANY_ALIKE)
            if not self._webhooks.take(shop.shop_id):
                return self._refuse(shop, TOO_MANY)
            return Draft(shop.shop_id, event_type, subject, shop.lanes, None, self._delays.get(event_type, 0))
        too_often = self._junk.count(shop.shop_id) > flood.JUNK_PER_MINUTE
        if too_often or not self._notes.take(shop.shop_id, 1 + len(note) // flood.ROW_BYTES):
            return self._refuse(shop, TOO_MUCH_JUNK)
        if event_type == UNKNOWN and self._hears_unknown():
            # A subject of its own: nobody can say which of them are about the same.
            subject = f"{UNKNOWN}/{secrets.token_hex(8)}"
        return Draft(shop.shop_id, event_type, subject, shop.lanes if subject else (), note)

    def _refuse(self, shop: Known, reply: Reply) -> Reply:
        """Note that there is too much to store, and say so once a minute."""
        if self.notebook.add(Note(shop.shop_id, refused_at=shop.now), shop.now):
            log.warning("webhooks for shop %s are refused: %s", ascii(shop.name), reply.text)
        return reply

    def _look_at_source(self, shop: Known, asked: Asked) -> Verdict:
        """Judge where a request comes from, and note what is new: once for each look-up of the token."""
        source, sources = asked.source, shop.sources
        verdict = sources.judge(source)
        if len(shop.verdicts) >= REMEMBER_SOURCES:
            shop.verdicts.clear()
        shop.verdicts[source] = verdict
        self.notebook.add(Note(shop.shop_id, token_hash=shop.digest), shop.now - shop.used_at)
        self._tell_of_unnamed_proxies(asked)
        if verdict is Verdict.KNOWN and source not in sources.last_at:
            return verdict  # in a range that was allowed; its addresses are not kept
        known = verdict in (Verdict.KNOWN, Verdict.LEARNED)
        note = Note(shop.shop_id, source=source, known=known)
        if self.notebook.add(note, shop.now - sources.last_at.get(source, 0)) and not known:
            log.warning(
                "%s a webhook for shop %s from %s, which is not one of its addresses. If it is:"
                " ombud shops sources NAME --allow %s",
                "refused" if verdict is Verdict.REFUSED else "stored",
                ascii(shop.name),
                source,
                source,
            )
        return verdict

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


def token_of(path: str) -> str:
    """Return the token of a hook's path: its last segment."""
    return path.rstrip("/").rpartition("/")[2]


def _refusal(asked: Asked) -> Reply | None:
    if asked.method != "GET":
        return ONLY_GET
    if headers := asked.headers:
        looks = "prefetch" in headers.get("sec-purpose", "") or headers.get("sec-fetch-mode") == "navigate"
        if looks:
            return FROM_A_BROWSER
    return TOO_LONG if len(asked.query) > LONGEST_QUERY else None
