"""One line for each change of a subject: what became of it from the event to the handlers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ombud.web.failure_words import say_reason
from ombud.web.words import Words, mark, milliseconds_between

# Steps of one kind in a line; what is more is counted.
MOST_ALIKE = 4


class Tone(StrEnum):
    """How a step stands, for the eye; its words say it, too."""

    GOOD = "good"
    WAITING = "waiting"
    BAD = "bad"
    OFF = "off"


@dataclass(frozen=True)
class Step:
    """A try at something: what happened, and about it in small."""

    tone: Tone
    words: str
    about: str = ""
    title: str = ""


@dataclass(frozen=True)
class Line:
    """A line: the event, and its steps at each stage: sent, arrived, read, handled.

    `took` says how long all of it lasted, once every handler is done.
    """

    event: Mapping[str, Any]
    stages: list[list[Step]]
    took: str


_TONES = {"done": Tone.GOOD, "pending": Tone.WAITING, "held": Tone.WAITING, "dead": Tone.BAD, "skipped": Tone.OFF}

_ENDS = {"dead": mark("given up"), "held": mark("held")}


def line_of(story: Mapping[str, Any], words: Words) -> Line:
    """Return the line of an event and its arrival, as ombud.admin.overview.stories gives them."""
    return _Teller(words).line(story["event"], story["arrival"])


class _Teller:
    def __init__(self, words: Words) -> None:
        self._words = words
        self._say = words.say

    def line(self, event: Mapping[str, Any], arrival: Mapping[str, Any] | None) -> Line:
        say = self._say
        stages = [self._gets(event)]
        if arrival is not None:
            later = self._words.duration(milliseconds_between(event["created_at"], arrival["received_at"]))
            arrived = Step(Tone.GOOD, say("arrived"), say("%(span)s later") % {"span": later})
            stages += [[arrived], [self._read(arrival)], self._runs(arrival)]
        return Line(event, [stage for stage in stages if stage], self._took(event, arrival))

    def _gets(self, event: Mapping[str, Any]) -> list[Step]:
        say = self._say
        if not event["fan_out"]:
            return [Step(Tone.OFF, say("not sent"), say("no endpoint wanted it"))]
        deliveries = event["deliveries"]
        alone = len(deliveries) == 1
        steps = [
            self._work("GET", delivery, "" if alone else _host(delivery["url"])) for delivery in deliveries[:MOST_ALIKE]
        ]
        return steps + self._more(event["fan_out"] - len(steps))

    def _read(self, arrival: Mapping[str, Any]) -> Step:
        read, say = arrival["read"], self._say
        if read is None:
            return self._work(say("read"), arrival)
        about = self._words.duration(read["milliseconds"])
        if arrival["state"] == "skipped":
            about += ", " + say("together with a later arrival")
        return Step(Tone.GOOD, say("read %(status)s") % {"status": read["status"]}, about, self._reason(arrival))

    def _runs(self, arrival: Mapping[str, Any]) -> list[Step]:
        runs, say = arrival["runs"], self._say
        if not runs:
            told = arrival["read"] is not None
            return [Step(Tone.OFF, say("no handler called"), say("nothing new to tell"))] if told else []
        steps = [self._run(run) for run in runs[:MOST_ALIKE]]
        return steps + self._more(len(runs) - len(steps))

    def _run(self, run: Mapping[str, Any]) -> Step:
        say = self._say
        tried = bool(run["attempts"])
        ended = {"done": say("done"), "dead": say("gave up"), "skipped": say("skipped")}.get(run["state"])
        words = ended or (say("failed") if tried else say("waits"))
        handler = say("handler %(name)s") % {"name": run["handler"]}
        return Step(_TONES[run["state"]], f"{handler} {words}", self._about(run), self._reason(run))

    def _work(self, verb: str, work: Mapping[str, Any], where: str = "") -> Step:
        last, say = work["attempts"][-1] if work["attempts"] else None, self._say
        if last is not None:
            words = f"{verb} {last['status'] or say('failed')}"
        elif work["state"] in ("pending", "held"):
            words = say("%(verb)s waits") % {"verb": verb}
        else:
            words = say("no %(verb)s") % {"verb": verb}
        about = ", ".join(part for part in (self._about(work), where) if part)
        return Step(_TONES[work["state"]], words, about, self._reason(work))

    def _about(self, work: Mapping[str, Any]) -> str:
        """Return how long the last try took, which one it was, and when the next one comes, or why none does."""
        say = self._say
        parts = [self._words.duration(work["attempts"][-1]["milliseconds"])] if work["attempts"] else []
        if work["tries"] > 1:
            parts.append(say("try %(number)s") % {"number": work["tries"]})
        if work["state"] == "pending" and work["attempts"]:
            parts.append(say("again %(when)s") % {"when": self._words.due(work["next_attempt_at"])})
        if work["state"] == "skipped":
            parts.append(self._reason(work))
        if work["state"] in _ENDS:
            parts.append(say(_ENDS[work["state"]]))
        return ", ".join(part for part in parts if part)

    def _reason(self, work: Mapping[str, Any]) -> str:
        return say_reason(work["reason"], self._words) if work["reason"] else ""

    def _more(self, count: int) -> list[Step]:
        return [Step(Tone.OFF, self._say("and %(count)s more") % {"count": count})] if count > 0 else []

    def _took(self, event: Mapping[str, Any], arrival: Mapping[str, Any] | None) -> str:
        runs = arrival["runs"] if arrival is not None else []
        if not runs or any(run["state"] != "done" or not run["attempts"] for run in runs):
            return ""
        ends = [
            milliseconds_between(event["created_at"], run["attempts"][-1]["at"]) + run["attempts"][-1]["milliseconds"]
            for run in runs
        ]
        return self._words.duration(max(ends))


def _host(url: str | None) -> str:
    return (url or "").partition("://")[2].partition("/")[0]
