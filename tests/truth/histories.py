"""Random histories of orders and products, and everything that may happen to the webhooks about them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ombud.receiver.sweeps import CLAIM_SECONDS
from ombud.testing import Webhook
from tests.truth.world import World

STATUSES = ("unpaid", "paid", "done", "cancelled")
# Few, so that what was comes back: A, B, A.
# What is sold in every order.
SOLD = "101"
PRICES = ("10.00", "20.00")
EVENTS = ("order.new", "order.done", "order.cancelled", "product.add", "product.update", "product.delete")
# Seconds that an old copy of the shop's data may answer: without losses less than a product is left quiet, for nothing
# but the lists makes that good.
LAG_SECONDS = 1.9
ROUGH_LAG_SECONDS = 4.5


@dataclass
class Truth:
    """What the shop has been: the states of the order, and of each product the prices, the last one `gone`."""

    order_id: str
    statuses: list[str] = field(default_factory=lambda: ["unpaid"])
    products: dict[str, list[str]] = field(default_factory=dict)

    @property
    def living(self) -> list[str]:
        return [product_id for product_id, states in self.products.items() if states[-1] != "gone"]


class History:
    """One order and some products."""

    def __init__(self, world: World, *, rough: bool) -> None:
        self._world = world
        self._chance = world.chance
        self._lag = ROUGH_LAG_SECONDS if rough else LAG_SECONDS
        self.truth = Truth(world.shop.place(product_id=SOLD))

    def step(self) -> None:
        """Do one thing to the shop, or pretend that something was done."""
        match self._chance.randrange(16):
            case 0 | 1 | 2 | 3 | 4 | 5:
                self._turn()
            case 6 | 7 | 8 | 9 | 10 | 11 | 12:
                self._price()
            case 13:
                self._add()
            case 14:
                self._delete()
            case _:
                self._forge()

    def _turn(self) -> None:
        truth, shop = self.truth, self._world.shop
        status = self._chance.choice([one for one in STATUSES if one != truth.statuses[-1]])

        def turn() -> None:
            shop.turn(truth.order_id, status)
            truth.statuses.append(status)

        self._change(f"order/{truth.order_id}", turn)

    def _price(self) -> None:
        if not self.truth.living:
            self._add()
            return
        product_id = self._chance.choice(self.truth.living)
        states = self.truth.products[product_id]
        price = self._chance.choice([one for one in PRICES if one != states[-1]])

        def change() -> None:
            self._world.shop.change(product_id, price=price)
            states.append(price)

        self._change(f"product/{product_id}", change)

    def _add(self) -> None:
        price = self._chance.choice(PRICES)
        self.truth.products[self._world.shop.add(price=price)] = [price]

    def _delete(self) -> None:
        if self.truth.living:
            product_id = self._chance.choice(self.truth.living)
            self._world.shop.delete(product_id)
            self.truth.products[product_id].append("gone")

    def _forge(self) -> None:
        event_type = self._chance.choice(EVENTS)
        ids = [self.truth.order_id] if event_type.startswith("order") else self.truth.living
        self._world.send(event_type, self._chance.choice([*ids, "4711"]))

    def _change(self, subject: str, act: Callable[[], None]) -> None:
        """Change something now or while it is being read; a copy may answer as it was for a while."""
        if self._chance.random() < 0.4:
            self._world.api.remember(subject, self._document(subject), self._chance.uniform(0.1, self._lag))
        act()
        if self._chance.random() < 0.2:
            # Once more, while somebody reads what came of it.
            self._world.api.during[subject] = self._during(subject)

    def _during(self, subject: str) -> Callable[[], None]:
        def act() -> None:
            shop, truth = self._world.shop, self.truth
            kind, _, object_id = subject.partition("/")
            if kind == "product" and object_id in truth.living:
                price = next(one for one in PRICES if one != truth.products[object_id][-1])
                # This is the shop's own webhook, which comes at once; it does not come later as well.
                self._world.came.append(Webhook("product.update", object_id))
                shop.change(object_id, price=price)
                truth.products[object_id].append(price)
                self._world.send("product.update", object_id)

        return act

    def _document(self, subject: str) -> Any:
        kind, _, object_id = subject.partition("/")
        client = self._world.shop.client
        if kind == "order":
            order = client.order(object_id)
            assert order is not None
            return [dict(order.raw)]
        product = client.product(object_id)
        assert product is not None
        return {"product": dict(product.raw)}


@dataclass
class Way:
    """How webhooks come: late, twice, in any order; `losing`: some never."""

    world: World
    chance: random.Random
    losing: bool

    def bring(self, share: float) -> None:
        """Bring some of those that are on the way."""
        world, chance = self.world, self.chance
        world.on_the_way += world.shop.sent()
        for webhook in [one for one in world.came if one in world.on_the_way]:
            world.came.remove(webhook)
            world.on_the_way.remove(webhook)
        chance.shuffle(world.on_the_way)
        count = round(len(world.on_the_way) * share)
        come, world.on_the_way = world.on_the_way[:count], world.on_the_way[count:]
        for webhook in come:
            if self.losing and chance.random() < 0.25:
                continue
            for _ in range(chance.choice((1, 1, 1, 2, 3))):
                world.send(webhook.event_type, webhook.object_id)


def live(world: World, *, histories: int, steps: int, rough: bool) -> list[Truth]:
    """Live through so many histories at once, and return what the shop was."""
    chance, way = world.chance, Way(world, world.chance, losing=rough)
    lives = [History(world, rough=rough) for _ in range(histories)]
    for _ in range(steps):
        for history in lives:
            if chance.random() < 0.6:
                history.step()
        trouble(world, rough=rough)
        way.bring(chance.random())
        world.pass_by(chance.choice((0.2, 1.0, 3.0, 12.0, 70.0)))
        world.writer.left = 0
    world.api.healthy = True
    way.bring(1.0)
    world.settle()
    if rough:
        # A process that died over a list has it for as long as another one would have to wait.
        world.pass_by(CLAIM_SECONDS)
        world.reconcile()
        world.settle()
    if world.api.failures:
        raise world.api.failures[0]
    return [history.truth for history in lives]


def trouble(world: World, *, rough: bool) -> None:
    """Harm something for this round."""
    chance = world.chance
    if chance.random() < 0.15:
        world.api.break_down(chance.choice((1.0, 20.0, 400.0)))
    if chance.random() < 0.3:
        world.die_at(chance.randrange(1, 30), after=chance.random() < 0.5)
    runner = world.work.runner
    if chance.random() < 0.3 and runner is not None:
        runner.kill = (chance.choice(list(world.inbox.handlers)), chance.randrange(1, 3))
    if rough and chance.random() < 0.2:
        world.reconcile()
