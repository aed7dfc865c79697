"""What happened before the inbox was set up, told on purpose: once, to whom it was not told yet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ombud.cli.receive import read_backfill
from ombud.clock import microseconds_of
from ombud.errors import ConfigurationError, InvalidInput
from ombud.receiver.backfill import Backfill
from ombud.receiver.baseline import Baselines
from ombud.receiver.clients import Clients
from ombud.receiver.listed import ORDER_BACKFILL, find
from ombud.receiver.model import Context, Event
from ombud.receiver.shops import list_shops
from tests.receiver.store import Answer, Store
from tests.receiver.world import Desk, settings_for

Told = dict[str, list[tuple[str, str, str]]]


@pytest.fixture
def since() -> datetime:
    """Before all that a test does, and after what others may have left in the shop."""
    return datetime.now(UTC) - timedelta(seconds=1)


@pytest.fixture
async def desk(tmp_path: Path, store: Store) -> AsyncIterator[Desk]:
    """An inbox that was set up two hours after all that a test does."""
    made = Desk(settings_for(tmp_path, store, perform="elsewhere", reconcile_seconds=(300.0, 3_600.0)))
    made.write("update inbox_shop set created_at = created_at + 7200000000")
    yield made
    made.inbox.close()


@pytest.fixture
def told(desk: Desk) -> Told:
    """What handlers are called with, by object: handler, event type, source."""
    made: Told = {}

    def note(event: Event, context: Context) -> None:
        made.setdefault(event.object_id, []).append((context.handler, event.event_type, context.source))

    for name, types in {"all": ["*"], "updates": ["product.update"]}.items():
        desk.inbox.on(*types, name=name)(note)
    return made


@asynccontextmanager
async def going_through(desk: Desk, since: datetime) -> AsyncIterator[None]:
    """Work, and go through the past, until all has ended."""
    facts = [handler.facts for handler in desk.inbox.handlers.values()]
    work = asyncio.create_task(desk.receiver.run(facts, desk.runner(), backfill=since))
    done = "select 1 from sweep where kind like 'backfill%' and swept_at is not null"
    before = len(desk.rows(done))
    try:
        yield
        await desk.until(lambda: len(desk.rows(done)) > before)
        await desk.settled()
    finally:
        desk.receiver.stop()
        await work


async def test_the_past_is_told_once_and_only_when_asked_for(
    desk: Desk, store: Store, told: Told, since: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    paid, done, cancelled, unpaid = store.pay(), store.pay(), store.pay(), store.place()
    store.turn(done, "done")
    store.turn(cancelled, "cancelled")
    store.price("101", "77")
    async with desk.acquainted():
        # A late webhook about what is old: remembered, and not told.
        await desk.tell("order.new", paid)
        await desk.receiver.reconcile()
        await desk.settled()
    assert told == {}
    async with going_through(desk, since):
        pass
    assert sorted(told.pop("101")) == [("all", "product.add", "backfill"), ("updates", "product.update", "backfill")]
    assert {object_id: calls for object_id, calls in told.items() if object_id in (paid, done, cancelled, unpaid)} == {
        paid: [("all", "order.new", "backfill")],
        done: [("all", "order.new", "backfill"), ("all", "order.done", "backfill")],
        cancelled: [("all", "order.cancelled", "backfill")],
    }
    told.clear()
    async with going_through(desk, since + timedelta(milliseconds=1)):
        pass
    assert told == {}
    async with desk.at_work():
        await desk.tell("order.new", paid)
        store.price("101", "78")
        await desk.tell("product.update", "101")
    assert {object_id: len(calls) for object_id, calls in told.items()} == {"101": 2}
    store.dials.reads.clear()
    clients = Clients(desk.receiver.settings, desk.receiver.budgets, 0.0)
    baselines = Baselines(desk.receiver.writer, clients, desk.clock)
    await Backfill(desk.receiver, clients, baselines, since).run()
    assert "was gone through at" in caplog.text
    assert store.dials.reads == []


async def test_a_webhook_that_covers_it_tells_the_past_too(
    desk: Desk, store: Store, told: Told, since: datetime
) -> None:
    order_id = store.pay()
    store.turn(order_id, "done")
    [shop] = desk.receiver.database.read(list_shops)
    text = str(microseconds_of(since))
    desk.receiver.database.write(
        lambda: find(desk.receiver.arrivals, shop, ORDER_BACKFILL, [f"order/{order_id}"], data=text)
    )
    await desk.hear("order.done", order_id)
    async with desk.at_work():
        await desk.settled()
    assert {call[1] for call in told[order_id]} == {"order.new", "order.done"}


async def test_webhooks_go_before_finds(desk: Desk, store: Store, told: Told) -> None:
    [shop] = desk.receiver.database.read(list_shops)
    old = [f"order/7{number:04}" for number in range(300)]
    desk.receiver.database.write(lambda: find(desk.receiver.arrivals, shop, "order.reconcile", old))
    await desk.hear("order.new", "90001")
    async with desk.at_work():
        await desk.until(lambda: store.dials.of("order", "90001"))
        assert sum("order_id=7" in read for read in store.dials.reads) < 100


async def test_lists_that_cannot_be_read_are_read_later(
    desk: Desk, store: Store, told: Told, since: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.receiver.backfill.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("ombud.receiver.sweeps.AGAIN_SECONDS", 0.01)
    order_id = store.pay()
    store.dials.always = Answer(500)
    async with going_through(desk, since):
        await desk.until(lambda: desk.rows("select 1 from sweep where kind like 'backfill%' and claimed_until > 0"))
        store.dials.always = None
    assert told[order_id] == [("all", "order.new", "backfill")]


NOW = datetime(2026, 11, 2, tzinfo=UTC)


def test_since_when_is_read() -> None:
    assert read_backfill("") is None
    assert read_backfill("since=2020-11-02") == NOW.replace(year=2020)
    assert read_backfill("since=2020-11-02T01:00:00+01:00") == NOW.replace(year=2020)


@pytest.mark.parametrize("text", ["2020-11-02", "since=", "since=soon", "until=2020-11-02", "since=1970-01-01"])
def test_what_says_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"It looks like since=2026-11-01"):
        read_backfill(text)


def test_the_future_and_who_does_not_work_are_refused() -> None:
    with pytest.raises(InvalidInput, match="not in the past"):
        read_backfill("since=2999-01-01")
    with pytest.raises(InvalidInput, match="--no-work"):
        read_backfill("since=2020-11-02", works=False)


async def test_what_is_not_confirmed_has_no_past(believing: Desk, since: datetime) -> None:
    with pytest.raises(ConfigurationError, match="OMBUD_CONFIRM=none"):
        await believing.receiver.run([], believing.runner(), backfill=since)
