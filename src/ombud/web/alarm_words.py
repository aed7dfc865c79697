"""Alarms in words: what happened, what it is about, and what mends it, in the language of whoever is told."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from ombud.admin.alarms.causes import Cause
from ombud.admin.alarms.courier import Message
from ombud.admin.alarms.telling import Task, Told
from ombud.clock import utc
from ombud.web.failure_words import say_reason
from ombud.web.words import Words, mark, words_in

# Alarms that a message tells one by one; of more it says how many.
MOST_TOLD = 30
# The name of each cause, as a page and a form have it.
NAMES: Mapping[Cause, str] = {
    Cause.ENDPOINT_FAILING: mark("An endpoint fails"),
    Cause.ENDPOINT_DISABLED: mark("An endpoint was disabled"),
    Cause.DELIVERY_DEAD: mark("Deliveries were given up"),
    Cause.KEY_REFUSED: mark("A shop's API key is refused"),
    Cause.WEBHOOKS_MISSING: mark("Webhooks stay away"),
    Cause.READ_DEAD: mark("Webhooks were given up unread"),
    Cause.RUN_DEAD: mark("Handler runs were given up"),
    Cause.WORK_LATE: mark("Work is late"),
    Cause.DISK_FULL: mark("The disk is nearly full"),
}
# What is wrong, in one line; and what to do about it.
HEADLINES: Mapping[Cause, str] = {
    Cause.ENDPOINT_FAILING: mark("%(url)s (%(endpoint_id)s) does not take webhooks"),
    Cause.ENDPOINT_DISABLED: mark("%(url)s (%(endpoint_id)s) was disabled: %(reason)s"),
    Cause.DELIVERY_DEAD: mark("%(url)s (%(endpoint_id)s): deliveries given up within a day: %(amount)s"),
    Cause.KEY_REFUSED: mark("The API of shop %(shop)s refuses its key (401)"),
    Cause.WEBHOOKS_MISSING: mark("Shop %(shop)s sends no webhooks, yet its API shows orders: %(amount)s"),
    Cause.READ_DEAD: mark("Shop %(shop)s: webhooks given up unread within a day: %(amount)s"),
    Cause.RUN_DEAD: mark("Handler %(handler)s, shop %(shop)s: runs given up within a day: %(amount)s"),
    Cause.WORK_LATE: mark("Work is late: %(box)s that were due have waited for more than %(span)s"),
    Cause.DISK_FULL: mark("The disk of %(folder)s is %(percent)s %% full"),
}
FIXES: Mapping[Cause, str] = {
    Cause.ENDPOINT_FAILING: mark(
        "It is tried again by itself. Its page under Settings → Webhooks says what went wrong."
    ),
    Cause.ENDPOINT_DISABLED: mark("Mend it, then enable it under Settings → Webhooks and resend what it has missed."),
    Cause.DELIVERY_DEAD: mark("Each says why it failed. Mend that, then resend all that failed under Deliveries."),
    Cause.KEY_REFUSED: mark(
        "Make a new key in the shop and give it to Ombud. Its webhooks are stored and wait for it."
    ),
    Cause.WEBHOOKS_MISSING: mark(
        "No order is lost: they were found in the shop's list. Check the webhook's address in the shop, and what stands"
        " before Ombud."
    ),
    Cause.READ_DEAD: mark("Look at them under Arrivals, and have them read again."),
    Cause.RUN_DEAD: mark("Their tracebacks are under Handler runs. Mend the handler, then run them again."),
    Cause.WORK_LATE: mark("Check that a process performs and keeps up: the first page of the panel says who does."),
    Cause.DISK_FULL: mark("Make room. On a full disk nothing is stored, and webhooks are answered 503."),
}

# What waits in each box.
_WORK = {"outbox": mark("deliveries"), "inbox": mark("reads"), "changes": mark("handler runs")}
_TEST = mark("A test")
_LASTS = mark("%(what)s, since %(since)s.")


def headline(cause: Cause, facts: Mapping[str, Any], words: Words) -> str:
    """Return what is wrong, in one line."""
    said = dict(facts)
    if said.get("reason"):
        said["reason"] = say_reason(str(said["reason"]), words)
    if cause is Cause.WORK_LATE:
        said |= {"box": words.say(_WORK[said["box"]]), "span": words.span(said["seconds"])}
    return words.say(HEADLINES[cause]) % said


class Composer:
    """Puts what is to be told into words; `public_url`: where the panel is opened, if that is known."""

    def __init__(self, public_url: str = "") -> None:
        self._public_url = public_url

    def __call__(self, task: Task) -> Message:
        """Return the message of a task: of one alarm, or of all that came while nothing could be sent."""
        words = words_in(task.language)
        lines = [self._line(one, words, task.zone) for one in task.told[:MOST_TOLD]]
        if len(task.told) > MOST_TOLD:
            lines.append(words.count("And %(num)d more.", "And %(num)d more.", len(task.told) - MOST_TOLD))
        if self._public_url:
            lines.append(f"{self._public_url}/settings/alarms")
        return Message(f"[Ombud] {_subject(task, words)}", "\n\n".join(lines) + "\n")

    def test(self, language: str) -> Message:
        """Return what a test says."""
        words = words_in(language)
        return Message(f"[Ombud] {words.say(_TEST)}", words.say(mark("Alarms reach you here.")) + "\n")

    def _line(self, told: Told, words: Words, zone: str) -> str:
        since = _time(told.since, zone)
        what = headline(told.cause, told.facts, words)
        if told.ended_at is None:
            fix = words.say(FIXES[told.cause])
            return f"{words.say(_LASTS) % {'what': what, 'since': since}}\n{fix}"
        said = {"what": what, "since": since, "until": _time(told.ended_at, zone)}
        return words.say(mark("Over: %(what)s, from %(since)s to %(until)s.")) % said


def _subject(task: Task, words: Words) -> str:
    if len(task.told) > 1:
        lasting = sum(told.ended_at is None for told in task.told)
        said = [words.count("%(num)d alarm", "%(num)d alarms", lasting)] if lasting else []
        over = len(task.told) - lasting
        return ", ".join([*said, *([words.count("%(num)d over", "%(num)d over", over)] if over else [])])
    [told] = task.told
    what = headline(told.cause, told.facts, words)
    return what if told.ended_at is None else words.say(mark("Over: %(what)s")) % {"what": what}


def _time(at: int, zone: str) -> str:
    moment = utc(at).astimezone(ZoneInfo(zone))
    return f"{moment:%Y-%m-%d %H:%M} {moment.tzname()}"
