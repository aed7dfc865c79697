"""Which arrivals a look answers for, and looks that answer from an old copy."""

from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ombud.client import Order, Product
from ombud.mailbox.model import Delivery
from ombud.receiver.coverage import SECOND, Past, answered_for, may_be_old, settle_after
from ombud.receiver.model import Context
from tests.receiver.store import Answer, Store, answer_json
from tests.receiver.world import Desk, settings_for

PRODUCT = "102"
QUIET, AT_MOST = 100.0, 300.0
# Never one that the product has had.
PRICES = count(1_000)


def arrival(at_seconds: float = 0, generation: int = 0) -> Delivery:
    created_at = round(at_seconds * SECOND)
    return Delivery(1, 1, 7, 1, "product.update", "product/1", None, created_at, created_at, 0, 0, generation, None)


@pytest.mark.parametrize(
    ("past", "seconds", "answered"),
    [
        (Past(), 0, False),
        (Past(newer=8, since=0), 2, True),
        (Past(newer=8, since=0), 9.9, True),
        (Past(newer=8, since=0), 10, False),
        (Past(newer=8, since=None), 2, True),
        (Past(newer=8, since=0, looks=1), 2, False),
        (Past(since=0), 2, False),
        (Past(reading_id=3), 2, True),
    ],
)
def test_who_is_answered_for_by_another(past: Past, seconds: float, answered: bool) -> None:
    now = round(seconds * SECOND)
    assert (answered_for(arrival(), past, now, 10.0) is not None) is answered
    assert answered_for(arrival(generation=1), past, now, 10.0) is None


@pytest.mark.parametrize(
    ("looks", "age", "after"), [(0, 1, 5.0), (1, 1, 60.0), (2, 1, None), (0, 66, None), (1, 66, 60.0)]
)
def test_when_to_look_again(looks: int, age: float, after: float | None) -> None:
    assert settle_after(Past(looks=looks, answers=looks), 0, age, (5.0, 60.0)) == after


def test_a_look_that_its_process_did_not_outlive_was_followed_by_no_pause() -> None:
    """The one that comes at once after it, from the same old copy, is not the last."""
    assert settle_after(Past(looks=1, answers=0), 0, 1, (5.0, 60.0)) == 5.0
    assert settle_after(Past(looks=2, answers=1), 0, 1, (5.0, 60.0)) == 60.0
    assert settle_after(Past(looks=1, answers=0, found_at=0), 0, 1, (5.0, 60.0)) == 5.0


@pytest.mark.parametrize(("looks", "after"), [(0, 5.0), (1, None)])
def test_what_a_repeated_webhook_explains_is_looked_at_once_more(looks: int, after: float | None) -> None:
    past = Past(looks=looks, answers=looks, found_at=0)
    assert settle_after(past, 200 * SECOND, 1, (5.0, 60.0)) == after
    assert settle_after(past, 200 * SECOND, 1, ()) is None


@pytest.mark.parametrize(
    ("changed", "told", "since", "old"),
    [
        (True, 1, 4.9, True),
        (True, 1, 5.0, False),
        (False, 1, 1.0, False),
        (True, 0, 1.0, False),
        (True, 1, None, False),
    ],
)
def test_which_look_may_come_from_an_old_copy(changed: bool, told: int, since: float | None, old: bool) -> None:
    assert may_be_old(changed, told, since, (5.0, 60.0)) is old
    assert not may_be_old(changed, told, since, ())


@pytest.fixture
async def waiting(tmp_path: Path, store: Store) -> AsyncIterator[Desk]:
    """An inbox with long waits, whose clock a test moves."""
    settings = settings_for(
        tmp_path, store, perform="elsewhere", quiet_seconds=(QUIET, AT_MOST), settle_seconds=(50.0,)
    )
    made = Desk(settings)
    yield made
    made.inbox.close()


async def pass_by(desk: Desk, seconds: float) -> None:
    """Let time pass, and what is due be done."""
    desk.clock.ahead_seconds += seconds
    [lane] = [row["id"] for row in desk.rows("select id from lane where box = 2")]
    await desk.writer.write(lambda: desk.receiver.arrivals.ring(lane))
    now = desk.receiver.arrivals.clock()
    await desk.until(lambda: not desk.rows("select 1 from delivery where state = 0 and due_at <= :now", now=now))


def readings(desk: Desk) -> int:
    return len(desk.rows("select 1 from reading"))


async def test_a_burst_is_one_read_when_it_is_quiet(waiting: Desk, store: Store) -> None:
    prices: list[str] = []
    waiting.inbox.on("product.update", name="sync")(note_prices(prices))
    async with waiting.acquainted():
        for price in ("41", "42", "43"):
            store.price(PRODUCT, price)
            await waiting.hear("product.update", PRODUCT)
            await pass_by(waiting, QUIET / 2)
        assert readings(waiting) == 0
        await pass_by(waiting, QUIET)
        await waiting.settled()
    assert prices == ["43.00"]
    assert readings(waiting) == 1
    states = [state for _, state, _ in waiting.arrivals()]
    assert states == ["skipped", "skipped", "done"]


async def test_arrivals_that_keep_coming_put_a_read_off_for_so_long(waiting: Desk, store: Store) -> None:
    async with waiting.acquainted():
        began = waiting.clock.ahead_seconds
        store.price(PRODUCT, str(next(PRICES)))
        while not readings(waiting):
            await waiting.hear("product.update", PRODUCT)
            await pass_by(waiting, 60)
            assert waiting.clock.ahead_seconds - began <= AT_MOST + 2 * 60
        assert waiting.clock.ahead_seconds - began >= AT_MOST
        before = readings(waiting)
        await pass_by(waiting, QUIET)
        await pass_by(waiting, QUIET)
        await waiting.settled()
    # Those that had not been quiet when the read began share one more, and its second look at what was not different.
    assert before == 1
    assert readings(waiting) <= before + 2
    assert {state for _, state, _ in waiting.arrivals()} == {"done", "skipped"}


def note_prices(prices: list[str]) -> Callable[..., Any]:
    async def sync(product: Product) -> None:
        prices.append(str(product.price))

    return sync


async def test_an_old_copy_is_looked_at_again(waiting: Desk, store: Store) -> None:
    prices: list[str] = []
    waiting.inbox.on("product.update", name="sync")(note_prices(prices))
    async with waiting.acquainted():
        waiting.clock.ahead_seconds += 10
        old = store.client.product(PRODUCT)
        assert old is not None
        store.price(PRODUCT, "51")
        store.dials.next_answers.append(answer_json({"product": old.raw}))
        await waiting.hear("product.update", PRODUCT)
        await pass_by(waiting, QUIET)
        assert readings(waiting) == 1
        assert prices == []
        await pass_by(waiting, 50)
        await waiting.settled()
    assert prices == ["51.00"]
    outcomes = [row["reason"] for row in waiting.rows("select reason from attempt order by id")]
    assert outcomes[0] == "Nothing is different (yet)."


def shown(order_id: str, status: str) -> Answer:
    return answer_json([{"order_id": order_id, "status": status}])


@pytest.fixture
def ships(waiting: Desk) -> list[str]:
    """The keys under which orders were shipped."""
    keys: list[str] = []

    @waiting.inbox.on("order.new")
    async def ship(order: Order, context: Context) -> None:
        keys.append(context.key)

    return keys


async def test_an_order_that_an_old_copy_shows_unpaid_is_not_new_again(
    waiting: Desk, store: Store, ships: list[str]
) -> None:
    order_id = store.pay()
    async with waiting.acquainted():
        await waiting.tell("order.new", order_id)
        store.dials.next_answers.append(shown(order_id, "unpaid"))
        await waiting.hear("order.new", order_id)
        await pass_by(waiting, 1)
        assert waiting.rows("select 1 from attempt where reason like '%said something else just now%'")
        await pass_by(waiting, 50)
        await waiting.settled()
    assert len(ships) == 1


async def test_a_later_look_proves_that_an_order_is_unpaid_again(waiting: Desk, store: Store, ships: list[str]) -> None:
    order_id = store.pay()
    async with waiting.acquainted():
        await waiting.tell("order.new", order_id)
        store.turn(order_id, "unpaid")
        await waiting.hear("order.new", order_id)
        await pass_by(waiting, 1)
        await pass_by(waiting, 50)
        store.turn(order_id, "paid")
        await waiting.hear("order.new", order_id)
        await pass_by(waiting, 1)
        await pass_by(waiting, 50)
        await waiting.until(lambda: len(ships) == 2)
    assert len(set(ships)) == 2


async def test_while_the_api_is_down_nothing_becomes_unconfirmed(desk: Desk, store: Store, tmp_path: Path) -> None:
    """Failures do not use up the looks after which a webhook counts as forged."""
    shipped: list[str] = []
    desk.inbox.on("order.new", name="ship")(lambda: shipped.append("shipped"))
    order_id = store.pay()
    store.dials.next_answers.extend([Answer(500)] * 9 + [shown(order_id, "unpaid")] * 2)
    async with desk.at_work():
        await desk.tell("order.new", order_id)
    assert shipped == ["shipped"]


async def test_an_order_that_an_old_copy_shows_cancelled_is_looked_at_again(
    waiting: Desk, store: Store, ships: list[str]
) -> None:
    order_id = store.place()
    store.turn(order_id, "cancelled")
    async with waiting.acquainted():
        await waiting.tell("order.cancelled", order_id)
        store.turn(order_id, "paid")
        store.dials.next_answers.append(shown(order_id, "cancelled"))
        await waiting.hear("order.new", order_id)
        await pass_by(waiting, 1)
        await pass_by(waiting, 50)
        await pass_by(waiting, 50)
        await waiting.settled()
    assert len(ships) == 1
