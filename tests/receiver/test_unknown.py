"""Event types of a later day: stored, answered 200 and told to whoever asks, without a read."""

from typing import Any

import pytest

from ombud import ConfigurationError, Context, Event, Inbox, Order, UnknownEvent
from ombud.settings import Settings
from tests.receiver.fronts import Front, Request
from tests.receiver.store import Store
from tests.receiver.world import Desk

LATER = b"event_type=customer.new&customer_id=7&lang=s%C3%A5"


async def test_each_one_is_told_once_with_all_that_it_says(desk: Desk, store: Store, front: Front) -> None:
    told, keys = [], set[str]()

    @desk.inbox.on_unknown
    async def note(event: UnknownEvent, context: Context) -> None:
        told.append(event)
        keys.add(context.key)
        assert context.source == "unconfirmed"

    for _ in range(2):
        assert (await front(desk.inbox, Request(LATER))).status == 200
    async with desk.at_work():
        await desk.settled()
    parameters = {"event_type": "customer.new", "customer_id": "7", "lang": "så"}
    assert told == [UnknownEvent("customer.new", parameters, "shop")] * 2
    assert len(keys) == 2
    assert [state for _, state, _ in desk.arrivals()] == ["done", "done"]
    assert not [one for one in store.dials.reads if "7" in str(one)]


async def test_it_is_tried_again_under_the_same_key(believing: Desk) -> None:
    keys = []

    @believing.inbox.on_unknown(name="later", retry_seconds=(0.0,))
    def note(context: Context) -> None:
        keys.append(context.key)
        if len(keys) == 1:
            raise OSError("away")

    await believing.hear("order.refunded", "1")
    async with believing.at_work():
        await believing.settled()
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert [row["name"] for row in believing.runs()] == ["later"]


async def test_who_asked_for_the_known_ones_hears_of_none(believing: Desk) -> None:
    @believing.inbox.on("*")
    def note() -> None:
        raise AssertionError

    await believing.hear("order.refunded", "1")
    async with believing.at_work():
        await believing.settled()
    assert [state for _, state, _ in believing.arrivals()] == ["stored"]


@pytest.mark.parametrize("asked", [Order, Event])
def test_nothing_that_a_read_would_tell_can_be_asked_for(asked: Any) -> None:
    def note(thing: Any) -> None: ...

    note.__annotations__["thing"] = asked
    with pytest.raises(ConfigurationError, match="UnknownEvent, Context"):
        Inbox(Settings()).on_unknown(note)
