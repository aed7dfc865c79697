"""A trial of an inbox: webhooks that repeat, get lost and are forged, and a clock that waits for nobody."""

import asyncio
from collections.abc import Callable

import pytest

from ombud import Change, Context, Inbox, Order, Product
from ombud.errors import ConfigurationError
from ombud.settings import Settings
from ombud.testing import Trial, Webhook, work

Open = Callable[[Inbox], Trial]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox(Settings(database_url="sqlite:////nowhere/at/all.db"))


def test_three_deliveries_are_one_run(inbox: Inbox, trial: Open) -> None:
    shipped: list[str] = []

    @inbox.on("order.new")
    async def ship(order: Order) -> None:
        shipped.append(order.id)

    run = trial(inbox)
    order_id = run.shop.pay()
    assert run.deliver(times=3) == [Webhook("order.new", order_id)]
    run.settle()
    assert shipped == [order_id]
    assert [(one.handler, one.state, one.attempts) for one in run.runs] == [("ship", "done", 1)]


def test_retries_of_hours_pass_at_once(inbox: Inbox, trial: Open) -> None:
    attempts: list[int] = []

    @inbox.on("order.new")
    def ship(context: Context) -> None:
        attempts.append(context.attempt)
        raise OSError("the warehouse is away")

    run = trial(inbox)
    run.shop.pay()
    run.deliver()
    run.settle()
    assert attempts == list(range(1, 13))
    [made] = run.runs
    assert (made.state, made.attempts) == ("dead", 12)


def test_what_is_lost_is_lost_and_what_is_forged_does_nothing(inbox: Inbox, trial: Open) -> None:
    handled: list[str] = []
    inbox.on("order.*", name="any")(lambda: handled.append("one"))
    run = trial(inbox)
    lost = run.shop.pay()
    assert run.lose() == [Webhook("order.new", lost)]
    run.send("order.cancelled", lost)
    run.send("order.new", "no-such-order")
    run.settle()
    # Reading the cancelled one has found that it was paid; nothing more.
    assert [(one.event_type, one.subject) for one in run.runs] == [("order.new", f"order/{lost}")]


def test_time_passes_only_when_it_is_told_to(inbox: Inbox, trial: Open) -> None:
    synced: list[str] = []

    @inbox.on("product.update", quiet_seconds=600)
    async def sync(product: Product, change: Change) -> None:
        assert isinstance(change.before, Product)
        synced.append(f"{change.before.price} {product.price}")

    run = trial(inbox)
    before = run.shop.client.product("101")
    assert before is not None
    for price in ("1", "2", "3"):
        run.shop.change("101", price=price)
        run.deliver()
        run.pass_by(300)
    assert synced == []
    run.pass_by(301)
    assert synced == [f"{before.price} 3.00"]


def test_the_newest_may_come_first(inbox: Inbox, trial: Open) -> None:
    seen: list[str] = []
    inbox.on("order.*", name="any")(lambda: seen.append("one"))
    run = trial(inbox)
    order_id = run.shop.turn(run.shop.pay(), "done")
    assert [one.event_type for one in run.deliver(newest_first=True)] == ["order.new", "order.done"]
    run.settle()
    assert sorted((one.event_type, one.subject) for one in run.runs) == [
        ("order.done", f"order/{order_id}"),
        ("order.new", f"order/{order_id}"),
    ]


def test_deletions_and_additions_come_too(inbox: Inbox, trial: Open) -> None:
    seen: list[str] = []

    @inbox.on("product.add", "product.delete")
    def note(product: Product, change: Change) -> None:
        seen.append(f"{product.title} {change.after is None}")

    run = trial(inbox)
    product_id = run.shop.add("A cup")
    run.deliver()
    run.settle()
    run.shop.delete(product_id)
    run.deliver(times=2)
    run.settle()
    assert seen == ["A cup False", "A cup True"]


async def test_a_trial_may_be_made_in_an_async_test(inbox: Inbox, trial: Open) -> None:
    await asyncio.sleep(0)
    inbox.on("order.new", name="ship")(lambda: None)
    run = trial(inbox)
    run.shop.pay()
    run.deliver()
    run.settle()
    assert [one.state for one in run.runs] == ["done"]


def test_a_handler_that_hangs_is_named_by_the_test(inbox: Inbox, trial: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "PATIENCE_SECONDS", 1.0)

    @inbox.on("order.new")
    async def ship() -> None:
        await asyncio.Event().wait()

    run = trial(inbox)
    run.shop.pay()
    run.deliver()
    with pytest.raises(TimeoutError, match="does a handler hang"):
        run.settle()
    monkeypatch.setattr("ombud.mailbox.worker.STOP_SECONDS", 0.05)


def test_each_trial_begins_anew_and_leaves_the_inbox_as_it_was(inbox: Inbox, trial: Open) -> None:
    before = inbox.settings
    inbox.on("order.new", name="ship")(lambda: None)
    run = trial(inbox)
    assert run.runs == []
    assert inbox.settings != before


def test_what_cannot_start_is_said(inbox: Inbox, trial: Open) -> None:
    run = trial(inbox)
    with pytest.raises(ConfigurationError, match="no handler 'ship'"):
        run.crash_everywhere("ship")
