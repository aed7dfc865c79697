"""The words of the pages in the reader's language: gettext catalogues, and times as people read them."""

import gettext
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import as_file, files
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request

ENGLISH, SWEDISH = "en", "sv"
LANGUAGES = {ENGLISH: "English", SWEDISH: "Svenska"}
COOKIE = "ombud-language"

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_SECOND_MILLISECONDS = 1_000


def mark(text: str) -> str:
    """Return a text that is translated where it is shown; the catalogues find it here."""
    return text


# Words of the data, which templates translate where they show them.
SHOWN = (
    *(mark("pending"), mark("done"), mark("dead"), mark("skipped"), mark("stored"), mark("held")),
    *(mark("open"), mark("closed"), mark("paused"), mark("enabled"), mark("disabled")),
    *(mark("reader"), mark("editor"), mark("owner")),
    *(mark("webhook"), mark("inferred"), mark("reconcile"), mark("backfill"), mark("unconfirmed")),
    *(mark("interrupted"), mark("crashed")),
)


@dataclass(frozen=True)
class Words:
    """A language. `say` translates a text, `count` one with a number: `count("%(num)d day", "%(num)d days", 2)`."""

    language: str
    say: Callable[[str], str]
    plural: Callable[[str, str, int], str]

    def count(self, one: str, many: str, number: int) -> str:
        """Return a text with its number."""
        return self.plural(one, many, number) % {"num": number}

    def ago(self, text: str, now: datetime | None = None) -> str:
        """Return an RFC 3339 time as its distance from now: `3 s ago`, `in 5 min`."""
        seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(text)).total_seconds()
        if abs(seconds) < 1:
            return self.say("just now") if seconds >= 0 else self.say("now")
        words = self.span(abs(seconds))
        return (self.say("%(span)s ago") if seconds > 0 else self.say("in %(span)s")) % {"span": words}

    def due(self, text: str, now: datetime | None = None) -> str:
        """Return the RFC 3339 time of what is to be done: `in 5 min`, or `now` when that has come."""
        seconds = (datetime.fromisoformat(text) - (now or datetime.now(UTC))).total_seconds()
        return self.ago(text, now) if seconds >= 1 else self.say("now")

    def span(self, seconds: float) -> str:
        """Return a span in its largest unit: `12 s`, `5 min`, `3 h`, `2 days`."""
        if seconds < _MINUTE:
            return f"{int(seconds)} s"
        if seconds < _HOUR:
            return f"{int(seconds // _MINUTE)} min"
        if seconds < _DAY:
            return f"{int(seconds // _HOUR)} h"
        return self.count("%(num)d day", "%(num)d days", int(seconds // _DAY))

    def duration(self, milliseconds: int) -> str:
        """Return a duration: `61 ms`, `2.4 s`, `5 min`."""
        if milliseconds < _SECOND_MILLISECONDS:
            return f"{milliseconds} ms"
        if milliseconds < _MINUTE * _SECOND_MILLISECONDS:
            return f"{self.decimal(milliseconds / _SECOND_MILLISECONDS)} s"
        return self.span(milliseconds / _SECOND_MILLISECONDS)

    def decimal(self, number: float) -> str:
        """Return a number with one decimal."""
        return f"{number:.1f}".replace(".", "," if self.language == SWEDISH else ".")

    def percent(self, share: float) -> str:
        """Return a share of 1 in percent; never 100 % for what is less."""
        shown = f"{share * 100:.0f}" if share in (0, 1) else self.decimal(min(99.9, share * 100))
        return f"{shown} %"

    def number(self, number: int) -> str:
        """Return a whole number with its thousands set apart."""
        return f"{number:,}".replace(",", "\u00a0" if self.language == SWEDISH else ",")


def exact(text: str) -> str:
    """Return an RFC 3339 time in UTC, with milliseconds: `2026-11-02 08:14:05.123 UTC`."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"


def milliseconds_between(earlier: str, later: str) -> int:
    """Return the milliseconds from one RFC 3339 time to another."""
    return round((datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds() * 1000)


@cache
def words_in(language: str) -> Words:
    """Return the words of one of LANGUAGES. The sources are in English."""
    translations = gettext.NullTranslations()
    if language != ENGLISH:
        with as_file(files("ombud.web") / "locale") as folder:
            translations = gettext.translation("ombud", folder, [language])
    return Words(language, translations.gettext, translations.ngettext)


def environment_of(package: str, words: Words) -> Environment:
    """Return what makes pages of a package's templates in a language."""
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    cast("Any", environment).install_gettext_callables(words.say, words.plural, newstyle=True)
    environment.policies["ext.i18n.trimmed"] = True
    # A word of the data in the reader's language. What `_` returns counts as safe: it is for texts of templates alone.
    environment.filters["word"] = words.say
    environment.globals["LANGUAGES"] = LANGUAGES
    return environment


def words_for(request: Request) -> Words:
    """Return the words for a reader: in the language they chose, else the first that their browser asks for."""
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return words_in(chosen)
    for part in request.headers.get("accept-language", "").split(","):
        language = part.partition(";")[0].partition("-")[0].strip().lower()
        if language in LANGUAGES:
            return words_in(language)
    return words_in(ENGLISH)
