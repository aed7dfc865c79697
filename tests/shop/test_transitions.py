"""Each change of status, and the event of the status entered: in the same transaction, or not at all."""

from typing import Any

import pytest

from ombud.db.operation import Operation
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.endpoints import Endpoints
from ombud.sender.vault import Vault
from ombud.shop.order_document import Order
from ombud.shop.order_input import OrderChange
from tests.shop.world import SECOND, World, ask

STATUSES = {"unpaid": "-1", "cancelled": "0", "paid": "1", "done": "2"}
EVENTS = {"paid": ["order.new"], "done": ["order.done"], "cancelled": ["order.cancelled"], "unpaid": []}


@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
async def test_every_transition_publishes_the_event_of_the_status_entered(
    world: World, before: str, after: str
) -> None:
    order_id = await world.place()
    await world.change(order_id, status=before)
    known = len(world.events())
    world.clock.now += 60 * SECOND

    assert await world.change(order_id, status=after) == {"success": True, "errors": []}

    expected = [] if after == before else EVENTS[after]
    assert world.new_events(known) == [(event, f"order/{order_id}") for event in expected]
    assert (await world.order(order_id))["status"] == STATUSES[after]


async def test_a_new_order_is_unpaid_and_tells_nobody(world: World) -> None:
    known = len(world.events())

    order_id = await world.place(status="paid")

    assert (await world.order(order_id))["status"] == "-1"
    assert world.new_events(known) == []


async def test_paid_unpaid_paid_is_new_twice(world: World) -> None:
    order_id = await world.place()
    known = len(world.events())

    for status in ("paid", "unpaid", "paid"):
        await world.change(order_id, status=status)

    assert [event for event, _ in world.new_events(known)] == ["order.new", "order.new"]


async def test_details_alone_publish_nothing(world: World) -> None:
    order_id = await world.place()
    known = len(world.events())

    result = await world.change(order_id, payment={"method": "DemoPay", "transaction_id": "T-1"})

    assert result["success"] is True
    assert (await world.order(order_id))["paymethod"] == {"method": "DemoPay", "transaction_id": "T-1"}
    assert world.new_events(known) == []


@pytest.mark.parametrize(
    ("skip", "published"), [(True, False), ("true", False), ("1", False), (False, True), ("false", True), (None, True)]
)
async def test_skip_webhook_holds_order_new_back(world: World, skip: Any, published: bool) -> None:
    order_id = await world.place()
    known = len(world.events())

    await world.change(order_id, status="paid", skip_webhook=skip)

    assert world.new_events(known) == ([("order.new", f"order/{order_id}")] if published else [])
    assert (await world.order(order_id))["status"] == "1"


@pytest.mark.parametrize("status", ["done", "cancelled"])
async def test_skip_webhook_belongs_to_paid_alone(world: World, status: str) -> None:
    order_id = await world.place()
    known = len(world.events())

    await world.change(order_id, status=status, skip_webhook="true")

    assert world.new_events(known) == [(f"order.{status}", f"order/{order_id}")]


async def test_dates_are_of_stockholm_and_follow_the_status(world: World) -> None:
    order_id = await world.place()
    world.clock.now += 90 * SECOND
    await world.change(order_id, status="paid")

    order = await world.order(order_id)
    assert (order["date_created"], order["date_paid"]) == ("2026-11-02 09:14:05", "2026-11-02 09:15:35")
    assert order["total_pay_amount"] == order["total_amount"] == "249.50"

    await world.change(order_id, status="unpaid")
    order = await world.order(order_id)
    assert (order["date_paid"], order["total_pay_amount"]) == (None, "0.00")


async def test_summer_time_is_two_hours_ahead(world: World) -> None:
    world.clock.now = 1_782_900_000 * SECOND  # 2026-07-01 10:00:00 UTC

    assert (await world.order(await world.place()))["date_created"] == "2026-07-01 12:00:00"


async def test_a_change_and_its_event_are_one_transaction(world: World) -> None:
    """What fails after the event was written leaves neither the event nor the change."""
    order_id = int(await world.place())
    known = len(world.events())

    def pay_and_fail() -> Operation[None]:
        yield from world.shop.orders.change([OrderChange(order_id, "paid")])
        raise RuntimeError("the lights went out")

    with pytest.raises(RuntimeError, match="the lights went out"):
        await world.writer.write(pay_and_fail)

    assert world.new_events(known) == []
    assert (await world.order(str(order_id)))["status"] == "-1"
    assert (await world.product("101"))["qty"] == "40"


async def test_a_change_whose_event_cannot_be_written_is_undone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = int(await world.place())

    def refuse(_: Any) -> Operation[None]:
        yield from ()
        raise RuntimeError("no room for events")

    monkeypatch.setattr(world.outbox, "publish", refuse)
    with pytest.raises(RuntimeError, match="no room for events"):
        await world.shop.change_orders([OrderChange(order_id, "paid")])

    order: Order = await world.shop.get_order(order_id)
    assert order.status.word == "unpaid"
    assert (await world.product("101"))["qty"] == "40"


async def test_an_event_has_a_delivery_for_each_endpoint(world: World) -> None:
    endpoints = Endpoints(world.outbox.mailbox, Vault(world.database.key_file))
    edit = EndpointEdit("https://hooks.example.test/", ["order.new"])
    await world.writer.write(lambda: endpoints.add(edit))

    await world.change("90001", status="paid")

    deliveries = world.database.read(lambda: ask("select subject, state from delivery"))
    assert deliveries == [{"subject": "order/90001", "state": 0}]


async def test_paying_twice_in_one_request_publishes_once(world: World) -> None:
    order_id = await world.place()
    known = len(world.events())

    answer = await world.api.put(
        "/v1/orders", json=[{"order_id": order_id, "status": "paid"}, {"order_id": order_id, "status": "paid"}]
    )

    assert answer.json() == {"results": {order_id: {"success": True, "errors": []}}}
    assert world.new_events(known) == [("order.new", f"order/{order_id}")]
