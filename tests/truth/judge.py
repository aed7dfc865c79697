"""Whether what handlers have done is what the shop was: nothing twice, nothing forgotten, nothing unproved."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ombud.client import read_order
from ombud.mailbox.model import State
from ombud.receiver.documents import unpack
from ombud.receiver.ledger import ORDER_EVENTS
from tests.truth.handlers import ONE_SHOTS, Effect, Outside
from tests.truth.histories import SOLD, Truth
from tests.truth.world import World

# In which states of the order each event has happened.
STATES = {event_type: {status.word for status in states} for event_type, states in ORDER_EVENTS.items()}


def problems(world: World, outside: Outside, truths: Sequence[Truth]) -> list[str]:
    """Return a line for each thing that is wrong."""
    known = {truth.order_id: truth for truth in truths}
    known |= {product_id: truth for truth in truths for product_id in truth.products}
    # A sale changes the stock of what was sold, of which no webhook tells and the list does.
    effects = [effect for effect in outside.effects if effect.object_id != SOLD]
    found = [*_unended(world), *_uncovered(world)]
    for effect in effects:
        found += _unproved(effect, known.get(effect.object_id))
    for truth in truths:
        found += _orders(world, outside, truth)
        found += _products(world, outside, truth)
    return found


def _unended(world: World) -> Iterator[str]:
    rows = world.rows(
        "select e.box, e.type, e.subject, d.state, d.reason from event e"
        " join delivery d on d.day = e.day and d.event_id = e.id where d.state in (0, 2)"
    )
    for row in rows:
        if row["state"] == State.PENDING or row["box"] != 2 or not row["reason"].startswith("Unconfirmed"):
            yield f"{row['type']} of {row['subject']} ended as {row['state']}: {row['reason']}"


def _uncovered(world: World) -> Iterator[str]:
    rows = world.rows(
        "select e.type, r.subject, r.listed from reading r join event e on e.id = r.event_id"
        " where r.started_at <= e.created_at"
    )
    for row in rows:
        yield f"{row['type']} of {row['subject']}: the look for it had begun before it came, in a list: {row['listed']}"


def _unproved(effect: Effect, truth: Truth | None) -> Iterator[str]:
    if truth is None:
        yield f"acted on what never was: {effect}"
    elif effect.event_type in STATES:
        if effect.state not in STATES[effect.event_type] or effect.state not in truth.statuses:
            yield f"acted on a state that the order was not in: {effect}, {truth.statuses}"
    elif effect.state not in truth.products[effect.object_id]:
        yield f"acted on a state that the product was not in: {effect}"


def _orders(world: World, outside: Outside, truth: Truth) -> Iterator[str]:
    observed = _observed(world, truth.order_id)
    for handler, event_types in ONE_SHOTS.items():
        for event_type in event_types:
            if event_type not in STATES:
                continue
            keys = outside.keys[handler, event_type, truth.order_id]
            entries, seen = _entries(truth.statuses, event_type), _entries(observed, event_type)
            told = _told(world, handler, event_type, f"order/{truth.order_id}")
            where = f"{handler}: {event_type} of {truth.order_id}, {truth.statuses}, observed {observed}"
            if len(keys) > entries:
                yield f"{where}: acted for {len(keys)} transitions of {entries}"
            if len(told) != seen:
                yield f"{where}: observed {seen} times and told {len(told)} times"
            if truth.statuses[-1] in STATES[event_type] and told[-1:] != [State.DONE]:
                yield f"{where}: it is so, and it was not done: {told}"


def _products(world: World, outside: Outside, truth: Truth) -> Iterator[str]:
    for product_id, states in truth.products.items():
        for event_type, most in (("product.add", 1), ("product.delete", 1)):
            for handler in ("shelf", "sync"):
                if len(outside.keys[handler, event_type, product_id]) > most:
                    yield f"{handler}: {event_type} of {product_id} {states}: more than once"
        last = outside.finished.get(("sync", product_id))
        if last != states[-1] and not (states[-1] == "gone" and last is None):
            yield f"sync has finished with {last} of {product_id}, and it is {states[-1]}: {states}"
        stock = outside.finished.get(("stock", product_id))
        if states[-1] != "gone" and stock not in (None, states[-1]):
            yield f"stock has finished with {stock} of {product_id}, and it is {states[-1]}: {states}"


def _observed(world: World, order_id: str) -> list[str]:
    rows = world.rows(
        "select d.body from reading r join document d on d.shop_id = r.shop_id and d.version = r.version"
        " where r.subject = :subject order by r.id",
        subject=f"order/{order_id}",
    )
    orders = [read_order(unpack(row["body"])) for row in rows]
    return ["unpaid", *(order.status.word for order in orders if order.status is not None)]


def _entries(statuses: Sequence[str], event_type: str) -> int:
    inside = [status in STATES[event_type] for status in statuses]
    return sum(not before and after for before, after in pairwise(inside))


def _told(world: World, handler: str, event_type: str, subject: str) -> list[State]:
    rows = world.rows(
        "select d.state from event e join delivery d on d.day = e.day and d.event_id = e.id"
        " join lane l on l.id = d.lane_id join handler h on h.id = l.destination_id"
        " where e.box = 3 and e.type = :event_type and e.subject = :subject and h.name = :handler order by e.id",
        event_type=event_type,
        subject=subject,
        handler=handler,
    )
    return [State(row["state"]) for row in rows]
