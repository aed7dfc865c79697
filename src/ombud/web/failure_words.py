"""Reasons of failed attempts in the reader's language: what is stored is English, from the table of verdicts."""

import re
from functools import cache

from ombud.sender.verdict import TABLE
from ombud.web.words import Words, mark

_ANSWERED = mark("Answered %(status)s:")
_PLACE = re.compile(r"\\\{([a-z]+)\\\}")


def say_reason(reason: str, words: Words) -> str:
    """Return a reason in the reader's language; what is not of the table stays as it is."""
    status, rest = "", reason
    if found := re.match(r"Answered (\d{3}): (.*)", reason, re.DOTALL):
        status, rest = words.say(_ANSWERED) % {"status": found[1]} + " ", found[2]
    for pattern, happened, fix in _rows():
        if match := pattern.fullmatch(rest):
            said = match.groupdict()
            return f"{status}{words.say(happened).format(**said)} {words.say(fix).format(**said)}"
    return reason if not status else words.say(reason)


@cache
def _rows() -> list[tuple[re.Pattern[str], str, str]]:
    return [(_pattern(f"{row.words} {row.fix}"), row.words, row.fix) for row in TABLE.values()]


def _pattern(text: str) -> re.Pattern[str]:
    seen: set[str] = set()

    def place(match: re.Match[str]) -> str:
        name = match[1]
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>.+)"

    return re.compile(_PLACE.sub(place, re.escape(text)), re.DOTALL)


def texts() -> list[str]:
    """Return every text of the table, for the catalogues."""
    return sorted({text for row in TABLE.values() for text in (row.words, row.fix)})
