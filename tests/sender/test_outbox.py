"""Publishing: one delivery for each endpoint that wants the event, event keys, and all or nothing."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from ombud.db.operation import Operation
from ombud.errors import Conflict, InvalidInput, StorageUnavailable
from ombud.sender.outbox import LARGEST_SHOP_ID, LONGEST_EVENT_KEY, Event, EventKeyTaken, Published
from ombud.wire import EVENT_TYPES

URL = "https://example.com/hooks"


def counts(published: list[Published]) -> list[int]:
    return [one.deliveries for one in published]


async def test_every_endpoint_that_wants_the_event_gets_one_delivery(running: Any) -> None:
    for _ in range(3):
        await running.add(URL)

    [published] = await running.sender.publish([Event("order.new", "90017")])

    assert published.deliveries == 3
    [event] = running.rows("select * from event")
    assert (event["id"], event["shop_id"], event["type"], event["subject"], event["fan_out"]) == (
        published.event_id,
        1,
        "order.new",
        "order/90017",
        3,
    )
    rows = running.rows("select shop_id, event_id, subject, state, attempts from delivery")
    assert rows == [{"shop_id": 1, "event_id": event["id"], "subject": "order/90017", "state": 0, "attempts": 0}] * 3


async def test_without_an_endpoint_an_event_is_stored_all_the_same(running: Any) -> None:
    assert counts(await running.sender.publish([Event("order.new", "1")])) == [0]
    assert len(running.rows("select * from event")) == 1


async def test_only_chosen_event_types_are_delivered(running: Any) -> None:
    await running.add(URL, event_types=["order.new", "product.update"])
    await running.add(URL, event_types=["order.new"])
    await running.add(URL)

    published = await running.sender.publish([Event(event_type, "1") for event_type in EVENT_TYPES])

    assert dict(zip(EVENT_TYPES, counts(published), strict=True)) == {
        "order.new": 3,
        "order.done": 1,
        "order.cancelled": 1,
        "product.add": 1,
        "product.update": 2,
        "product.delete": 1,
    }


async def test_a_shop_hears_of_its_own_events_and_a_platform_of_all(running: Any) -> None:
    one, two = await running.add(URL, shop_id=1), await running.add(URL, shop_id=2)
    platform = await running.add(URL, shop_id=0)

    await running.sender.publish([Event("order.new", "1", shop_id=shop) for shop in (1, 2, LARGEST_SHOP_ID)])

    lanes = running.rows(
        "select d.shop_id, l.destination_id from delivery d join lane l on l.id = d.lane_id order by 1, 2"
    )
    assert [(row["shop_id"], row["destination_id"]) for row in lanes] == [
        (1, one.id),
        (1, platform.id),
        (2, two.id),
        (2, platform.id),
        (LARGEST_SHOP_ID, platform.id),
    ]


async def test_a_batch_keeps_its_order(running: Any) -> None:
    await running.add(URL, event_types=["order.new"])
    events = [Event("order.new" if place % 2 else "order.done", str(place)) for place in range(100)]

    published = await running.sender.publish(events)

    assert counts(published) == [0, 1] * 50
    stored = running.rows("select id, subject from event order by id")
    assert [row["id"] for row in stored] == [one.event_id for one in published]
    assert [row["subject"] for row in stored] == [event.subject for event in events]


async def test_an_empty_batch_stores_nothing(running: Any) -> None:
    assert await running.sender.publish([]) == []
    assert running.rows("select * from event") == []


async def test_the_same_key_is_the_same_event(running: Any) -> None:
    await running.add(URL)
    [first] = await running.sender.publish([Event("order.new", "1", event_key="paid-1")])
    await running.add(URL)

    again = await running.sender.publish([Event("order.new", "1", event_key="paid-1")])

    assert again == [first]
    assert first.deliveries == 1
    assert len(running.rows("select * from event")) == 1
    assert len(running.rows("select * from delivery")) == 1


@pytest.mark.parametrize(
    "other",
    [
        Event("order.new", "2", event_key="k"),
        Event("order.done", "1", event_key="k"),
        Event("product.add", "1", event_key="k"),
    ],
)
async def test_a_key_for_another_event_is_a_conflict(running: Any, other: Event) -> None:
    await running.sender.publish([Event("order.new", "1", event_key="k")])

    with pytest.raises(Conflict, match=r"'k' already stands for order\.new of order/1"):
        await running.sender.publish([Event("order.new", "9"), other])
    assert [row["subject"] for row in running.rows("select subject from event")] == ["order/1"]


async def test_keys_belong_to_a_shop(running: Any) -> None:
    events = [Event("order.new", str(shop), shop, "k") for shop in (1, 2, 3)]

    published = await running.sender.publish(events)

    assert len({one.event_id for one in published}) == 3
    assert await running.sender.publish(events) == published


async def test_a_key_twice_in_one_batch(running: Any) -> None:
    keyed = Event("order.new", "1", event_key="k")

    published = await running.sender.publish([keyed, Event("order.new", "1"), keyed, Event("order.new", "1")])

    assert published[0] == published[2]
    assert len({one.event_id for one in published}) == 3
    assert len(running.rows("select * from event")) == 3
    with pytest.raises(Conflict):
        await running.sender.publish([Event("order.new", "1", event_key="n"), Event("order.new", "2", event_key="n")])
    assert len(running.rows("select * from event")) == 3
    assert len(running.rows("select * from event_key")) == 1


async def test_a_batch_of_old_and_new_keys(running: Any) -> None:
    [old] = await running.sender.publish([Event("order.new", "1", event_key="a")])

    published = await running.sender.publish(
        [Event("order.new", "2", event_key="b"), Event("order.new", "1", event_key="a"), Event("order.new", "3")]
    )

    assert published[1] == old
    assert len({one.event_id for one in published}) == 3
    assert len(running.rows("select * from event")) == 3


async def test_a_key_sent_by_many_at_once_is_one_event(running: Any, new_running: Any) -> None:
    await running.add(URL)
    other = new_running()

    answers = await asyncio.gather(
        *(one.sender.publish([Event("order.new", "1", event_key="k")]) for one in [running, other] * 50)
    )

    assert len({one.event_id for [one] in answers}) == 1
    assert len(running.rows("select * from event")) == 1
    assert len(running.rows("select * from delivery")) == 1


async def test_keys_are_stored_everywhere_in_the_same_succession(running: Any) -> None:
    """Two nodes with the same keys in different ones would wait for each other, until the database ends it."""
    events = [Event("order.new", key, event_key=key) for key in ("b", "c", "a")]
    stored: list[str] = []

    def publish() -> Operation[None]:
        operation = running.sender.outbox.publish(events)
        step = next(operation)
        with suppress(StopIteration):
            while True:
                if isinstance(step, tuple) and step[0].name == "put_event_keys":
                    stored.extend(key for _, key, _ in step[1])
                step = operation.send((yield step))

    await running.sender.writer.write(publish)
    assert stored == ["a", "b", "c"]


async def test_a_key_that_is_taken_twice_in_a_row_is_an_outage_of_a_moment(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def taken(batches: Any) -> Operation[None]:
        tries.append(batches)
        yield from ()
        raise EventKeyTaken

    monkeypatch.setattr(running.sender.outbox, "publish_all", taken)
    with pytest.raises(StorageUnavailable, match="Another node"):
        await running.sender.publish([Event("order.new", "1", event_key="k")])

    assert len(tries) == 2


async def test_a_conflict_fails_alone_among_others_that_commit_with_it(running: Any) -> None:
    await running.sender.publish([Event("order.new", "1", event_key="k")])

    answers = await asyncio.gather(
        running.sender.publish([Event("order.new", "2")]),
        running.sender.publish([Event("order.new", "3"), Event("order.new", "4", event_key="k")]),
        running.sender.publish([Event("order.new", "5")]),
        return_exceptions=True,
    )

    assert [isinstance(answer, Conflict) for answer in answers] == [False, True, False]
    subjects = {row["subject"] for row in running.rows("select subject from event")}
    assert subjects == {"order/1", "order/2", "order/5"}


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("event_type", {"event_type": "order.paid"}),
        ("event_type", {"event_type": ""}),
        ("event_type", {"event_type": "ORDER.NEW"}),
        ("order_id", {"object_id": ""}),
        ("order_id", {"object_id": "a" * 65}),
        ("order_id", {"object_id": "1&order_id=2"}),
        ("order_id", {"object_id": "1\r\nX-Evil: 1"}),
        ("order_id", {"object_id": "1\n"}),
        ("order_id", {"object_id": "1 2"}),
        ("order_id", {"object_id": "1/2"}),
        ("order_id", {"object_id": "1#"}),
        ("order_id", {"object_id": "%31"}),
        ("order_id", {"object_id": "\u0661"}),
        ("order_id", {"object_id": "\x00"}),
        ("product_id", {"event_type": "product.add", "object_id": "?"}),
        ("shop_id", {"shop_id": 0}),
        ("shop_id", {"shop_id": -1}),
        ("shop_id", {"shop_id": LARGEST_SHOP_ID + 1}),
        ("event_key", {"event_key": "a\x00"}),
        ("event_key", {"event_key": ""}),
        ("event_key", {"event_key": "k" * (LONGEST_EVENT_KEY + 1)}),
        ("event_key", {"event_key": "\ud800"}),
    ],
)
def test_what_cannot_have_happened(field: str, values: dict[str, Any]) -> None:
    good: dict[str, Any] = {"event_type": "order.new", "object_id": "1"}

    with pytest.raises(InvalidInput) as caught:
        Event(**(good | values))
    assert caught.value.field == field


@pytest.mark.parametrize("key", ["k", "k" * LONGEST_EVENT_KEY, "ordrar/å ä ö 💩", "'; drop table event; --"])
@pytest.mark.parametrize("object_id", ["1", "0", "-1", "a" * 64, "A_b.c:d-e"])
async def test_what_can(running: Any, key: str, object_id: str) -> None:
    event = Event("order.new", object_id, LARGEST_SHOP_ID, key)

    assert await running.sender.publish([event]) == await running.sender.publish([event])
