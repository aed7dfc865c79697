"""Killing a handler at each of its steps: what repeats without the run's key is found, what repeats with it is well."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ombud import Context, Inbox, Order, Product
from ombud.settings import Settings
from ombud.testing import Trial

Open = Callable[[Inbox], Trial]


@pytest.fixture
def run(trial: Open) -> Callable[[Inbox], Trial]:
    return trial


@pytest.fixture
def inbox() -> Inbox:
    return Inbox(Settings(database_url="sqlite:////nowhere/at/all.db"))


# What stands in the place of clients that an app would have.
outside: dict[str, Any] = {}


def test_a_handler_that_hands_its_key_on_may_die_anywhere(inbox: Inbox, run: Open) -> None:
    @inbox.on("order.new")
    async def ship(order: Order, context: Context) -> None:
        await outside["warehouse"].book(order.id, key=context.key)
        await asyncio.sleep(0)
        await outside["mail"].send(order.id, headers={"Idempotency-Key": f"{context.key}-mail"})

    made = run(inbox)
    outside.update(warehouse=made.outside("warehouse"), mail=made.outside("mail"))
    report = made.crash_everywhere(ship)
    assert [point.number for point in report.points] == [1, 2, 3, 4, 5]
    assert report.points[0].where.startswith("test_crashes.py:")
    assert len({point.where for point in report.points}) == 3
    assert str(report) == "ship: the same in the end, killed at any of 5"


def test_a_handler_that_keeps_its_key_to_itself_is_found_out(inbox: Inbox, run: Open) -> None:
    @inbox.on("order.new")
    async def ship(order: Order, context: Context) -> None:
        await outside["warehouse"].book(order.id)
        await outside["mail"].send(order.id, key=context.key)

    made = run(inbox)
    outside.update(warehouse=made.outside("warehouse"), mail=made.outside("mail"))
    with pytest.raises(AssertionError) as found:
        made.crash_everywhere("ship")
    lines = str(found.value).splitlines()
    # After the booking, and at both steps of the mail; not before the booking.
    assert len(lines) == 3
    assert all("warehouse.book was called 2 times without the key, and 1 undisturbed" in line for line in lines)
    assert [line[line.index("step") :][:6] for line in lines] == ["step 2", "step 3", "step 4"]


def test_a_key_that_is_another_at_each_try_is_found_out(inbox: Inbox, run: Open) -> None:
    @inbox.on("order.new")
    async def ship(context: Context) -> None:
        await outside["warehouse"].book(key=f"{context.key}-{context.attempt}")

    made = run(inbox)
    outside["warehouse"] = made.outside("warehouse")
    with pytest.raises(AssertionError, match="called with 2 different keys, and 1 undisturbed"):
        made.crash_everywhere(ship)


def test_what_is_skipped_at_the_second_try_is_found_out(inbox: Inbox, run: Open) -> None:
    @inbox.on("order.new")
    async def ship(context: Context) -> None:
        if context.attempt == 1:
            await outside["warehouse"].book(key=context.key)

    made = run(inbox)
    outside["warehouse"] = made.outside("warehouse")
    with pytest.raises(AssertionError, match="called with 0 different keys, and 1 undisturbed"):
        made.crash_everywhere(ship)


def test_what_does_no_harm_may_be_repeated(inbox: Inbox, run: Open) -> None:
    @inbox.on("product.update")
    async def sync(product: Product) -> None:
        await outside["erp"].set_price(product.id, str(product.price))

    made = run(inbox)
    outside["erp"] = made.outside("erp", repeatable=["set_price"])
    assert len(made.crash_everywhere(sync).points) == 2
    outside["erp"] = made.outside("other_erp")
    with pytest.raises(AssertionError, match=r"other_erp\.set_price was called 2 times without the key"):
        made.crash_everywhere(sync)


def test_a_dead_process_cleans_nothing_up(inbox: Inbox, run: Open) -> None:
    @inbox.on("order.new")
    async def ship(context: Context) -> None:
        try:
            await outside["warehouse"].book(key=context.key)
        finally:
            await outside["log"].note(key=context.key)

    made = run(inbox)
    outside.update(warehouse=made.outside("warehouse"), log=made.outside("log"))
    made.crash_everywhere(ship)
    killed_first = [effect.name for effect in made.effects if effect.attempt == 1][2:]
    # Of four deaths, the second to fourth have booked, and only the last one has noted anything; then one survives.
    died = ["warehouse.book"] * 3 + ["log.note"]
    assert killed_first == [*died, "warehouse.book", "log.note"]


@pytest.mark.parametrize("keyed", [True, False])
def test_plain_functions_die_around_their_calls(inbox: Inbox, run: Open, keyed: bool) -> None:
    @inbox.on("order.cancelled")
    def refund(order: Order, context: Context) -> None:
        answer = outside["bank"].refund(order.id, context.key if keyed else "")
        assert answer == f"refunded {order.id}"

    made = run(inbox)
    outside["bank"] = made.outside("bank", plain=True, returns={"refund": lambda order_id, _: f"refunded {order_id}"})
    if keyed:
        assert [point.where for point in made.crash_everywhere(refund).points] == [
            "before bank.refund",
            "after bank.refund",
        ]
    else:
        with pytest.raises(AssertionError, match=r"after bank\.refund.*called 2 times"):
            made.crash_everywhere(refund)


@pytest.mark.parametrize("event_type", ["order.done", "product.add", "product.delete"])
def test_every_event_has_a_change_that_leads_to_it(inbox: Inbox, run: Open, event_type: str) -> None:
    @inbox.on(event_type)
    async def handle(context: Context) -> None:
        await outside["system"].told(context.key)

    made = run(inbox)
    outside["system"] = made.outside("system")
    assert len(made.crash_everywhere(handle).points) == 2


def test_a_change_of_its_own(inbox: Inbox, run: Open) -> None:
    @inbox.on("product.update", watch="title")
    async def sync(context: Context) -> None:
        await outside["system"].told(context.key)

    made, titles = run(inbox), iter("abcdefgh")
    outside["system"] = made.outside("system")
    with pytest.raises(AssertionError, match="has not finished what the change was about"):
        made.crash_everywhere(sync)
    report = made.crash_everywhere(sync, lambda: made.shop.change("102", title=next(titles)))
    assert len(report.points) == 2


def test_a_handler_that_does_nothing_is_no_proof(inbox: Inbox, run: Open) -> None:
    inbox.on("order.new", name="ship")(lambda: None)
    with pytest.raises(AssertionError, match="no place to kill it"):
        run(inbox).crash_everywhere("ship")


def test_an_async_function_behind_a_plain_one_is_killed_at_its_awaits(inbox: Inbox, run: Open) -> None:
    class Ship:
        async def __call__(self, context: Context) -> None:
            await outside["warehouse"].book(context.key)

    inbox.on("order.new", name="ship")(Ship())
    made = run(inbox)
    outside["warehouse"] = made.outside("warehouse")
    assert len(made.crash_everywhere("ship").points) == 2
