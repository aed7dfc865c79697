"""The names of handlers over restarts: a rename takes its history along, and nobody guesses."""

import asyncio

import pytest

from ombud.errors import ConfigurationError
from ombud.receiver.model import Context
from ombud.receiver.router import Router
from tests.receiver.store import Store
from tests.receiver.world import Desk


async def shipped_once(desk: Desk, store: Store) -> str:
    """A first start, with an order that `ship` has seen; returns its id."""
    desk.inbox.on("order.new", name="ship")(lambda: None)
    order_id = store.pay()
    async with desk.at_work():
        await desk.tell("order.new", order_id)
    assert [run["name"] for run in desk.runs()] == ["ship"]
    desk.inbox.handlers.clear()
    return order_id


async def start(desk: Desk) -> None:
    """Start and stop, or raise what the start raises."""
    desk.write("update handler set active = 0")
    inbox = desk.inbox
    facts = [handler.facts for handler in inbox.handlers.values()]
    work = asyncio.create_task(desk.receiver.run(facts, desk.runner(), retired=inbox.all_retired))
    ready = asyncio.create_task(desk.until(lambda: desk.rows("select 1 from handler where active = 1")))
    await asyncio.wait([work, ready], return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    desk.receiver.stop()
    await work


async def test_a_name_that_may_be_a_rename_is_refused(desk: Desk, store: Store) -> None:
    await shipped_once(desk, store)
    desk.inbox.on("order.new", name="send")(lambda: None)
    with pytest.raises(
        ConfigurationError, match=r"'send' is not known .*'ship' of before is gone.*renamed_from='ship'"
    ):
        await start(desk)
    assert [row["name"] for row in desk.rows("select name from handler")] == ["ship"]


async def test_a_declared_rename_ships_no_order_again(desk: Desk, store: Store) -> None:
    order_id = await shipped_once(desk, store)
    sent: list[str] = []
    desk.inbox.on("order.new", name="send", renamed_from="ship")(lambda: sent.append("again"))
    async with desk.at_work():
        await desk.tell("order.new", order_id)
    assert sent == []
    assert [run["name"] for run in desk.runs()] == ["send"]
    # It may stay in the code.
    await start(desk)


@pytest.mark.parametrize("how", ["new", "retired"])
async def test_another_handler_in_the_place_of_one_that_is_gone(desk: Desk, store: Store, how: str) -> None:
    order_id = await shipped_once(desk, store)
    billed: list[str] = []
    router = Router()
    if how == "retired":
        router.retire("ship")
    router.on("order.new", name="bill", new=how == "new")(lambda: billed.append("billed"))
    desk.inbox.include(router)
    async with desk.at_work():
        await desk.tell("order.new", order_id)
    assert billed == ["billed"]


async def test_one_more_handler_needs_no_word(desk: Desk, store: Store) -> None:
    await shipped_once(desk, store)
    desk.inbox.on("order.new", name="ship")(lambda: None)
    desk.inbox.on("order.new", name="bill")(lambda: None)
    await start(desk)
    assert [row["name"] for row in desk.rows("select name from handler order by name")] == ["bill", "ship"]


async def test_a_rename_from_what_is_still_there_is_refused(desk: Desk, store: Store) -> None:
    await shipped_once(desk, store)
    desk.inbox.on("order.new", name="ship")(lambda: None)
    desk.inbox.on("order.new", name="send", renamed_from=["nobody", "ship"])(lambda: None)
    with pytest.raises(ConfigurationError, match="renamed from ship, which is still there"):
        await start(desk)


async def test_a_rename_between_two_tries_keeps_the_key(desk: Desk, store: Store) -> None:
    keys: list[str] = []

    @desk.inbox.on("order.new", name="ship")
    def fails(context: Context) -> None:
        keys.append(context.key)
        raise ValueError

    order_id = store.pay()
    async with desk.at_work():
        await desk.hear("order.new", order_id)
        await desk.until(lambda: desk.rows("select 1 from delivery where attempts > 0"))
    desk.inbox.handlers.clear()

    @desk.inbox.on("order.new", name="send", renamed_from="ship")
    def works(context: Context) -> None:
        keys.append(context.key)

    async with desk.at_work():
        await desk.settled()
    assert len(keys) >= 2
    assert len(set(keys)) == 1
