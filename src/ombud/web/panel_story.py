"""One line for each change of a subject: what became of it from the event to the handlers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ombud.web.panel_words import due, duration, milliseconds_between

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


_TONES = {"done": Tone.GOOD, "pending": Tone.WAITING, "dead": Tone.BAD, "skipped": Tone.OFF}


def line_of(story: Mapping[str, Any]) -> Line:
    """Return the line of an event and its arrival, as ombud.admin.overview.stories gives them."""
    event, arrival = story["event"], story["arrival"]
    stages = [_gets(event)]
    if arrival is not None:
        later = milliseconds_between(event["created_at"], arrival["received_at"])
        stages += [[Step(Tone.GOOD, "arrived", f"{duration(later)} later")], [_read(arrival)], _runs(arrival)]
    return Line(event, [stage for stage in stages if stage], _took(event, arrival))


def _gets(event: Mapping[str, Any]) -> list[Step]:
    if not event["fan_out"]:
        return [Step(Tone.OFF, "not sent", "no endpoint wanted it")]
    deliveries = event["deliveries"]
    alone = len(deliveries) == 1
    steps = [_work("GET", delivery, "" if alone else _host(delivery["url"])) for delivery in deliveries[:MOST_ALIKE]]
    return steps + _more(event["fan_out"] - len(steps))


def _host(url: str | None) -> str:
    return (url or "").partition("://")[2].partition("/")[0]


def _read(arrival: Mapping[str, Any]) -> Step:
    read = arrival["read"]
    if read is None:
        return _work("read", arrival)
    about = duration(read["milliseconds"])
    if arrival["state"] == "skipped":
        about += ", together with a later arrival"
    return Step(Tone.GOOD, f"read {read['status']}", about, arrival["reason"] or "")


def _runs(arrival: Mapping[str, Any]) -> list[Step]:
    runs = arrival["runs"]
    if not runs:
        told = arrival["read"] is not None
        return [Step(Tone.OFF, "no handler called", "nothing new to tell")] if told else []
    steps = [_run(run) for run in runs[:MOST_ALIKE]]
    return steps + _more(len(runs) - len(steps))


def _run(run: Mapping[str, Any]) -> Step:
    last = run["attempts"][-1] if run["attempts"] else None
    words = {"done": "done", "dead": "gave up", "skipped": "skipped"}.get(run["state"])
    if words is None:
        words = "waits" if last is None else "failed"
    return Step(_TONES[run["state"]], f"handler {run['handler']} {words}", _about(run), run["reason"] or "")


def _work(verb: str, work: Mapping[str, Any], where: str = "") -> Step:
    last = work["attempts"][-1] if work["attempts"] else None
    if last is None:
        words = f"{verb} waits" if work["state"] == "pending" else f"no {verb}"
    else:
        words = f"{verb} {last['status'] or 'failed'}"
    about = ", ".join(part for part in (_about(work), where) if part)
    return Step(_TONES[work["state"]], words, about, work["reason"] or "")


def _about(work: Mapping[str, Any]) -> str:
    """Return how long the last try took, which one it was, and when the next one comes, or why none does."""
    parts = [duration(work["attempts"][-1]["milliseconds"])] if work["attempts"] else []
    if work["tries"] > 1:
        parts.append(f"try {work['tries']}")
    if work["state"] == "pending" and work["attempts"]:
        parts.append(f"again {due(work['next_attempt_at'])}")
    if work["state"] == "skipped":
        parts.append(work["reason"])
    if work["state"] == "dead":
        parts.append("given up")
    return ", ".join(part for part in parts if part)


def _more(count: int) -> list[Step]:
    return [Step(Tone.OFF, f"and {count} more")] if count > 0 else []


def _took(event: Mapping[str, Any], arrival: Mapping[str, Any] | None) -> str:
    runs = arrival["runs"] if arrival is not None else []
    if not runs or any(run["state"] != "done" or not run["attempts"] for run in runs):
        return ""
    ends = [
        milliseconds_between(event["created_at"], run["attempts"][-1]["at"]) + run["attempts"][-1]["milliseconds"]
        for run in runs
    ]
    return duration(max(ends))
