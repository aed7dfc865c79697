"""Why an event was sent to an endpoint, or was not, in words; sentences keep their parts, to be translated. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from ombud.admin.events import rfc3339
from ombud.db.operation import Row
from ombud.mailbox.model import NEVER, State
from ombud.sender.endpoint import in_order
from ombud.sender.outbox import TEST_DATA
from ombud.sender.targets import NEW, Crowded
from ombud.wire import OPERATIONAL_TYPES


class Verdict(StrEnum):
    """Why, for programs."""

    OTHER = "other"  # a test of another endpoint
    DELETED = "deleted"
    LATER = "later"  # the endpoint was added after the event
    ITSELF = "itself"  # an endpoint hears nothing of itself
    FILTER = "filter"  # it had not chosen the event type
    SENT = "sent"
    DEAD = "dead"
    DISABLED = "disabled"
    COVERED = "covered"  # by a newer event, where an endpoint wants only the latest
    SKIPPED = "skipped"
    PAUSED = "paused"
    HELD = "held"  # every try fails, so there is one at a time
    RETRY = "retry"
    LIMIT = "limit"  # what one host or address is sent, or an endpoint that has not acknowledged yet
    RATE = "rate"  # the endpoint's own
    IN_FLIGHT = "in flight"
    DUE = "due"


# Each sentence, with places for what it names: `reason` is a sentence of its own, times end in `at`.
TRIED = "Try %(tries)s failed: %(reason)s"
SENTENCES = {
    "other": "It is a test of another endpoint.",
    "deleted_before": "The endpoint was deleted before, at %(at)s.",
    "later": "The endpoint was added later, at %(at)s.",
    "itself": "It hears nothing of itself, and this is about it; or it chose the type later.",
    "chosen_since": "The endpoint has chosen %(type)s since; it had not when the event came.",
    "filter": "The endpoint does not want %(type)s; it hears of %(chosen)s.",
    "sent": "Acknowledged at try %(tries)s.",
    "dead": "Given up after %(tries)s tries: %(reason)s It can be replayed.",
    "covered": "A newer event of the same type about the same product stands for it: %(event)s.",
    "skipped": "Skipped: %(word)s. It can be replayed.",
    "disabled": "The endpoint has been disabled.",
    "disabled_since": "The endpoint has been disabled since %(at)s.",
    "enable": "Enable it and replay the delivery.",
    "about_to_end": "The delivery is about to end as skipped.",
    "deleted": "The endpoint was deleted at %(at)s: the delivery is about to end as skipped.",
    "paused": "The endpoint is paused, until somebody resumes it.",
    "held": "Held: every try has failed since %(since_at)s, so there is one at a time, of whatever waits."
    " Not before %(at)s.",
    "retry": "The next try is at %(at)s.",
    "place": "Under way, or waits in a line since %(at)s: to %(place)s at most %(connections)s requests are under way"
    " at once and %(per_second)s start in a second, whatever endpoints lead there"
    " (OMBUD_TARGET_CONNECTIONS, OMBUD_TARGET_PER_SECOND).",
    "new": "Under way, or waits in a line since %(at)s: until the endpoint has answered 2xx, it is sent one request"
    " a second, one at once.",
    "rate": "Due, and waits for its turn: %(rate)s a minute are sent at most.",
    "in_flight": "In a worker's hands: under way, or next in its line.",
    "due": "Due, and waits for a worker.",
}


class Said(NamedTuple):
    """A sentence, and what it names."""

    text: str
    values: Mapping[str, Any] = {}

    def __str__(self) -> str:
        return self.text % self.values


class Why(NamedTuple):
    """A word for programs, sentences for people, and when the next try is at the earliest (UTC microseconds)."""

    verdict: Verdict
    said: tuple[Said, ...]
    next_try_at: int | None = None

    @property
    def words(self) -> str:
        """The sentences as one, in English."""
        return " ".join(map(str, self.said))


def why(event: Row, endpoint: Row, delivery: Row | None, now: int) -> Why:
    """Return why an endpoint was or was not sent an event; `now` in UTC microseconds."""
    return _never_written(event, endpoint) if delivery is None else _of_delivery(endpoint, delivery, now)


def _say(name: str, **values: Any) -> Said:
    return Said(SENTENCES[name], values)


def _never_written(event: Row, endpoint: Row) -> Why:
    deleted_at, type_ = endpoint["deleted_at"], event["type"]
    if event["data"] == TEST_DATA:
        return Why(Verdict.OTHER, (_say("other"),))
    if deleted_at is not None and deleted_at <= event["created_at"]:
        return Why(Verdict.DELETED, (_say("deleted_before", at=rfc3339(deleted_at)),))
    if endpoint["created_at"] > event["created_at"]:
        return Why(Verdict.LATER, (_say("later", at=rfc3339(endpoint["created_at"])),))
    if type_ in OPERATIONAL_TYPES and endpoint["wants"]:
        return Why(Verdict.ITSELF, (_say("itself"),))
    if endpoint["wants"]:
        return Why(Verdict.FILTER, (_say("chosen_since", type=type_),))
    chosen = ", ".join(in_order((endpoint["event_types"] or "").split(",")))
    return Why(Verdict.FILTER, (_say("filter", type=type_, chosen=chosen),))


def _of_delivery(endpoint: Row, delivery: Row, now: int) -> Why:
    tries, reason = delivery["tries"], delivery["reason"] or ""
    match State(delivery["state"]):
        case State.DONE:
            return Why(Verdict.SENT, (_say("sent", tries=tries),))
        case State.DEAD:
            return Why(Verdict.DEAD, (_say("dead", tries=tries, reason=reason),))
        case State.SKIPPED:
            return _skipped(endpoint, reason)
        case State.PENDING:
            tried = (Said(TRIED, {"tries": tries, "reason": reason}),) if tries else ()
            found = _pending(endpoint, delivery, now)
            # Of an endpoint that is gone or switched off it says nothing.
            return (
                found
                if found.verdict in (Verdict.DELETED, Verdict.DISABLED)
                else found._replace(said=tried + found.said)
            )


def _skipped(endpoint: Row, reason: str) -> Why:
    if reason == "endpoint disabled" and endpoint["disabled_at"] is not None:
        return Why(Verdict.DISABLED, (*_disabled(endpoint), _say("enable")))
    if reason.startswith("covered by "):
        return Why(Verdict.COVERED, (_say("covered", event=reason[11:]),))
    return Why(Verdict.SKIPPED, (_say("skipped", word=reason),))


def _disabled(endpoint: Row) -> tuple[Said, ...]:
    at, by = endpoint["disabled_at"], endpoint["disabled_reason"]
    said = _say("disabled") if at is None else _say("disabled_since", at=rfc3339(at))
    return (said, Said("%(reason)s", {"reason": by})) if by else (said,)


def _pending(endpoint: Row, delivery: Row, now: int) -> Why:
    due_at, hold_until = delivery["due_at"], delivery["hold_until"]
    if endpoint["deleted_at"] is not None:
        return Why(Verdict.DELETED, (_say("deleted", at=rfc3339(endpoint["deleted_at"])),))
    if not endpoint["enabled"]:
        return Why(Verdict.DISABLED, (*_disabled(endpoint), _say("about_to_end")))
    if hold_until == NEVER:
        return Why(Verdict.PAUSED, (_say("paused"),))
    if delivery["closed_at"] is not None:
        at = max(due_at, hold_until)
        return Why(Verdict.HELD, (_say("held", since_at=rfc3339(delivery["closed_at"]), at=rfc3339(at)),), at)
    found = _later(delivery) if due_at > now else _of_due(endpoint, delivery)
    return found._replace(next_try_at=due_at)


def _later(delivery: Row) -> Why:
    retry = _say("retry", at=rfc3339(delivery["due_at"]))
    if delivery["reason"] == str(Crowded()):
        return Why(Verdict.LIMIT, (Said("%(reason)s", {"reason": delivery["reason"]}), retry))
    return Why(Verdict.RETRY, (retry,))


def _of_due(endpoint: Row, delivery: Row) -> Why:
    place, rate = delivery["place"], endpoint["rate_per_minute"]
    if place is not None:
        at = rfc3339(delivery["waits_since"])
        if place.startswith(NEW):
            return Why(Verdict.LIMIT, (_say("new", at=at),))
        limits = {"connections": delivery["connections"], "per_second": delivery["per_second"]}
        return Why(Verdict.LIMIT, (_say("place", at=at, place=place, **limits),))
    if rate is not None:
        return Why(Verdict.RATE, (_say("rate", rate=rate),))
    if delivery["lease_token"] is not None:
        return Why(Verdict.IN_FLIGHT, (_say("in_flight"),))
    return Why(Verdict.DUE, (_say("due"),))
