"""What a handler may say of itself beside its function: checked at import, and known where its function is not."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from ombud.errors import ConfigurationError
from ombud.receiver.arrival import UNKNOWN
from ombud.receiver.watching import check_watch
from ombud.setting_values import LONGEST_RETRY_SECONDS, MOST_RETRIES
from ombud.settings import MOST_IN_FLIGHT
from ombud.wire import EVENT_TYPES

# Seconds that one run may take before it is cut and tried again.
HANDLER_SECONDS = 60.0
# Times the quiet span: how long changes that keep coming may put a run off, unless the handler says.
AT_MOST_FACTOR = 5
# Seconds: a longer pause is no waiting for quiet any more.
LONGEST_QUIET_SECONDS = 86_400.0
# What the ledger of a handler can be kept under, on every database.
_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")
# What `repeat` may be: an order that is paid again is new again, though nobody saw it unpaid.
ON_REPAID = "on_repaid"
# What `mode` may be: a run for each change, or one for each webhook.
LATEST, EVERY = "latest", "every"
# Options that say more of one event type.
_OF_EVENT = {
    "include_cancelled": "order.new",
    "repeat": "order.new",
    "watch_tracking": "order.done",
    "allow_unknown": "product.delete",
}
# What the process of a handler may allocate: room for a picture or two, and less than a small machine has.
MEMORY_MEGABYTES = 1_024
# Below this the interpreter itself does not fit.
LEAST_MEMORY_MEGABYTES = 64


class Options(TypedDict, total=False):
    """What `on` takes by name. Spans are in seconds; docs/handlers.md says what each one does."""

    name: str | None
    timeout_seconds: float
    quiet_seconds: float
    at_most_seconds: float
    watch: str | Sequence[str]
    retry_seconds: Sequence[float]
    concurrency: int
    memory_megabytes: int
    renamed_from: str | Sequence[str]
    new: bool
    include_cancelled: bool
    repeat: str
    watch_tracking: bool
    allow_unknown: bool
    mode: str


@dataclass(frozen=True)
class HandlerFacts:
    """What is known of a handler without its function.

    `retry_seconds` None: those of the settings. `concurrency` None: as many as its lane lets in. `mourned`: somebody
    wants to hear when one of its runs is given up. `needs_object`: it asks for what was read, not for ids alone.
    """

    name: str
    event_types: Sequence[str]
    timeout_seconds: float = HANDLER_SECONDS
    quiet_seconds: float = 0.0
    at_most_seconds: float = 0.0
    watch: Sequence[str] = ()
    retry_seconds: Sequence[float] | None = None
    concurrency: int | None = None
    memory_megabytes: int = MEMORY_MEGABYTES
    renamed_from: Sequence[str] = ()
    new: bool = False
    include_cancelled: bool = False
    repeat: str = ""
    watch_tracking: bool = False
    allow_unknown: bool = False
    mode: str = LATEST
    mourned: bool = False
    needs_object: bool = False


def read_options(own_name: str, patterns: Sequence[str], options: Options) -> HandlerFacts:
    """Return what a handler has said of itself; raises ConfigurationError with what exists."""
    name = options.get("name") or own_name
    check = _Check(name)
    check.that(_is_name(name), "a name is a text of 1 to 200 printable characters.")
    for given in options:
        check.that(given in Options.__annotations__, f"{given!r} is not one of: {', '.join(Options.__annotations__)}.")
    for given in ("retry_seconds", "watch", "renamed_from"):
        check.that(isinstance(options.get(given) or (), Iterable), f"{given} is a list.")
    quiet = options.get("quiet_seconds", 0.0)
    facts = HandlerFacts(
        name,
        expand(patterns, f"Handler {name}"),
        options.get("timeout_seconds", HANDLER_SECONDS),
        quiet,
        options.get("at_most_seconds", quiet * AT_MOST_FACTOR),
        _texts(options.get("watch", ())),
        None if (own := options.get("retry_seconds")) is None else tuple(own),
        options.get("concurrency"),
        options.get("memory_megabytes", MEMORY_MEGABYTES),
        _texts(options.get("renamed_from", ())),
        options.get("new", False),
        options.get("include_cancelled", False),
        options.get("repeat", ""),
        options.get("watch_tracking", False),
        options.get("allow_unknown", False),
        options.get("mode", LATEST),
    )
    check.all_of(facts, options)
    return facts


def expand(patterns: Sequence[str], whose: str) -> tuple[str, ...]:
    """Return the event types that are meant: `order.new`, every one of `order.*`, or `*`; `unknown` stands alone."""
    if tuple(patterns) == (UNKNOWN,):
        return (UNKNOWN,)
    if not patterns:
        raise ConfigurationError(f"{whose}: name at least one event type: {', '.join(EVENT_TYPES)}.")
    wanted: set[str] = set()
    for pattern in patterns:
        found = {one for one, kind in EVENT_TYPES.items() if pattern in (one, f"{kind}.*", "*")}
        if not found:
            raise ConfigurationError(
                f"{whose}: {pattern!r} is not one of: {', '.join(EVENT_TYPES)}, order.*, product.* or *."
            )
        wanted |= found
    return tuple(one for one in EVENT_TYPES if one in wanted)


@dataclass(frozen=True)
class _Check:
    """Says at import what cannot be meant."""

    name: str

    def that(self, holds: object, otherwise: str) -> None:
        if not holds:
            raise ConfigurationError(f"Handler {self.name}: {otherwise}")

    def all_of(self, facts: HandlerFacts, options: Mapping[str, Any]) -> None:
        self.that(_span(facts.timeout_seconds) and facts.timeout_seconds > 0, "timeout_seconds must be above 0.")
        quiet, at_most = facts.quiet_seconds, facts.at_most_seconds
        self.that(
            _span(quiet) and quiet <= LONGEST_QUIET_SECONDS,
            f"quiet_seconds is a number from 0 to {LONGEST_QUIET_SECONDS:g}.",
        )
        self.that("at_most_seconds" not in options or quiet > 0, "at_most_seconds bounds quiet_seconds; give both.")
        self.that(_span(at_most) and at_most >= quiet, "at_most_seconds is a number not below quiet_seconds.")
        self._retries(facts.retry_seconds)
        self._counts(facts)
        self.that(facts.name not in facts.renamed_from, "renamed_from names the handler itself.")
        self.that(
            not (facts.new and facts.renamed_from), "it is either new=True or renamed_from=…; a name has one history."
        )
        self.that(facts.mode in (LATEST, EVERY), f"mode is {EVERY!r}, or left out.")
        every = facts.mode == EVERY and (facts.quiet_seconds or facts.watch)
        self.that(
            not every,
            "mode='every' is a run for each webhook, whenever it comes and whatever it says: it has"
            " neither quiet_seconds nor watch.",
        )
        self.that(facts.repeat in ("", ON_REPAID), f"repeat is {ON_REPAID!r}, or left out.")
        for option, event_type in _OF_EVENT.items():
            wanted = not getattr(facts, option) or event_type in facts.event_types
            self.that(wanted, f"{option}= is for {event_type}, which it does not hear.")
        if facts.watch:
            self.that("product.update" in facts.event_types, "watch= is for product.update, which it does not hear.")
            check_watch(facts.watch, f"Handler {self.name}")

    def _retries(self, seconds: Sequence[float] | None) -> None:
        good = seconds is None or (
            len(seconds) <= MOST_RETRIES and all(_span(one) and one <= LONGEST_RETRY_SECONDS for one in seconds)
        )
        self.that(good, f"retry_seconds is a list of at most {MOST_RETRIES} numbers from 0 to 86400: (5, 30, 300).")

    def _counts(self, facts: HandlerFacts) -> None:
        running, memory = facts.concurrency, facts.memory_megabytes
        self.that(
            running is None or (type(running) is int and 1 <= running <= MOST_IN_FLIGHT),
            f"concurrency is a whole number from 1 to {MOST_IN_FLIGHT}.",
        )
        self.that(
            type(memory) is int and memory >= LEAST_MEMORY_MEGABYTES,
            f"memory_megabytes is a whole number from {LEAST_MEMORY_MEGABYTES}.",
        )


def _is_name(given: object) -> bool:
    return isinstance(given, str) and _NAME.fullmatch(given) is not None


def _span(seconds: object) -> bool:
    return isinstance(seconds, int | float) and math.isfinite(seconds) and seconds >= 0


def _texts(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
