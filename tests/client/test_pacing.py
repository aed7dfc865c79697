"""Both clients with a budget, over real sockets: they wait, they repeat, and one key has one budget."""

import asyncio
import threading
import time
from typing import Any

import httpx2
import pytest

from ombud.client import AsyncShopClient, Budget, Priority, RateLimited, ShopClient
from tests.client.conftest import KEY, NO_TLS, Shop

COUNT = {"count": "3"}


@pytest.fixture(params=["blocking", "async"])
async def paced(request: pytest.FixtureRequest, vendor: Any) -> Any:
    """Either client with a budget that is quick enough for a test."""
    budget = Budget(200.0)
    if request.param == "blocking":
        with ShopClient(KEY, vendor.url, budget=budget, transport=httpx2.HTTPTransport(verify=NO_TLS)) as blocking:
            yield Shop(blocking)
    else:
        transport = httpx2.AsyncHTTPTransport(verify=NO_TLS)
        async with AsyncShopClient(KEY, vendor.url, budget=budget, transport=transport) as awaiting:
            yield Shop(awaiting)


async def test_a_429_is_waited_for(paced: Any, vendor: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("ombud.client.budget.FIRST_PAUSE_SECONDS", 0.05)
    vendor.says({"code": 429, "error": "Slow down"}, 429)
    vendor.says(COUNT)
    began = time.monotonic()

    assert await paced.ask("product_count") == 3

    assert time.monotonic() - began >= 0.05
    assert len(vendor.seen) == 2
    assert paced.client.terms.budget.state().per_second == pytest.approx(100.0, rel=0.01)


async def test_a_list_goes_on_after_a_429(paced: Any, vendor: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("ombud.client.budget.FIRST_PAUSE_SECONDS", 0.01)
    vendor.says([{"order_id": 3}, {"order_id": 2}])
    vendor.says({"code": 429, "error": "Slow down"}, 429, {"Retry-After": "0"})
    vendor.says([{"order_id": 2}, {"order_id": 1}])
    vendor.says([{"order_id": 1}])
    vendor.says([{"order_id": 3}, {"order_id": 2}])

    assert [order.id for order in await paced.ask("orders", limit=2)] == ["3", "2", "1"]


async def test_a_long_pause_is_an_error_and_keeps_the_next_one_back(paced: Any, vendor: Any) -> None:
    vendor.says({"code": 429, "error": "Slow down"}, 429, {"Retry-After": "600"})

    with pytest.raises(RateLimited) as answered:
        await paced.ask("product_count")
    with pytest.raises(RateLimited) as kept_back:
        await paced.ask("orders")

    assert (answered.value.sent, kept_back.value.sent) == (True, False)
    assert len(vendor.seen) == 1


async def test_another_priority_shares_everything_else(paced: Any, vendor: Any) -> None:
    vendor.says(COUNT)
    sweeping = paced.client.at(Priority.SWEEP)

    assert await Shop(sweeping).ask("product_count") == 3

    assert sweeping.terms.budget is paced.client.terms.budget
    assert (sweeping.terms.priority, paced.client.terms.priority) == (Priority.SWEEP, Priority.CALL)


def test_threads_share_one_budget(vendor: Any) -> None:
    vendor.says(COUNT)
    budget = Budget(100.0, most_per_second=100.0)
    began = time.monotonic()

    def work() -> None:
        with ShopClient(KEY, vendor.url, budget=budget, transport=httpx2.HTTPTransport(verify=NO_TLS)) as client:
            for _ in range(6):
                client.product_count()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(vendor.seen) == 24
    assert time.monotonic() - began >= (24 - 4) / 100.0
    assert budget.state().waiting == 0


async def test_tasks_share_one_budget_and_one_that_is_cancelled_leaves(vendor: Any) -> None:
    vendor.says(COUNT)
    budget = Budget(50.0, most_per_second=50.0)
    transport = httpx2.AsyncHTTPTransport(verify=NO_TLS)
    async with AsyncShopClient(KEY, vendor.url, budget=budget, transport=transport) as client:
        began = time.monotonic()
        tasks = [asyncio.create_task(client.product_count()) for _ in range(14)]
        await asyncio.sleep(0)
        tasks[-1].cancel()
        await asyncio.wait(tasks)

    assert [task.cancelled() for task in tasks] == [False] * 13 + [True]
    assert time.monotonic() - began >= (13 - 4) / 50.0
    assert budget.state().waiting == 0
