"""Dials for trouble: what goes wrong between a shop and its system, a click each. They last as long as the process."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ombud.db.operation import Operation
from ombud.sender.outbox import Event, Fact, Outbox
from ombud.web.words import mark

# What every dial stands at when nothing is wrong.
WELL = "well"
# Microseconds by which an event of the dial "late" is late, at least and at most: two overtake one another.
LATE = (1_000_000, 10_000_000)

# Publishes events, in the transaction of their change.
Publish = Callable[[Sequence[Event]], Operation[None]]


@dataclass(frozen=True)
class Choice:
    """A place of a dial: its name in forms, its button, and what is to be seen when it is chosen."""

    name: str
    label: str
    watch: str


@dataclass(frozen=True)
class Dial:
    """Something that can go wrong in several ways; the first choice is WELL."""

    name: str
    title: str
    choices: Sequence[Choice]


WEBHOOKS = Dial(
    "webhooks",
    mark("Webhooks"),
    (
        Choice(WELL, mark("As they should be"), mark("Each change publishes its event, once and at once.")),
        Choice(
            "lost",
            mark("Lost"),
            mark(
                "Nothing arrives. The receiver finds the change when it compares the shop's lists, which the demo does"
                " if it is started with OMBUD_RECONCILE_SECONDS=10."
            ),
        ),
        Choice("twice", mark("Sent twice"), mark("Two webhooks arrive, and the handler runs once.")),
        Choice(
            "late",
            mark("Late, in any order"),
            mark(
                "Each webhook comes 1 to 10 seconds late: pay, ship, cancel. Handlers run for the order as it is then."
            ),
        ),
    ),
)
API = Dial(
    "api",
    mark("The shop's API"),
    (
        Choice(WELL, mark("As it should be"), mark("Each read is answered at once.")),
        Choice(
            "busy",
            mark("Too many requests"),
            mark("Every request is answered 429. Arrivals wait, and are read when this is over."),
        ),
        Choice(
            "down",
            mark("Down"),
            mark("Every request is answered 503. Webhooks are still answered 200: nothing is lost."),
        ),
        Choice("slow", mark("Slow"), mark("Every request takes three seconds.")),
        Choice(
            "garbage",
            mark("Answers garbage"),
            mark("Every answer is a page of HTML with status 200. No handler believes it."),
        ),
        Choice(
            "refused",
            mark("Refuses the key"),
            mark("Every request is answered 401: the receiver stops reading, and says so."),
        ),
    ),
)
ENDPOINT = Dial(
    "endpoint",
    mark("An endpoint to try"),
    (
        Choice(WELL, mark("Answers 200"), mark("What waits for it is delivered.")),
        Choice(
            "500",
            mark("Fails: 500"),
            mark("Deliveries are tried again; after five failures only now and then one, as a probe."),
        ),
        Choice("429", mark("Too busy: 429"), mark("With Retry-After: 5. Nothing is sent for five seconds.")),
        Choice(
            "slow",
            mark("Answers too late"),
            mark("After twelve seconds: two too many. Other endpoints do not feel it."),
        ),
        Choice(
            "404",
            mark("Is not there: 404"),
            mark("The delivery is tried again by itself; the endpoint stays open for others."),
        ),
        Choice("410", mark("Gone: 410"), mark("Two of these an hour apart, and the endpoint is disabled.")),
    ),
)
DIALS = {dial.name: dial for dial in (WEBHOOKS, API, ENDPOINT)}


@dataclass(frozen=True)
class Places:
    """Where the dials stand."""

    webhooks: str = WELL
    api: str = WELL
    endpoint: str = WELL


class Trouble:
    """The dials of one shop. `chance` gives a number from 0 to 1: how late something is."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self.places = Places()
        self._chance = chance

    def turn(self, dial: str, choice: str) -> bool:
        """Turn a dial; returns whether there is such a dial and such a place of it."""
        if dial not in DIALS or choice not in {one.name for one in DIALS[dial].choices}:
            return False
        self.places = replace(self.places, **{dial: choice})
        return True

    def reset(self) -> None:
        """Have everything well again."""
        self.places = Places()

    def now(self) -> list[tuple[Dial, Choice]]:
        """Return the dials that do not stand at WELL."""
        chosen = ((dial, getattr(self.places, dial.name)) for dial in DIALS.values())
        return [(dial, one) for dial, name in chosen for one in dial.choices if name != WELL and one.name == name]

    def publish(self, outbox: Outbox, events: Sequence[Event]) -> Operation[None]:
        """Publish what has happened, as the dial of webhooks has it, in the transaction of the change."""
        match self.places.webhooks:
            case "lost":
                return
            case "twice":
                yield from outbox.publish([*events, *events])
            case "late":
                facts = [Fact(event.shop_id, event.event_type, event.subject) for event in events]
                drafts = yield from outbox.draft(facts)
                yield from outbox.mailbox.append([draft._replace(delay=self._delay()) for draft in drafts])
            case _:
                yield from outbox.publish(events)

    def _delay(self) -> int:
        least, most = LATE
        return least + round((most - least) * self._chance())
