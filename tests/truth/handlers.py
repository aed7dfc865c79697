"""The handlers of a history: they write down what they were called for, and fail and die as it comes."""

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field

from ombud import Change, Context, Event, Inbox, Product
from ombud.client import Order
from ombud.settings import Settings

# Of the calls: how many fail, before or after the outside has heard of them.
FAILING = 0.12
ONE_SHOTS = {
    "ship": ("order.new",),
    "mail": ("order.done",),
    "refund": ("order.cancelled",),
    "books": ("order.new", "order.done", "order.cancelled"),
    "shelf": ("product.add", "product.delete"),
}


@dataclass(frozen=True)
class Effect:
    """What the outside was asked for: the run's key, and the state that the handler acted on."""

    handler: str
    event_type: str
    object_id: str
    key: str
    state: str


@dataclass
class Outside:
    """All that handlers have done, and what each has finished with last, by object; `gone` for what is deleted."""

    chance: random.Random
    effects: list[Effect] = field(default_factory=list)
    finished: dict[tuple[str, str], str] = field(default_factory=dict)
    keys: dict[tuple[str, str, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    async def act(self, effect: Effect) -> None:
        await asyncio.sleep(0)
        fails = self.chance.random()
        if fails < FAILING / 2:
            raise OSError("the outside is away")
        self.effects.append(effect)
        self.keys[effect.handler, effect.event_type, effect.object_id].add(effect.key)
        await asyncio.sleep(0)
        if fails < FAILING:
            raise OSError("the answer got lost")
        self.finished[effect.handler, effect.object_id] = effect.state


def make_inbox(outside: Outside) -> Inbox:
    """Return an inbox with a handler for each event, and some for several."""
    inbox = Inbox(Settings(database_url="sqlite:////nowhere/at/all.db"))

    async def on_order(order: Order, event: Event, context: Context) -> None:
        assert order.status is not None
        state = order.status.word
        await outside.act(Effect(context.handler, event.event_type, event.object_id, context.key, state))

    async def on_product(change: Change, event: Event, context: Context) -> None:
        state = str(change.after.price) if isinstance(change.after, Product) else "gone"
        await outside.act(Effect(context.handler, event.event_type, event.object_id, context.key, state))

    for name, event_types in ONE_SHOTS.items():
        inbox.on(*event_types, name=name)(on_order if event_types[0].startswith("order") else on_product)
    inbox.on("product.*", name="sync")(on_product)
    inbox.on("product.update", name="stock", watch="price", quiet_seconds=5, at_most_seconds=20)(on_product)
    return inbox
