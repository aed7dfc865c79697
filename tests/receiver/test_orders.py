"""Order events: once for each transition that was observed, on the state that the shop's API shows."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ombud.client import Order
from ombud.mailbox.ids import format_id
from ombud.receiver.model import Change, Context, Event
from tests.receiver.store import Answer, Store, answer_json
from tests.receiver.world import Desk, settings_for

EVENTS = ("order.new", "order.done", "order.cancelled")
NOT_FOUND = answer_json({"code": 404, "error": "No orders were found."}, 404)


@pytest.fixture
def calls(desk: Desk) -> list[tuple[str, str, str]]:
    """What a handler of all three order events is called with: event type, order and key."""
    made: list[tuple[str, str, str]] = []

    @desk.inbox.on(*EVENTS)
    async def note(event: Event, order: Order, context: Context) -> None:
        assert order.id == event.object_id
        made.append((event.event_type, order.id, context.key))

    return made


@pytest.mark.parametrize(
    ("event_type", "status"), [("order.new", "paid"), ("order.done", "done"), ("order.cancelled", "cancelled")]
)
async def test_each_event_calls_its_handler_once(desk: Desk, store: Store, event_type: str, status: str) -> None:
    calls: list[str] = []

    @desk.inbox.on(event_type)
    def note(order: Order) -> None:
        assert order.status is not None
        calls.append(order.status.word)

    order_id = store.place()
    store.turn(order_id, status)
    async with desk.at_work():
        await desk.tell(event_type, order_id)
    assert calls == [status]


async def test_a_webhook_that_comes_five_times_is_handled_once(desk: Desk, store: Store, calls: list[object]) -> None:
    order_id = store.pay()
    async with desk.at_work():
        for _ in range(4):
            await desk.tell("order.new", order_id)
        await desk.hear("order.new", order_id)
        await desk.settled()
    assert len(calls) == 1
    assert len(desk.arrivals()) == 5


async def test_paid_again_is_new_again_under_another_key(
    desk: Desk, store: Store, calls: list[tuple[str, str, str]]
) -> None:
    order_id = store.pay()
    async with desk.at_work():
        await desk.tell("order.new", order_id)
        store.turn(order_id, "unpaid")
        await desk.tell("order.new", order_id)
        store.turn(order_id, "paid")
        await desk.tell("order.new", order_id)
    assert [call[:2] for call in calls] == [("order.new", order_id)] * 2
    assert calls[0][2] != calls[1][2]


async def test_a_cancelled_order_is_never_new(desk: Desk, store: Store, calls: list[tuple[str, str, str]]) -> None:
    order_id = store.pay()
    store.turn(order_id, "cancelled")
    async with desk.at_work():
        await desk.tell("order.new", order_id)
    assert [call[0] for call in calls] == ["order.cancelled"]
    assert desk.arrivals() == [("order.new", "done", "superseded: the order is cancelled")]


async def test_a_done_order_is_new_first(desk: Desk, store: Store, calls: list[tuple[str, str, str]]) -> None:
    order_id = store.pay()
    store.turn(order_id, "done")
    async with desk.at_work():
        await desk.tell("order.done", order_id)
        await desk.tell("order.new", order_id)
    assert [call[0] for call in calls] == ["order.new", "order.done"]


async def test_the_source_says_who_said_so(desk: Desk, store: Store) -> None:
    sources: dict[str, str] = {}

    @desk.inbox.on("order.new", "order.done")
    def note(event: Event, change: Change) -> None:
        sources[event.event_type] = change.source

    order_id = store.pay()
    store.turn(order_id, "done")
    async with desk.at_work():
        await desk.tell("order.done", order_id)
    assert sources == {"order.new": "inferred", "order.done": "webhook"}


async def test_a_forged_order_is_looked_for_and_given_up(desk: Desk, store: Store, calls: list[object]) -> None:
    async with desk.at_work():
        await desk.tell("order.new", "4711")
    [(_, state, reason)] = desk.arrivals()
    assert state == "dead"
    assert reason == "Unconfirmed: the shop does not know this order. The webhook may be forged."
    assert store.dials.of("order", "4711") == 8
    assert calls == []


async def test_with_few_retries_it_is_still_called_unconfirmed(
    desk: Desk, store: Store, calls: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = (0.01, 0.01)
    monkeypatch.setattr(desk.receiver.arrivals, "policy", type(desk.receiver.arrivals.policy)(few, merging=True))
    monkeypatch.setattr(
        desk.receiver, "settings", type(desk.receiver.settings)(**vars(desk.receiver.settings) | {"retry_seconds": few})
    )
    async with desk.at_work():
        await desk.tell("order.new", "4711")
    [(_, state, reason)] = desk.arrivals()
    assert (state, store.dials.of("order", "4711")) == ("dead", 3)
    assert reason is not None
    assert reason.startswith("Unconfirmed")


async def test_an_order_that_the_api_shows_late_is_handled(desk: Desk, store: Store, calls: list[object]) -> None:
    order_id = store.pay()
    store.dials.next_answers.extend([NOT_FOUND, NOT_FOUND])
    async with desk.at_work():
        await desk.tell("order.new", order_id)
    assert len(calls) == 1
    assert store.dials.of("order", order_id) == 3


def stale(order_id: str, status: str) -> Answer:
    return answer_json([{"order_id": order_id, "status": status}])


@pytest.mark.parametrize(
    ("event_type", "status", "before"),
    [("order.new", "paid", "-1"), ("order.done", "done", "1"), ("order.cancelled", "cancelled", "1")],
)
async def test_a_state_that_the_api_shows_late_is_handled(
    desk: Desk, store: Store, calls: list[tuple[str, str, str]], event_type: str, status: str, before: str
) -> None:
    order_id = store.place()
    store.turn(order_id, status)
    store.dials.next_answers.extend([stale(order_id, before)] * 2)
    async with desk.at_work():
        await desk.tell(event_type, order_id)
    assert [call[0] for call in calls].count(event_type) == 1
    assert store.dials.of("order", order_id) == 3


async def test_who_stands_for_one_that_stands_for_others_stands_for_all(tmp_path: Path, store: Store) -> None:
    desk = Desk(settings_for(tmp_path, store, perform="elsewhere", settle_seconds=(60.0,)))
    paid: list[str] = []

    @desk.inbox.on("order.new")
    def note(order: Order) -> None:
        paid.append(order.id)

    order_id = store.pay()
    await desk.hear("order.new", order_id)
    await desk.hear("order.cancelled", order_id)
    store.dials.always = answer_json({"code": 500, "error": "trouble"}, 500)
    async with desk.at_work():
        await desk.until(lambda: desk.rows("select 1 from attempt"))
    await desk.hear("order.cancelled", order_id)
    store.dials.always = None
    # An old copy, which is just as the last two say.
    store.dials.next_answers.append(stale(order_id, "0"))
    async with desk.at_work():
        await desk.until(lambda: desk.rows("select 1 from attempt where status = 200"))
        desk.clock.ahead_seconds = 60.0
        await desk.settled()
    _, second, third = (format_id("evt", row["id"]) for row in desk.rows("select id from event where box = 2"))
    assert [(state, why) for _, state, why in desk.arrivals()[:2]] == [
        ("skipped", f"covered by {second}"),
        ("skipped", f"covered by {third}"),
    ]
    assert paid == [order_id]
    desk.inbox.close()


async def test_a_forged_cancellation_does_nothing(desk: Desk, store: Store, calls: list[tuple[str, str, str]]) -> None:
    order_id = store.pay()
    async with desk.at_work():
        await desk.tell("order.new", order_id)
        await desk.tell("order.cancelled", order_id)
    assert [call[0] for call in calls] == ["order.new"]
    assert desk.arrivals()[1][1:] == (
        "dead",
        "Unconfirmed: the shop says that this order is paid. The webhook may be forged.",
    )


async def test_a_state_that_nobody_knows_is_given_up_visibly(desk: Desk, store: Store, calls: list[object]) -> None:
    store.dials.next_answers.append(stale("90001", "refunded"))
    async with desk.at_work():
        await desk.tell("order.new", "90001")
    assert desk.arrivals() == [("order.new", "dead", "The order is in a state that is not known here: 'refunded'.")]
    assert calls == []


async def test_what_was_paid_before_the_inbox_existed_is_not_new(
    desk: Desk, store: Store, calls: list[tuple[str, str, str]], later: Callable[[], None]
) -> None:
    order_id = store.pay()
    later()
    store.turn(order_id, "done")
    async with desk.at_work():
        await desk.tell("order.done", order_id)
        await desk.tell("order.done", order_id)
    assert [call[0] for call in calls] == ["order.done"]


async def test_what_a_webhook_says_is_new_however_old_it_is(
    desk: Desk, store: Store, calls: list[tuple[str, str, str]], later: Callable[[], None]
) -> None:
    order_id = store.pay()
    later()
    store.turn(order_id, "done")
    await desk.hear("order.new", order_id)
    await desk.hear("order.done", order_id)
    async with desk.at_work():
        await desk.settled()
    assert [call[0] for call in calls] == ["order.new", "order.done"]


@pytest.fixture
def later(desk: Desk) -> Callable[[], None]:
    """Have the inbox be set up only now, or rather an hour from now."""
    return lambda: desk.write("update inbox_shop set created_at = created_at + 3600000000")
