"""Random histories with handlers that wait, watch, fail and die: in the end each has finished with what the shop has.

OMBUD_TEST_HISTORY_STEPS=2000 takes longer.
"""

import asyncio
import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from ombud import Context, Inbox, Product
from ombud.db.operation import Operation
from ombud.receiver import changes, telling
from ombud.settings import Settings
from ombud.testing import Trial

STEPS = int(os.environ.get("OMBUD_TEST_HISTORY_STEPS", "80"))
PRODUCTS = ("101", "102", "103")
HANDLERS = ("plain", "quiet", "watching", "both")
# Histories in which a broken build is found: one may spare it, since which handler draws next is up to threads.
ENOUGH = 5


class History:
    """One inbox, and what its handlers have finished with."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.inbox = Inbox(Settings(database_url="sqlite:////nowhere/at/all.db"))
        self.prices: dict[tuple[str, str], str] = {}
        self.titles: dict[tuple[str, str], str] = {}
        self.inbox.on("product.update", name="plain")(self.handle)
        self.inbox.on("product.update", name="quiet", quiet_seconds=20, at_most_seconds=50)(self.handle)
        self.inbox.on("product.update", name="watching", watch="price", concurrency=1)(self.handle)
        self.inbox.on("product.*", name="both", quiet_seconds=5, watch=("price", "title"))(self.handle)

    async def handle(self, product: Product, context: Context) -> None:
        await asyncio.sleep(0)
        if self.random.random() < 0.2:
            raise OSError("the outside is away")
        self.prices[context.handler, product.id] = str(product.price)
        self.titles[context.handler, product.id] = str(product.title)
        await asyncio.sleep(0)

    def run(self, trial: Trial) -> None:
        for _ in range(STEPS):
            self.step(trial)
        # Each has a last change of what everybody watches: a handler that has never run has nothing to compare.
        for product_id in PRODUCTS:
            trial.shop.change(product_id, price=str(self.random.randrange(10_000, 99_999)))
        trial.deliver()
        trial.settle()

    def step(self, trial: Trial) -> None:
        chance = self.random
        product_id = chance.choice(PRODUCTS)
        if chance.random() < 0.3:
            assert trial._work.runner is not None
            trial._work.runner.kill = (chance.choice(HANDLERS), chance.randrange(1, 3))
        match chance.randrange(5):
            case 0:
                trial.shop.change(product_id, title=chance.choice("ABC"))
            case 1:
                trial.shop.change(product_id, price=str(chance.randrange(1, 4)))
            case 2:
                trial.deliver(times=chance.randrange(1, 4), newest_first=chance.random() < 0.5)
            case 3:
                trial.pass_by(chance.choice([0.5, 4, 15, 40]))
            case _:
                trial.send("product.update", product_id)

    def wrong(self, trial: Trial) -> list[str]:
        """What a handler has not finished with as the shop has it."""
        found = []
        for product_id in PRODUCTS:
            product = trial.shop.client.product(product_id)
            assert product is not None
            for name in HANDLERS:
                if self.prices.get((name, product_id)) != str(product.price):
                    found.append(f"{name} {product_id} {self.prices.get((name, product_id))} {product.price}")
                if name != "watching" and self.titles.get((name, product_id)) != str(product.title):
                    found.append(f"{name} {product_id} {self.titles.get((name, product_id))} {product.title}")
        return found


@pytest.fixture(params=[1, 2])
def history(request: pytest.FixtureRequest) -> History:
    return History(request.param)


def test_in_the_end_every_handler_has_what_the_shop_has(history: History, trial: Callable[[Inbox], Trial]) -> None:
    run = trial(history.inbox)
    history.run(run)
    assert history.wrong(run) == []
    states = {made.state for made in run.runs}
    assert states == {"done", "skipped"}


def test_a_build_that_drops_what_comes_during_the_wait_is_caught(
    trial: Callable[[Inbox], Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window of many a gateway: a change that comes while one waits adds nothing."""
    real = changes.append_change

    def drop(mailbox: Any, handler_id: int, handler: Any, news: Any) -> Operation[None]:
        lane_id = yield from changes._lane(mailbox, news.shop_id, handler_id)
        _, waits = yield from changes._last(mailbox, lane_id, news)
        if not waits:
            yield from real(mailbox, handler_id, handler, news)

    monkeypatch.setattr(telling, "append_change", drop)
    for seed in range(1, 1 + ENOUGH):
        history = History(seed)
        run = trial(history.inbox)
        history.run(run)
        if history.wrong(run):
            return
    pytest.fail(f"nothing wrong in {ENOUGH} histories")
