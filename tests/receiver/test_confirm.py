"""`OMBUD_CONFIRM=none`, chosen by name: every webhook passed on, ids only; and whoever asks for more is refused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ombud.client import Order
from ombud.errors import ConfigurationError
from ombud.receiver.caller import NOT_READ
from ombud.receiver.model import Context, Event, OrderId, ProductId
from ombud.web.panel import Sides, create_panel
from tests.receiver.store import Store
from tests.receiver.world import Desk, settings_for
from tests.support.people import log_in


async def test_every_webhook_is_passed_on(believing: Desk, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[tuple[str, str, str, int]] = []
    keys: set[str] = set()

    @believing.inbox.on("order.*", "product.update")
    async def note(event: Event, context: Context) -> None:
        keys.add(context.key)
        heard.append((event.event_type, event.object_id, context.source, len(context.arrivals)))

    @believing.inbox.on("product.update")
    def sync(product_id: ProductId) -> None:
        heard.append(("sync", product_id, "", 1))

    for _ in range(2):
        await believing.hear("order.new", "7")
        await believing.hear("order.cancelled", "7")
        await believing.hear("product.update", "8")
    async with believing.at_work():
        await believing.settled()
    alike = [("order.cancelled", "7"), ("order.new", "7"), ("product.update", "8"), ("sync", "8")]
    assert sorted(one[:2] for one in heard) == sorted(alike * 2)
    assert {one[2:] for one in heard} == {("unconfirmed", 1), ("", 1)}
    assert len(keys) == 6
    assert "OMBUD_CONFIRM=none: handlers run for every webhook" in caplog.text
    assert {state for _, state, _ in believing.arrivals()} == {"done"}


async def test_a_run_is_repeated_with_the_same_key(believing: Desk) -> None:
    keys: list[str] = []

    @believing.inbox.on("order.new")
    async def note(order_id: OrderId, context: Context) -> None:
        keys.append(context.key + order_id)
        if len(keys) < 3:
            raise RuntimeError

    await believing.hear("order.new", "7")
    async with believing.at_work():
        await believing.settled()
    assert (len(keys), len(set(keys))) == (3, 1)


async def test_whoever_asks_for_the_object_is_refused_at_the_start(believing: Desk) -> None:
    @believing.inbox.on("order.new")
    async def ship(order: Order) -> None: ...

    with pytest.raises(ConfigurationError, match="Handler ship asks for an object"):
        async with believing.at_work():
            await asyncio.sleep(0)


async def test_who_asks_for_the_object_later_is_not_given_nothing(tmp_path: Path, store: Store) -> None:
    called: list[Any] = []

    def desk(confirm: str) -> Desk:
        return Desk(settings_for(tmp_path, store, confirm=confirm, perform="elsewhere"))

    first = desk("none")
    first.inbox.on("order.new", name="ship", retry_seconds=(3600,))(_fail)
    await first.hear("order.new", "7")
    async with first.at_work():
        await first.until(lambda: first.rows("select 1 from attempt where outcome = 'retry'"))
    first.inbox.close()
    second = desk("api")
    second.clock.ahead_seconds = 5_000

    @second.inbox.on("order.new", name="ship")
    async def ship(order: Order) -> None:
        called.append(order)

    async with second.at_work():
        await second.settled()
    assert called == []
    assert [run["reason"] for run in second.runs()] == [NOT_READ]
    second.inbox.close()


async def _fail() -> None:
    raise RuntimeError


def test_the_panel_says_so(believing: Desk) -> None:
    for confirms in (True, False):
        people = believing.receiver.writer
        panel = create_panel(Sides(receiver=believing.receiver, confirms=confirms), people)
        cookies = log_in(people)
        page = TestClient(panel, base_url="http://127.0.0.1", client=("127.0.0.1", 1), cookies=cookies).get("/").text
        assert ("Webhooks are not confirmed" in page) is not confirms
