"""The main job, with the demo as a stranger starts it: a change in the shop reaches a foreign endpoint."""

import stat
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ombud.client import ShopClient
from tests.support.endpoint import Endpoint
from tests.support.processes import Ombud, Ombuds

ORDERS = 100
# Seconds.
MEDIAN_LIMIT = 0.1
LONGEST = 1.0


@pytest.fixture
def demo(ombuds: Ombuds, tmp_path: Path) -> Ombud:
    return ombuds.start("demo", "--port", "0", "--data", str(tmp_path / "demo"))


@pytest.fixture
def shop(demo: Ombud) -> Iterator[ShopClient]:
    with ShopClient(demo.card["shop_key"], base_url=demo.card["shop_api"]) as client:
        yield client


@pytest.fixture
def api(demo: Ombud) -> Iterator[httpx2.Client]:
    with api_client(demo.card) as client:
        yield client


def api_client(card: dict[str, Any]) -> httpx2.Client:
    return httpx2.Client(base_url=card["api"], headers={"Authorization": f"Bearer {card['api_key']}"})


def subscribe(api: httpx2.Client, url: str) -> str:
    answer = api.post("/endpoints", json={"url": url})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def place(shop: ShopClient) -> str:
    product = next(iter(shop.products()))
    return shop.create_order(products=[{"product_id": product.id, "qty": 1}], customer={"email": "anna@example.test"})


def assert_quick(seconds: list[float]) -> None:
    """Print the figures, which are the acceptance's, and hold them against its limits."""
    print(
        f"{len(seconds)} arrivals: p50 {statistics.median(seconds) * 1000:.1f} ms, longest {max(seconds) * 1000:.1f} ms"
    )
    assert statistics.median(seconds) <= MEDIAN_LIMIT
    assert max(seconds) <= LONGEST


@pytest.mark.alone
def test_a_hundred_paid_orders_arrive(demo: Ombud, shop: ShopClient, api: httpx2.Client, endpoint: Endpoint) -> None:
    subscribe(api, endpoint.url)
    started: dict[str, float] = {}
    for _ in range(ORDERS):
        order_id = place(shop)
        started[f"event_type=order.new&order_id={order_id}"] = time.monotonic()
        shop.update_order(order_id, status="paid")
    arrived = {seen.query: seen.at for seen in endpoint.wait_for(ORDERS)}
    assert arrived.keys() == started.keys()
    assert_quick([arrived[query] - began for query, began in started.items()])


@pytest.mark.alone
def test_the_other_five_events_arrive(shop: ShopClient, api: httpx2.Client, endpoint: Endpoint) -> None:
    subscribe(api, endpoint.url)
    done, cancelled = place(shop), place(shop)
    product = shop.create_product(title="Lamp", price="120.00", stock=3)
    changes: list[tuple[Callable[[], object], str]] = [
        (lambda: shop.update_order(done, status="done"), f"event_type=order.done&order_id={done}"),
        (lambda: shop.update_order(cancelled, status="cancelled"), f"event_type=order.cancelled&order_id={cancelled}"),
        (lambda: shop.update_product(product, price="110.00"), f"event_type=product.update&product_id={product}"),
        (lambda: shop.delete_product(product), f"event_type=product.delete&product_id={product}"),
    ]
    assert endpoint.next().query == f"event_type=product.add&product_id={product}"
    seconds = []
    for change, query in changes:
        began = time.monotonic()
        change()
        seen = endpoint.next()
        assert seen.query == query
        seconds.append(seen.at - began)
    assert_quick(seconds)


def test_an_event_shows_its_delivery_and_attempts(shop: ShopClient, api: httpx2.Client, endpoint: Endpoint) -> None:
    endpoint_id = subscribe(api, f"{endpoint.url}?token=secret")
    endpoint.answer(500)
    order_id = place(shop)
    shop.update_order(order_id, status="paid")
    endpoint.wait_for(2)
    event = next(event for event in api.get("/events").json()["data"] if event["subject"] == f"order/{order_id}")
    shown = _settled(api, event["id"])
    assert (shown["event_type"], shown["fan_out"]) == ("order.new", 2)
    [delivery] = [one for one in shown["deliveries"] if one["endpoint_id"] == endpoint_id]
    assert (delivery["endpoint_id"], delivery["state"], delivery["next_attempt_at"]) == (endpoint_id, "done", None)
    assert "secret" not in delivery["url"]
    failed, succeeded = delivery["attempts"]
    assert (failed["status"], failed["outcome"]) == (500, "retry")
    assert "500" in failed["reason"]
    assert (succeeded["status"], succeeded["outcome"], succeeded["late"]) == (200, "done", False)
    assert all(attempt["milliseconds"] >= 0 for attempt in delivery["attempts"])


def _settled(api: httpx2.Client, event_id: str) -> dict[str, Any]:
    """Read an event until its deliveries are settled: the endpoint knows of the GET before the sender of the answer."""
    deadline = time.monotonic() + LONGEST
    while True:
        event: dict[str, Any] = api.get(f"/events/{event_id}").json()
        if all(delivery["state"] != "pending" for delivery in event["deliveries"]):
            return event
        assert time.monotonic() < deadline, event


def test_a_change_that_changes_nothing_sends_nothing(shop: ShopClient, api: httpx2.Client, endpoint: Endpoint) -> None:
    subscribe(api, endpoint.url)
    order_id = place(shop)
    shop.update_order(order_id, status="paid", skip_webhook=True)
    shop.update_order(order_id, status="paid")
    shop.update_order(order_id, status="done")
    assert endpoint.next().query == f"event_type=order.done&order_id={order_id}"


def test_a_second_start_keeps_keys_and_goes_on(ombuds: Ombuds, tmp_path: Path, endpoint: Endpoint) -> None:
    folder = tmp_path / "demo"
    first = ombuds.start("demo", "--port", "0", "--data", str(folder))
    with api_client(first.card) as api:
        subscribe(api, endpoint.url)
    assert first.stop() == 0
    second = ombuds.start("demo", "--port", "0", "--data", str(folder))
    assert {name: first.card[name] for name in ("api_key", "shop_key", "data")} == {
        name: second.card[name] for name in ("api_key", "shop_key", "data")
    }
    assert stat.S_IMODE((folder / "credentials.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "sender.db").stat().st_mode) == 0o600
    with ShopClient(second.card["shop_key"], base_url=second.card["shop_api"]) as shop:
        assert shop.product_count() == 3
        assert len(list(shop.orders())) == 1
        shop.update_order(place(shop), status="paid")
    assert endpoint.next().query.startswith("event_type=order.new&order_id=")


@pytest.mark.alone
def test_what_could_not_be_delivered_before_the_stop_is_delivered_after(
    ombuds: Ombuds, tmp_path: Path, endpoint: Endpoint
) -> None:
    folder = str(tmp_path / "demo")
    patient = {"OMBUD_RETRY_SECONDS": "60"}
    first = ombuds.start("demo", "--port", "0", "--data", folder, **patient)
    endpoint.hang()
    with api_client(first.card) as api, ShopClient(first.card["shop_key"], base_url=first.card["shop_api"]) as shop:
        subscribe(api, endpoint.url)
        shop.update_order(place(shop), status="paid")
        hung = endpoint.next()
    began = time.monotonic()
    assert first.stop() == 0
    assert time.monotonic() - began < 5
    second = ombuds.start("demo", "--port", "0", "--data", folder, **patient)
    assert endpoint.next().query == hung.query
    with api_client(second.card) as api:
        event = api.get("/events").json()["data"][0]
        deliveries = _settled(api, event["id"])["deliveries"]
        [(cut, repeated)] = [one["attempts"] for one in deliveries if len(one["attempts"]) > 1]
    assert (cut["outcome"], repeated["outcome"]) == ("interrupted", "done")
