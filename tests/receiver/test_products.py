"""Product events: on a change of the version, on a first sight, and on a proof that something is gone."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ombud.client import Product
from ombud.receiver.model import Change, Context, Event
from ombud.receiver.restless import CHANGES
from tests.receiver.store import Answer, Store, answer_json
from tests.receiver.world import Desk
from tests.support.processes import PATIENCE_SECONDS

EVENTS = ("product.add", "product.update", "product.delete")
NOT_FOUND = answer_json({"code": 404, "error": "There is no such product."}, 404)


@dataclass
class Calls:
    """What a handler of all product events is called with: event type, price before and after, and key."""

    made: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        return [event_type for event_type, _, _ in self.made]


@pytest.fixture
def calls(desk: Desk) -> Calls:
    calls = Calls()

    @desk.inbox.on(*EVENTS)
    async def note(event: Event, product: Product, change: Change, context: Context) -> None:
        assert product.id == event.object_id
        calls.made.append((event.event_type, price(change.before), price(change.after)))
        calls.keys.append(context.key)

    return calls


def price(thing: object) -> str | None:
    return str(thing.price) if isinstance(thing, Product) else None


@pytest.fixture
def old(store: Store) -> str:
    """A product that exists before the inbox looks for the first time."""
    return store.client.create_product(title="Bowl", price="10.00")


def make(store: Store, amount: str = "10.00") -> str:
    return store.client.create_product(title="Bowl", price=amount)


async def test_a_known_product_changes_and_is_not_new(desk: Desk, store: Store, calls: Calls, old: str) -> None:
    async with desk.acquainted():
        store.price(old, "12.00")
        await desk.tell("product.update", old)
    assert calls.made == [("product.update", "10.00", "12.00")]


async def test_each_product_event_calls_its_handler_once(desk: Desk, store: Store, calls: Calls, old: str) -> None:
    async with desk.acquainted():
        product_id = make(store)
        await desk.tell("product.add", product_id)
        await desk.tell("product.add", product_id)
        store.price(product_id, "11.00")
        await desk.tell("product.update", product_id)
        await desk.tell("product.update", product_id)
        store.client.delete_product(product_id)
        await desk.tell("product.delete", product_id)
        await desk.tell("product.delete", product_id)
    assert calls.made == [
        ("product.add", None, "10.00"),
        ("product.update", "10.00", "11.00"),
        ("product.delete", "11.00", None),
    ]


async def test_what_comes_again_fires_again(desk: Desk, store: Store, calls: Calls, old: str) -> None:
    async with desk.acquainted():
        for amount in ("12.00", "10.00", "12.00"):
            store.price(old, amount)
            await desk.tell("product.update", old)
    assert [after for _, _, after in calls.made] == ["12.00", "10.00", "12.00"]
    assert len(set(calls.keys)) == 3


def shown(product_id: str, **fields: object) -> Answer:
    return answer_json(
        {"product": {"id": product_id, "title": "Bowl", "date_modified": "2026-11-02 09:14:05", **fields}}
    )


async def test_another_way_to_write_it_is_no_change(desk: Desk, store: Store, calls: Calls, old: str) -> None:
    ways = [
        shown(old, price="148.95", qty="3"),
        shown(old, price=148.950, qty=3),
        answer_json(
            [{"qty": 3.0, "title": "Bowl", "price": "148.950", "id": int(old), "date_modified": "2026-11-03 10:00:00"}]
        ),
    ]
    store.dials.next_answers.extend(ways)
    async with desk.acquainted():
        for _ in ways:
            await desk.tell("product.update", old)
    assert calls.types == ["product.update"]


async def test_a_product_that_was_never_announced_is_new_when_it_changes(
    desk: Desk, store: Store, calls: Calls, old: str
) -> None:
    async with desk.acquainted():
        product_id = make(store)
        store.price(product_id, "11.00")
        await desk.tell("product.update", product_id)
        await desk.tell("product.add", product_id)
    assert calls.made == [("product.add", None, "11.00")]


async def test_one_absence_is_no_deletion(desk: Desk, store: Store, calls: Calls, old: str) -> None:
    async with desk.acquainted():
        store.dials.next_answers.append(NOT_FOUND)
        await desk.tell("product.delete", old)
        store.dials.next_answers.append(NOT_FOUND)
        await desk.tell("product.update", old)
    assert calls.made == []
    assert [state for _, state, _ in desk.arrivals()] == ["done"] * 2
    assert (
        desk.rows("select absent_at from mirror where subject = :subject", subject=f"product/{old}")[0]["absent_at"]
        is None
    )


async def test_a_deletion_is_proved_by_two_looks_and_a_control(
    desk: Desk, store: Store, calls: Calls, old: str
) -> None:
    async with desk.acquainted():
        store.client.delete_product(old)
        store.dials.reads.clear()
        await desk.tell("product.update", old)
    assert calls.made == [("product.delete", "10.00", None)]
    looks = [read.partition("?")[0] for read in store.dials.reads]
    assert looks == ["/v1/products", "/v1/products", "/v1/products"]
    assert "offset=0" in store.dials.reads[-1]


@pytest.mark.parametrize("control", [Answer(401), Answer(503), Answer(200, b"<html>")])
async def test_without_the_control_nothing_is_deleted(
    desk: Desk, store: Store, calls: Calls, old: str, control: Answer
) -> None:
    async with desk.acquainted():
        store.dials.next_answers.extend([NOT_FOUND] * 10)
        store.dials.always = control
        await desk.hear("product.delete", old)
        await desk.until(lambda: sum("offset=0" in read for read in store.dials.reads) >= 3)
        assert calls.made == []
        store.dials.next_answers.clear()
        store.dials.always = None
        await desk.settled()
    assert calls.made == []
    assert desk.arrivals()[-1] == ("product.delete", "done", "nothing is different")


@pytest.mark.parametrize("page", [[{"id": "990001", "title": "Somebody else's"}], []])
async def test_a_key_of_another_shop_deletes_nothing(
    desk: Desk, store: Store, calls: Calls, old: str, page: list[Any]
) -> None:
    async with desk.acquainted():
        store.dials.next_answers.extend([NOT_FOUND] * 10)
        store.dials.lists = answer_json(page)
        await desk.hear("product.delete", old)
        await desk.until(lambda: desk.rows("select 1 from attempt where reason like '%API key of another shop?'"))
        assert calls.made == []
        store.dials.reset()
        await desk.settled()
    assert calls.made == []


async def test_forged_deletions_do_nothing(desk: Desk, store: Store, calls: Calls, old: str) -> None:
    async with desk.acquainted():
        await desk.tell("product.delete", old)
        await desk.tell("product.delete", "4711")
    assert calls.made == []
    assert desk.arrivals()[1] == (
        "product.delete",
        "done",
        "A product that was never seen here is gone; there is nothing to tell.",
    )


async def test_a_forged_product_is_looked_for_and_given_up(desk: Desk, store: Store, calls: Calls) -> None:
    async with desk.acquainted():
        await desk.tell("product.add", "4711")
    [(_, state, reason)] = desk.arrivals()
    assert (state, reason) == ("dead", "Unconfirmed: the shop does not know this product. The webhook may be forged.")
    assert calls.made == []


async def test_a_late_webhook_about_what_is_gone_is_no_trouble(
    desk: Desk, store: Store, calls: Calls, old: str
) -> None:
    async with desk.acquainted():
        store.client.delete_product(old)
        await desk.tell("product.delete", old)
        await desk.tell("product.update", old)
    assert desk.arrivals()[-1] == ("product.update", "skipped", "The product is gone, as was told before.")
    assert calls.types == ["product.delete"]


async def test_what_was_gone_may_come_again(desk: Desk, store: Store, calls: Calls, old: str) -> None:
    async with desk.acquainted():
        for _ in range(2):
            store.dials.next_answers.extend([NOT_FOUND] * 2)
            await desk.tell("product.delete", old)
            await desk.tell("product.add", old)
    assert calls.made == [("product.delete", "10.00", None), ("product.add", None, "10.00")] * 2
    assert len(set(calls.keys)) == 4


async def test_who_asked_for_deletions_alone_learns_what_is_gone(desk: Desk, store: Store, old: str) -> None:
    gone: list[tuple[str | None, bool]] = []

    @desk.inbox.on("product.delete")
    async def note(product: Product, change: Change) -> None:
        gone.append((product.title, change.after is None))

    async with desk.acquainted():
        for _ in range(2):
            store.dials.next_answers.extend([NOT_FOUND] * 2)
            await desk.tell("product.delete", old)
            await desk.tell("product.update", old)
    assert gone == [("Bowl", True)] * 2


async def test_a_first_look_that_fails_is_taken_before_a_product_is_read(
    desk: Desk, store: Store, calls: Calls, old: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.dials.always = Answer(503)
    async with desk.at_work():
        await asyncio.to_thread(store.dials.began.wait, PATIENCE_SECONDS)
        await desk.hear("product.update", old)
        await desk.until(lambda: desk.rows("select 1 from attempt"))
        store.dials.always = None
        store.price(old, "12.00")
        await desk.settled()
    assert "the products of shop shop cannot be read yet" in caplog.text
    assert calls.types == ["product.update"]


async def test_orders_are_read_while_products_are_for_the_first_time(desk: Desk, store: Store, calls: Calls) -> None:
    """However many webhooks about products wait for that."""
    shipped: list[str] = []
    desk.inbox.on("order.new", name="ship")(lambda: shipped.append("shipped"))
    order_id = store.pay()
    for product_id in ("101", "102", "103"):
        await desk.hear("product.update", product_id)
    await desk.hear("order.new", order_id)
    # The list of products hangs, and everything that is asked for by its id is answered.
    store.dials.hanging_lists.clear()
    async with desk.at_work():
        await desk.until(lambda: shipped)
        store.dials.hanging_lists.set()
        await desk.settled()
    assert shipped == ["shipped"]


async def test_a_change_from_before_the_first_look_is_told(desk: Desk, store: Store, calls: Calls, old: str) -> None:
    store.price(old, "12.00")
    await desk.hear("product.update", old)
    async with desk.at_work():
        await desk.settled()
        await desk.tell("product.update", old)
    assert calls.made == [("product.update", "12.00", "12.00")]


@pytest.mark.parametrize(("seconds", "types"), [(0.0, ["product.update"]), (10.0, [])])
async def test_a_webhook_may_have_been_on_its_way_at_the_first_look(
    desk: Desk, store: Store, calls: Calls, old: str, seconds: float, types: list[str]
) -> None:
    async with desk.acquainted():
        desk.clock.ahead_seconds = seconds
        await desk.tell("product.update", old)
    assert calls.types == types


async def test_orders_do_not_wait_for_the_first_look(desk: Desk, store: Store) -> None:
    orders: list[str] = []
    desk.inbox.on("order.new", name="ship")(lambda: orders.append("called"))
    order_id = store.pay()
    store.dials.always = Answer(503)
    store.dials.next_answers.append(None)
    async with desk.at_work():
        await desk.tell("order.new", order_id)
    assert orders == ["called"]


async def test_a_field_that_changes_again_and_again_is_named_and_told_all_the_same(
    desk: Desk, store: Store, calls: Calls, old: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = store.client.product(old)
    assert found is not None
    changes = CHANGES + 1
    async with desk.acquainted():
        for number in range(1, changes + 1):
            raw = {**found.raw, "views": str(number % 2), "qty": str(number)}
            store.dials.next_answers.append(answer_json({"product": raw | ({"price": "11.00"} if number > 3 else {})}))
            await desk.tell("product.update", old)
            said = [one.getMessage() for one in caplog.records if "OMBUD_VOLATILE_FIELDS" in one.getMessage()]
            assert len(said) == int(number == changes)
    assert said[0].startswith(f"views of product/{old} of shop_")
    assert said[0].endswith("OMBUD_VOLATILE_FIELDS=views")
    assert calls.types == ["product.update"] * changes
    assert [row["amount"] for row in desk.rows("select amount from meter where what = 'restless views'")] == [1]


async def test_a_field_that_changes_all_the_time_is_no_change(desk: Desk, store: Store, calls: Calls, old: str) -> None:
    desk.receiver.settings = replace(desk.receiver.settings, volatile_fields=("views",))
    found = store.client.product(old)
    assert found is not None
    async with desk.acquainted():
        store.dials.next_answers.append(answer_json({"product": {**found.raw, "price": "11.00"}}))
        await desk.tell("product.update", old)
        store.dials.next_answers.append(answer_json({"product": {**found.raw, "price": "11.00", "views": "7"}}))
        await desk.tell("product.update", old)
        store.dials.next_answers.append(answer_json({"product": {**found.raw, "views": "8", "price": "12.00"}}))
        await desk.tell("product.update", old)
    assert calls.types == ["product.update"] * 2
    assert [reason for _, _, reason in desk.arrivals()] == [None, "nothing is different", None]
