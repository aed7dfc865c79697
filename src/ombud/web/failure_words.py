"""Reasons in the reader's language: what is stored is English, from the table of verdicts and from the receiver."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from ombud.admin.alarms.channel import NO_ADDRESS
from ombud.admin.alarms.channels import NO_MAIL, TOO_SOON
from ombud.admin.alarms.mail import TROUBLES
from ombud.admin.alarms.quiet import NO_HOURS, NO_ZONE
from ombud.admin.inbox_actions import SKIPPED
from ombud.admin.why import SENTENCES, TRIED, Said
from ombud.receiver import listed, order_looks
from ombud.receiver.arrival import NO_ID, NO_TYPE, NOT_DECODABLE, NOT_KNOWN, TWICE
from ombud.receiver.caller import COVERED, NOT_READ, SUPERSEDED
from ombud.sender.targets import Crowded
from ombud.sender.verdict import TABLE
from ombud.web.words import Words, exact, mark

_ANSWERED = mark("Answered %(status)s:")
# What is said of a channel of alarms.
_OF_ALARMS = (NO_ADDRESS, NO_MAIL, TOO_SOON, NO_HOURS, NO_ZONE)
# What the receiver says of what it has not read, or not run.
_OF_INBOX = (SKIPPED, COVERED, NOT_READ, SUPERSEDED, listed.HELD, order_looks.HELD)
# What is said of a webhook that cannot be read.
_NOTES = (NOT_DECODABLE, TWICE, NO_TYPE, NOT_KNOWN, *NO_ID.values())
_COVERED = re.compile(r"covered by ((?:evt|rdg)_[0-9a-z]{13})(, .*)?")
_BY = {
    None: mark("covered by %(id)s"),
    ", a read that began later": mark("covered by %(id)s, a read that began later"),
    ", which waits for quiet": mark("covered by %(id)s, which waits for quiet"),
}
_PLACE = re.compile(r"\\\{([a-z]+)\\\}")


def say_reason(reason: str, words: Words) -> str:
    """Return a reason in the reader's language; what is not of the table stays as it is."""
    if reason in _OF_INBOX or reason == str(Crowded()):
        return words.say(reason)
    if (found := _COVERED.fullmatch(reason)) and found[2] in _BY:
        return words.say(_BY[found[2]]) % {"id": found[1]}
    status, rest = "", reason
    if found := re.match(r"Answered (\d{3}): (.*)", reason, re.DOTALL):
        status, rest = words.say(_ANSWERED) % {"status": found[1]} + " ", found[2]
    for pattern, happened, fix in _rows():
        if match := pattern.fullmatch(rest):
            said = match.groupdict()
            return f"{status}{words.say(happened).format(**said)} {words.say(fix).format(**said)}"
    return reason if not status else words.say(reason)


def say_why(said: Iterable[Said], words: Words) -> str:
    """Return why an event was sent or was not in the reader's language."""
    return " ".join(words.say(one.text) % _named(one.values, words) for one in said)


def _named(values: Mapping[str, Any], words: Words) -> dict[str, Any]:
    said = {name: exact(value) if name.endswith("at") else value for name, value in values.items()}
    return said | ({"reason": say_reason(values["reason"], words)} if "reason" in values else {})


def say_note(note: str, words: Words) -> str:
    """Return what is wrong with a webhook in the reader's language; its event type stays as it is."""
    problem, opens, event_type = note.partition(" (")
    return (words.say(problem) if problem in _NOTES else problem) + opens + event_type


@cache
def _rows() -> list[tuple[re.Pattern[str], str, str]]:
    return [(pattern_of(f"{words} {fix}"), words, fix) for words, fix in _pairs()]


def pattern_of(text: str) -> re.Pattern[str]:
    """Return what matches a text whose places are filled in: `{name}`."""
    seen: set[str] = set()

    def place(match: re.Match[str]) -> str:
        name = match[1]
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>.+)"

    return re.compile(_PLACE.sub(place, re.escape(text)), re.DOTALL)


def texts() -> list[str]:
    """Return every text that is not in a template, for the catalogues."""
    pairs = {text for pair in _pairs() for text in pair}
    return sorted(pairs.union(_OF_INBOX, _NOTES, _OF_ALARMS, SENTENCES.values(), (TRIED, str(Crowded()))))


def _pairs() -> list[tuple[str, str]]:
    """Return what may happen to a delivery or an e-mail, each with what mends it."""
    return [(row.words, row.fix) for row in TABLE.values()] + list(TROUBLES.values())
