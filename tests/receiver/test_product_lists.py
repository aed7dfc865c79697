"""Many products that wait are read by the list, and what that does not answer for is read by itself."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from ombud.client import Product, reads
from ombud.receiver import product_lists
from ombud.receiver.findings import Sight
from ombud.receiver.model import Event
from ombud.receiver.product_lists import ProductLists, Shown
from tests.receiver.store import Answer, Store, answer_json
from tests.receiver.world import Desk

# Products that change at once, and how many of the shop are on a page.
SOME = 9
PAGE = 4
# Of them, how many are read by themselves until it is counted how many wait, and how many must wait then.
ALONE = 2
MANY = 5


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product_lists, "MANY", MANY)
    monkeypatch.setattr(product_lists, "COUNT_EVERY", ALONE)
    monkeypatch.setattr(reads, "DEFAULT_PAGE", PAGE)


@pytest.fixture
def some(store: Store) -> Iterator[list[str]]:
    """Products that exist before the inbox looks for the first time, and in this test's shop alone."""
    made = [store.client.create_product(title=f"Bowl {n}", price="10.00") for n in range(SOME)]
    yield made
    for product_id in made:
        if store.client.product(product_id) is not None:
            store.client.delete_product(product_id)


@pytest.fixture
def told(desk: Desk) -> dict[str, str]:
    """What the handler was told last, by product: its price, or `gone`."""
    told: dict[str, str] = {}

    @desk.inbox.on("product.update", "product.delete")
    async def note(event: Event, product: Product) -> None:
        told[product.id] = "gone" if event.event_type == "product.delete" else str(product.price)

    return told


async def change(desk: Desk, store: Store, some: list[str], event_type: str = "product.update") -> None:
    """Have a shop that is known change all of them, and every webhook come."""
    async with desk.acquainted():
        pass
    for product_id in some:
        if event_type == "product.update":
            store.price(product_id, "12.00")
        else:
            store.client.delete_product(product_id)
    store.dials.reads.clear()
    for product_id in some:
        await desk.hear(event_type, product_id)


def alone(store: Store, some: list[str]) -> int:
    return sum(store.dials.of("product", one) for one in some)


def pages(store: Store) -> int:
    """How many pages were read for what they show; the control of a deletion asks for one without details."""
    return sum("offset=" in read and "include_details=true" in read for read in store.dials.reads)


async def test_many_are_read_by_the_list(
    desk: Desk, store: Store, some: list[str], told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_lists, "KEEP_SECONDS", 0.3)
    await change(desk, store, some)
    async with desk.at_work():
        await desk.settled()
        assert told == dict.fromkeys(some, "12.00")
        # One more by itself, to see whether the list has all that a product's own page has.
        assert alone(store, some) == ALONE + 1
        assert pages(store) <= -(-SOME // (PAGE - 1))
        assert desk.rows("select count(*) as listed from reading where listed = 1") == [{"listed": SOME - ALONE - 1}]
        lists = [one for one in gc.get_objects() if type(one) is ProductLists and one._looks._writer is desk.writer]
        [shop] = [shop for one in lists for shop in one._shops.values()]
        shop.shown["product/1"] = Shown(Sight(0, 0, None), {1})  # nobody comes for it
        await asyncio.sleep(product_lists.KEEP_SECONDS)
        assert not shop.shown


async def test_a_product_that_cannot_be_read_spoils_no_page(
    desk: Desk, store: Store, some: list[str], told: dict[str, str]
) -> None:
    await change(desk, store, some)
    listed = [dict(one.raw) for one in store.client.products()]
    next(one for one in listed if one["id"] == some[0])["price"] = "gratis"
    store.dials.reads.clear()
    store.dials.lists = answer_json(listed)
    async with desk.at_work():
        await desk.settled()
    assert told == dict.fromkeys(some, "12.00")
    assert store.dials.of("product", some[0]) == 1
    assert alone(store, some) < SOME - 1


async def test_a_page_answers_for_every_webhook_that_waited(
    desk: Desk, store: Store, some: list[str], told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for those that were not loaded with the newest about their product, which would stand for them."""
    monkeypatch.setattr("ombud.mailbox.appetite.QUANTUM", PAGE)
    monkeypatch.setattr("ombud.mailbox.turn.QUANTUM", PAGE)
    await change(desk, store, some)
    for product_id in some:
        await desk.hear("product.update", product_id)
    async with desk.at_work():
        await desk.settled()
    assert told == dict.fromkeys(some, "12.00")
    assert alone(store, some) == ALONE + 1


async def test_a_page_answers_for_no_webhook_that_came_while_it_was_on_its_way(
    desk: Desk, store: Store, some: list[str], told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_lists, "PLACE_SECONDS", 0.05)
    monkeypatch.setattr(product_lists, "AGAIN_SECONDS", 0.3)
    put_off = (
        "select 1 from attempt a join event e on e.id = a.event_id where a.outcome = 'interrupted' and e.subject = :it"
    )
    changed, fullest = some[-2:]
    store.client.update_product(fullest, title="The fullest of them, which is compared with its own page")
    await change(desk, store, some)
    shown = [store.client.product(one) for one in (changed, fullest)]
    store.dials.lists = answer_json({"product": [dict(one.raw) for one in shown if one is not None]})
    store.dials.hanging_lists.clear()
    async with desk.at_work():
        await desk.until(lambda: desk.rows(put_off, it=f"product/{changed}"))
        store.price(changed, "14.00")
        await desk.hear("product.update", changed)
        store.dials.hanging_lists.set()
        await desk.settled()
    assert told == {**dict.fromkeys(some, "12.00"), changed: "14.00"}
    assert desk.rows("select 1 from reading where listed = 1 or subject = :it", it=f"product/{fullest}")


async def test_few_are_read_by_themselves(desk: Desk, store: Store, some: list[str], told: dict[str, str]) -> None:
    few = some[: MANY + ALONE - 1]
    await change(desk, store, few)
    async with desk.at_work():
        await desk.settled()
    assert told == dict.fromkeys(few, "12.00")
    assert (alone(store, few), pages(store)) == (len(few), 0)


async def test_what_is_gone_is_proved_by_itself(
    desk: Desk, store: Store, some: list[str], told: dict[str, str]
) -> None:
    gone = some[-2:]
    await change(desk, store, some)
    for product_id in gone:
        store.client.delete_product(product_id)
    await desk.hear("product.delete", gone[0])
    async with desk.at_work():
        await desk.settled()
    assert told == {**dict.fromkeys(some, "12.00"), **dict.fromkeys(gone, "gone")}
    assert [store.dials.of("product", one) for one in gone] == [2, 2]
    assert pages(store)


async def test_what_is_on_no_page_ends_the_list(
    desk: Desk, store: Store, some: list[str], told: dict[str, str]
) -> None:
    gone = some[: SOME - 2]
    await change(desk, store, gone)
    for product_id in gone:
        store.client.delete_product(product_id)
    async with desk.at_work():
        await desk.settled()
    assert told == dict.fromkeys(gone, "gone")
    assert pages(store) == 1


async def test_who_waits_for_long_gives_its_place_free_and_comes_back(
    desk: Desk, store: Store, some: list[str], told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_lists, "PLACE_SECONDS", 0.05)
    monkeypatch.setattr(product_lists, "AGAIN_SECONDS", 0.05)
    await change(desk, store, some)
    store.dials.hanging_lists.clear()
    async with desk.at_work():
        await desk.until(lambda: desk.rows("select 1 from attempt where outcome = 'interrupted'"))
        store.dials.hanging_lists.set()
        await desk.settled()
    assert told == dict.fromkeys(some, "12.00")
    assert alone(store, some) == ALONE + 1


LESS = {"product": [{"id": str(n), "title": "Bowl", "price": "12.00"} for n in range(101, 1_000)]}
DEEP = b'{"product": [{"id": "%d", "x": ' + b"[" * 700 + b"]" * 700 + b"}]}"


@pytest.mark.parametrize("trouble", ["broken", "less", "deep"])
async def test_a_list_that_cannot_be_believed_loses_nothing(
    desk: Desk, store: Store, some: list[str], told: dict[str, str], trouble: str
) -> None:
    await change(desk, store, some)
    store.dials.lists = {
        "broken": Answer(500, b"oops"),
        "less": answer_json(LESS),
        "deep": Answer(200, DEEP % int(some[-1])),
    }[trouble]
    async with desk.at_work():
        await desk.settled()
    assert told == dict.fromkeys(some, "12.00")
    assert alone(store, some) == SOME
    assert 0 < pages(store) <= SOME // ALONE
