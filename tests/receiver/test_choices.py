"""What handlers may choose to hear besides: cancelled orders, paid again, tracking, products that nobody has seen."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ombud.client import Order, OrderStatus
from ombud.errors import ConfigurationError
from ombud.receiver.inbox import Inbox
from ombud.receiver.ledger import OrderSeen, Told, order_telling
from ombud.receiver.listed import Listed, note_orders
from ombud.receiver.marks import tracking_of
from ombud.receiver.model import Change, Context, OrderId, ProductId
from ombud.receiver.shops import list_shops
from ombud.settings import Settings
from tests.receiver.store import Answer, Store, answer_json
from tests.receiver.world import Desk

Calls = list[tuple[str, str]]
NOT_FOUND = answer_json({"code": 404, "error": "No products were found."}, 404)


def noting(desk: Desk, name: str, event_type: str, calls: Calls, **options: Any) -> None:
    """Have a handler that notes its name and its key."""

    @desk.inbox.on(event_type, name=name, **options)
    async def note(context: Context) -> None:
        calls.append((name, context.key))


def counted(calls: Calls) -> dict[str, int]:
    """How many different keys each handler has had; none comes twice."""
    assert len(set(calls)) == len(calls)
    return {name: sum(one == name for one, _ in calls) for name, _ in calls}


def shown(store: Store, order_id: str, **changes: Any) -> Answer:
    """The order as the API would show it with these changes."""
    order = store.client.order(order_id)
    assert order is not None
    return answer_json([{**order.raw, **changes}])


# order.new ------------------------------------------------------------------------------------------------------------


async def test_an_order_cancelled_before_anybody_looked_is_new_for_who_wants_it(desk: Desk, store: Store) -> None:
    calls: Calls = []
    noting(desk, "ship", "order.new", calls)
    noting(desk, "books", "order.new", calls, include_cancelled=True)
    order_id = store.pay()
    store.turn(order_id, "cancelled")
    async with desk.at_work():
        for _ in range(3):
            await desk.tell("order.new", order_id)
        assert counted(calls) == {"books": 1}
        # Taken up again it is new once more, for both.
        store.turn(order_id, "paid")
        await desk.tell("order.new", order_id)
    assert counted(calls) == {"books": 2, "ship": 1}


async def test_an_order_that_was_never_paid_is_never_new(desk: Desk, store: Store) -> None:
    calls: Calls = []
    noting(desk, "books", "order.new", calls, include_cancelled=True)
    order_id = store.place()
    store.turn(order_id, "cancelled")
    async with desk.at_work():
        await desk.tell("order.new", order_id)
    assert calls == []


def test_what_was_new_and_is_cancelled_later_is_not_new_again() -> None:
    told, fired = Told(), []
    for status in (OrderStatus.PAID, OrderStatus.CANCELLED, OrderStatus.CANCELLED, OrderStatus.PAID):
        seen = OrderSeen(status, "v", was_paid=True)
        telling = order_telling("order.new", seen, told, include_cancelled=True)
        if telling is not None:
            told = telling.told
            fired += [status] if telling.fire else []
    assert fired == [OrderStatus.PAID, OrderStatus.PAID]


async def test_an_order_paid_again_between_two_looks_is_new_for_who_wants_it(desk: Desk, store: Store) -> None:
    calls: Calls = []
    noting(desk, "ship", "order.new", calls)
    noting(desk, "books", "order.new", calls, repeat="on_repaid")
    order_id = store.pay()
    async with desk.at_work():
        await desk.tell("order.new", order_id)
        store.dials.next_answers.append(shown(store, order_id, date_paid="2031-01-01 10:00:00"))
        await desk.tell("order.new", order_id)
        store.dials.next_answers.append(shown(store, order_id, date_paid="2031-01-01 10:00:00"))
        await desk.tell("order.new", order_id)
    assert counted(calls) == {"ship": 1, "books": 2}


# order.done -----------------------------------------------------------------------------------------------------------


async def test_tracking_that_comes_later_is_told_to_who_watches_it(desk: Desk, store: Store) -> None:
    calls: Calls = []
    noting(desk, "mail", "order.done", calls)
    noting(desk, "track", "order.done", calls, watch_tracking=True)
    order_id = store.pay()
    store.turn(order_id, "done")
    numbers: list[dict[str, Any]] = [{"shipping_info": {"trackingnumber": number}} for number in ("A1", "B2")]
    parcels: list[dict[str, Any]] = [{}, *numbers]
    async with desk.at_work():
        for parcel in (*parcels, parcels[-1], parcels[-1] | {"notes": "fragile"}):
            store.dials.next_answers.append(shown(store, order_id, **parcel))
            await desk.tell("order.done", order_id)
    assert counted(calls) == {"mail": 1, "track": 3}


async def test_who_begins_to_watch_is_not_told_what_was_told(desk: Desk, store: Store) -> None:
    calls: Calls = []
    noting(desk, "mail", "order.done", calls)
    order_id = store.pay()
    store.turn(order_id, "done")
    async with desk.at_work():
        await desk.tell("order.done", order_id)
    del desk.inbox.handlers["mail"]
    noting(desk, "mail", "order.done", calls, watch_tracking=True)
    async with desk.at_work():
        await desk.tell("order.done", order_id)
        store.dials.next_answers.append(shown(store, order_id, tracking_number="A1"))
        await desk.tell("order.done", order_id)
    assert counted(calls) == {"mail": 2}


async def test_tracking_that_no_webhook_tells_is_found_by_the_list(desk: Desk, store: Store) -> None:
    calls: Calls = []
    noting(desk, "track", "order.done", calls, watch_tracking=True)
    order_id = store.pay()
    store.turn(order_id, "done")
    async with desk.at_work():
        await desk.tell("order.done", order_id)
        [shop] = desk.receiver.database.read(list_shops)
        for number in ("A1", "A1"):
            raw = {"order_id": order_id, "tracking_number": number}
            listed = Listed(f"order/{order_id}", status=int(OrderStatus.DONE), tracking=tracking_of(raw))
            store.dials.next_answers.append(shown(store, order_id, tracking_number=number))
            desk.receiver.database.write(partial(note_orders, desk.receiver.arrivals, shop, [listed]))
            await desk.settled()
    assert counted(calls) == {"track": 2}
    assert [event_type for event_type, _, _ in desk.arrivals()] == ["order.done", "order.reconcile"]


def test_tracking_is_found_wherever_it_stands() -> None:
    assert tracking_of({"order_id": "1", "shipping_info": {}}) == tracking_of({"order_id": "2"})
    one = {"products": [{"TrackingNumber": "A1"}]}
    assert tracking_of(one) != tracking_of({"products": [{"TrackingNumber": "A2"}]})
    assert tracking_of(one) == tracking_of({**one, "status": "2"})


# product.delete -------------------------------------------------------------------------------------------------------


async def test_a_product_that_nobody_has_seen_is_gone_for_who_wants_it(desk: Desk, store: Store) -> None:
    calls: Calls = []
    noting(desk, "mirror", "product.delete", calls)

    @desk.inbox.on("product.delete", name="erp", allow_unknown=True)
    async def note(change: Change, product_id: ProductId, context: Context) -> None:
        assert (change.before, change.after, product_id) == (None, None, "4711")
        calls.append(("erp", context.key))

    async with desk.acquainted():
        for _ in range(3):
            await desk.tell("product.delete", "4711")
        # One that is there is not gone, whatever a webhook says.
        await desk.tell("product.delete", "101")
    assert counted(calls) == {"erp": 1}


async def test_it_is_new_when_it_comes_after_all(desk: Desk, store: Store) -> None:
    calls: Calls = []
    noting(desk, "erp", "product.delete", calls, allow_unknown=True)
    noting(desk, "shelf", "product.add", calls)
    async with desk.acquainted():
        product_id = store.client.create_product(title="A lamp", price="10.00")
        store.dials.next_answers.extend([NOT_FOUND, NOT_FOUND])
        await desk.tell("product.delete", product_id)
        await desk.tell("product.add", product_id)
    assert counted(calls) == {"erp": 1, "shelf": 1}


# What was done before -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shipped", [True, False])
async def test_who_takes_back_knows_whether_there_is_something_to_take_back(
    desk: Desk, store: Store, shipped: bool
) -> None:
    seen: list[tuple[bool, bool, frozenset[str]]] = []

    @desk.inbox.on("order.new")
    async def ship(order_id: OrderId) -> None:
        """Ship."""

    @desk.inbox.on("order.cancelled")
    async def restock(order: Order, context: Context) -> None:
        seen.append((context.new_was_applied, context.done_was_applied, context.applied))

    order_id = store.pay()
    async with desk.at_work():
        if shipped:
            await desk.tell("order.new", order_id)
        store.turn(order_id, "cancelled")
        await desk.tell("order.cancelled", order_id)
    assert seen == [(shipped, False, frozenset({"order.new"} if shipped else ()))]


# At import ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event_type", "options", "said"),
    [
        ("order.done", {"include_cancelled": True}, "include_cancelled= is for order.new, which it does not hear"),
        ("order.done", {"repeat": "on_repaid"}, "repeat= is for order.new"),
        ("order.new", {"repeat": "always"}, "repeat is 'on_repaid', or left out"),
        ("order.new", {"watch_tracking": True}, "watch_tracking= is for order.done"),
        ("product.add", {"allow_unknown": True}, "allow_unknown= is for product.delete"),
    ],
)
def test_what_cannot_be_meant_is_refused(event_type: str, options: Any, said: str) -> None:
    inbox = Inbox(Settings(database_url="sqlite:////nowhere/at/all.db"))
    with pytest.raises(ConfigurationError, match=said):
        inbox.on(event_type, name="h", **options)(lambda: None)


def test_nobody_gets_a_product_that_was_never_seen() -> None:
    from ombud.client import Product

    def gone(product: Product) -> None:
        """Take it away."""

    on: Callable[..., Any] = Inbox(Settings(database_url="sqlite:////nowhere/at/all.db")).on
    with pytest.raises(ConfigurationError, match="Ask for Change"):
        on("product.delete", allow_unknown=True)(gone)
