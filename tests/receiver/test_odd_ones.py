"""One thing that the API does not like, or that nobody can read, is its own trouble: all others are told of."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ombud.client import ApiError, UnexpectedAnswer
from ombud.client.errors import ForeignAnswer
from ombud.receiver.model import Change, Event
from ombud.receiver.reader import speaks_of_the_subject
from tests.receiver.store import Answer, Store, answer_json
from tests.receiver.world import Desk

# Failures of a lane after which it is closed, and more.
MANY = 12


@contextmanager
def unreadable(store: Store, product_id: str) -> Iterator[list[dict[str, Any]]]:
    """Have the lists show a price of a product that is no number."""
    listed = [dict(one.raw) for one in store.client.product_page()]
    next(one for one in listed if one["id"] == product_id)["price"] = "gratis"
    store.dials.lists = answer_json(listed)
    yield listed
    store.dials.lists = None


@pytest.mark.parametrize(
    "odd",
    [
        answer_json({"code": 400, "error": "That is no id."}, 400),
        answer_json([{"order_id": "1", "status": "1"}]),
        answer_json([{"order_id": "x", "status": "1", "total_amount": "gratis"}]),
        answer_json({"error": "no"}),
    ],
)
async def test_ids_that_the_api_does_not_like_keep_no_order_waiting(desk: Desk, store: Store, odd: Answer) -> None:
    called: list[str] = []

    @desk.inbox.on("order.new")
    async def ship(event: Event) -> None:
        called.append(event.object_id)

    order_id = store.pay()
    store.dials.next_answers.extend([odd] * MANY)
    async with desk.at_work():
        for number in range(MANY):
            await desk.hear("order.new", f"x{number}")
        await desk.until(lambda: len(desk.rows("select 1 from attempt where outcome = 'retry'")) >= MANY)
        await desk.hear("order.new", order_id)
        await desk.until(lambda: called)
    assert called == [order_id]
    assert desk.rows("select 1 from lane where closed_time > 0 or closed_at is not null") == []


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 503, 302])
def test_what_says_something_of_the_api_speaks_against_it(status: int) -> None:
    assert not speaks_of_the_subject(ApiError(status, "words"))
    assert not speaks_of_the_subject(ApiError(400))
    assert speaks_of_the_subject(ApiError(400, "That is no id."))
    assert not speaks_of_the_subject(ForeignAnswer("a page"))
    assert speaks_of_the_subject(UnexpectedAnswer("product.price is not a number"))


async def test_a_product_that_nobody_can_read_hides_no_other(desk: Desk, store: Store) -> None:
    told: list[tuple[str, Change]] = []

    @desk.inbox.on("product.update", watch="price")
    async def sync(event: Event, change: Change) -> None:
        told.append((event.object_id, change))

    with unreadable(store, "101") as listed:
        async with desk.acquainted():
            store.price("102", "77.00")
            await desk.hear("product.update", "102")
            await desk.until(lambda: told)
            next(one for one in listed if one["id"] == "103")["price"] = "78.00"
            store.dials.lists = answer_json(listed)
            store.price("103", "78.00")
            await desk.receiver.reconcile()
            await desk.until(lambda: len(told) > 1)
            # It can be read again: that is a change, though nobody can say from what.
            await desk.hear("product.update", "101")
            await desk.until(lambda: len(told) > 2)
    assert [object_id for object_id, _ in told] == ["102", "103", "101"]
    assert told[0][1].before is not None
    assert told[2][1].before is None
    assert told[2][1].after is not None


async def test_an_order_that_nobody_can_read_hides_no_other(desk: Desk, store: Store) -> None:
    called: list[str] = []

    @desk.inbox.on("order.new")
    async def ship(event: Event) -> None:
        called.append(event.object_id)

    async with desk.acquainted():
        await desk.receiver.reconcile()
        order_id = store.pay()
        odd = {"order_id": "4711", "status": {"odd": 1}, "total_amount": "gratis", "date_created": "some day"}
        paid = store.client.order(order_id)
        assert paid is not None
        store.dials.lists = answer_json([odd, dict(paid.raw)])
        await desk.receiver.reconcile()
        await desk.until(lambda: order_id in called)
    assert called.count(order_id) == 1
