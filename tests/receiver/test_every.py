"""A run for each webhook, for who asks for that: none is missed, each has its own key, nothing unconfirmed has one."""

import pytest

from ombud.errors import ConfigurationError
from ombud.receiver.inbox import Inbox
from ombud.receiver.model import Context, Event
from ombud.settings import Settings
from tests.receiver.store import Store
from tests.receiver.world import Desk

Heard = list[tuple[str, Context]]


@pytest.fixture
def heard(desk: Desk) -> Heard:
    """What a handler of every webhook, and one of every change, are called with."""
    heard: Heard = []

    @desk.inbox.on("*", mode="every")
    async def log(event: Event, context: Context) -> None:
        heard.append((event.event_type, context))

    @desk.inbox.on("*")
    async def sync(event: Event, context: Context) -> None:
        heard.append((event.event_type, context))

    return heard


def of(heard: Heard, handler: str) -> list[str]:
    """The event types that one of them heard of; no key of it comes twice."""
    mine = [(event_type, context) for event_type, context in heard if context.handler == handler]
    assert len({context.key for _, context in mine}) == len(mine)
    return [event_type for event_type, _ in mine]


async def test_each_webhook_has_a_run(desk: Desk, store: Store, heard: Heard) -> None:
    product_id = store.client.create_product(title="Bowl", price="10.00")
    async with desk.acquainted():
        desk.clock.ahead_seconds += 60
        store.price(product_id, "11.00")
        for _ in range(3):
            await desk.tell("product.update", product_id)
        order_id = store.pay()
        for _ in range(2):
            await desk.tell("order.new", order_id)
    assert of(heard, "log") == ["product.update"] * 3 + ["order.new"] * 2
    assert of(heard, "sync") == ["product.update", "order.new"]
    arrivals = [context.arrivals for _, context in heard if context.handler == "log"]
    assert all(len(one) == 1 for one in arrivals)
    assert len(set(arrivals)) == 5


async def test_webhooks_that_are_one_read_have_a_run_each(desk: Desk, store: Store, heard: Heard) -> None:
    async with desk.at_work():
        # The handlers are known from now on.
        await desk.until(lambda: len(desk.rows("select 1 from handler")) == 2)
    order_id = store.pay()
    for _ in range(4):
        await desk.hear("order.new", order_id)
    async with desk.at_work():
        await desk.settled()
    assert store.dials.of("order", order_id) == 1
    assert of(heard, "log") == ["order.new"] * 4
    assert of(heard, "sync") == ["order.new"]


async def test_what_the_api_does_not_say_has_none_until_it_does(desk: Desk, store: Store, heard: Heard) -> None:
    order_id = store.place()
    async with desk.at_work():
        await desk.hear("order.new", order_id)
        await desk.until(lambda: desk.rows("select 1 from reading"))
        assert heard == []
        store.turn(order_id, "paid")
        await desk.settled()
    assert of(heard, "log") == ["order.new"]


async def test_what_no_webhook_has_told_has_one(desk: Desk, store: Store, heard: Heard) -> None:
    order_id = store.pay()
    async with desk.at_work():
        store.turn(order_id, "done")
        await desk.tell("order.done", order_id)
    # It was paid before it was done, which nobody has said.
    assert sorted(of(heard, "log")) == ["order.done", "order.new"]
    assert {event_type: context.source for event_type, context in heard if context.handler == "log"} == {
        "order.done": "webhook",
        "order.new": "inferred",
    }


async def test_a_run_that_fails_keeps_its_key(desk: Desk, store: Store) -> None:
    keys: list[str] = []

    @desk.inbox.on("order.new", mode="every")
    async def log(context: Context) -> None:
        keys.append(context.key)
        if context.attempt < 3:
            raise OSError("away")

    order_id = store.pay()
    async with desk.at_work():
        for _ in range(2):
            await desk.tell("order.new", order_id)
    assert [keys.count(key) for key in dict.fromkeys(keys)] == [3, 3]


async def test_who_begins_to_hear_every_one_is_not_told_of_the_past(desk: Desk, store: Store) -> None:
    ran: list[str] = []

    async def log(event: Event) -> None:
        ran.append(event.event_type)

    desk.inbox.on("order.new")(log)
    order_id = store.pay()
    async with desk.at_work():
        for _ in range(3):
            await desk.tell("order.new", order_id)
        assert len(ran) == 1
    del desk.inbox.handlers["log"]
    desk.inbox.on("order.new", mode="every")(log)
    async with desk.at_work():
        await desk.tell("order.new", order_id)
    assert len(ran) == 2


@pytest.mark.parametrize("options", [{"quiet_seconds": 2}, {"watch": "price"}])
def test_every_one_is_neither_quiet_nor_chosen(options: dict[str, object]) -> None:
    inbox = Inbox(Settings(database_url="sqlite:////nowhere/at/all.db"))
    with pytest.raises(ConfigurationError, match="neither quiet_seconds nor watch"):
        inbox.on("product.update", name="h", mode="every", **options)(lambda: None)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="mode is 'every', or left out"):
        inbox.on("product.update", name="h", mode="each")(lambda: None)
