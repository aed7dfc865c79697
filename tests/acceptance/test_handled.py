"""The whole thread in the demo: a change in the shop reaches the sample app's handler, with the object read back."""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ombud.client import ShopClient
from tests.support.processes import Ombud, Ombuds

ORDERS = 100
# Seconds.
MEDIAN_LIMIT = 0.1
LONGEST = 1.0


class Handled:
    """The sample app's file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lines(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        # A line that is being written may be seen in part.
        whole, _, _ = self._path.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def wait_for(self, handler: str, subject: str) -> dict[str, Any]:
        """The only line of a handler and subject, once it is there."""
        deadline = time.monotonic() + 10
        while True:
            found = [line for line in self.lines() if (line["handler"], line["subject"]) == (handler, subject)]
            if found:
                assert len(found) == 1
                return found[0]
            assert time.monotonic() < deadline, (handler, subject, self.lines()[-5:])


@pytest.fixture
def demo(ombuds: Ombuds, tmp_path: Path) -> Ombud:
    return ombuds.start("demo", "--port", "0", "--data", str(tmp_path / "demo"))


@pytest.fixture
def handled(demo: Ombud) -> Handled:
    return Handled(Path(demo.card["data"]) / "handled.jsonl")


@pytest.fixture
def shop(demo: Ombud) -> Iterator[ShopClient]:
    with ShopClient(demo.card["shop_key"], base_url=demo.card["shop_api"]) as client:
        yield client


def place(shop: ShopClient) -> str:
    product = next(iter(shop.products()))
    return shop.create_order(products=[{"product_id": product.id, "qty": 2}], customer={"email": "anna@example.test"})


def assert_quick(seconds: list[float], median_limit: float = MEDIAN_LIMIT) -> None:
    median, longest = statistics.median(seconds), max(seconds)
    print(f"{len(seconds)} runs: p50 {median * 1000:.1f} ms, longest {longest * 1000:.1f} ms")
    assert median <= median_limit
    assert longest <= LONGEST


@pytest.mark.alone
def test_a_hundred_paid_orders_are_handled_with_what_was_read(shop: ShopClient, handled: Handled) -> None:
    started = {}
    for _ in range(ORDERS):
        order_id = place(shop)
        started[f"order/{order_id}"] = datetime.now(UTC)
        shop.update_order(order_id, status="paid")
    lines = {subject: handled.wait_for("order.new", subject) for subject in started}
    for subject, line in lines.items():
        assert line["order"]["order_id"] == subject.partition("/")[2]
        assert line["order"]["products"][0]["qty"] == 2
        assert line["status"] == "1"
    assert len({line["key"] for line in lines.values()}) == ORDERS
    assert_quick([(datetime.fromisoformat(lines[one]["at"]) - began).total_seconds() for one, began in started.items()])


@pytest.mark.alone
def test_the_other_five_events_are_handled(shop: ShopClient, handled: Handled) -> None:
    done, cancelled = place(shop), place(shop)
    seconds = []

    def timed(change: Callable[[], object], handler: str, subject: str) -> dict[str, Any]:
        began = datetime.now(UTC)
        change()
        line = handled.wait_for(handler, subject)
        seconds.append((datetime.fromisoformat(line["at"]) - began).total_seconds())
        return line

    timed(lambda: shop.update_order(done, status="done"), "order.done", f"order/{done}")
    timed(lambda: shop.update_order(cancelled, status="cancelled"), "order.cancelled", f"order/{cancelled}")
    product = shop.create_product(title="Lamp", price="120.00", stock=3)
    assert handled.wait_for("product.add", f"product/{product}")["product"]["title"] == "Lamp"
    changed = timed(lambda: shop.update_product(product, price="110.00"), "product.update", f"product/{product}")
    assert changed["product"]["price"] == "110.00"
    assert_quick(seconds)
    seconds.clear()
    gone = timed(lambda: shop.delete_product(product), "product.delete", f"product/{product}")
    assert (gone["status"], gone["product"]["price"]) == ("gone", "110.00")
    # Two looks, 0.2 s apart in the demo, prove that it is gone.
    assert_quick(seconds, LONGEST)


def test_a_product_of_before_the_first_start_is_known(shop: ShopClient, handled: Handled) -> None:
    product = next(iter(shop.products()))
    shop.update_product(product.id, price="1.00")
    assert handled.wait_for("product.update", f"product/{product.id}")["product"]["price"] == "1.00"
    assert not [line for line in handled.lines() if line["handler"] == "product.add"]
