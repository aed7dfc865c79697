"""Trouble at some endpoints, and how long events of the others take meanwhile: each with the trouble and without it."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from bench.sender.endpoints import OK, REFUSED, Sink, Waits
from bench.sender.field import HEALTHY, SHOPS, UNCOUNTED, Field, Place, end_all, field, healthy, order, publish_waiting
from ombud.admin.resending import HIGHEST_PER_SECOND, PER_SECOND
from ombud.sender.sender import Sender

# Orders a second of all shops together, each for two endpoints; and events a second that go to those that hang.
ORDERS_PER_SECOND = 100
PRODUCTS_PER_SECOND = 25
# Endpoints of each shop that hang: of 1,000 in all, 900.
HANGING = 18
# How much more one shop publishes than each of the others.
FLOOD = 100
DUE = 1_000_000
WAITING = 100_000
REPLAYED = 100_000
# The shop whose endpoint is in trouble.
SICK_SHOP = SHOPS + 1
STEADY_SHOPS = 1_000
# Seconds for which it refuses before it is back; that each of its answers takes; and until all must be delivered.
SICK_SECONDS = 2.0
ANSWER_SECONDS = 0.005
RECOVERY_SECONDS = 120.0

# What a run has shown: quantiles of the waits in milliseconds by their share, and what else was counted.
Shown = Mapping[str, Any]
SHARES = [number / 200 for number in range(1, 200)] + [0.999]
Scenario = Callable[[float, bool], Coroutine[Any, Any, Shown]]


async def hanging(seconds: float, trouble: bool) -> Shown:
    """900 of 1,000 endpoints never answer: 18 of each shop, beside two that do. Without the trouble: only these two."""
    return await _with_many(seconds, trouble=trouble, answering=False)


async def hanging_or_answering(seconds: float, trouble: bool) -> Shown:
    """The same; without the trouble the 900 are there, and answer."""
    return await _with_many(seconds, trouble=trouble, answering=not trouble)


async def _with_many(seconds: float, *, trouble: bool, answering: bool) -> Shown:
    waits = Waits()
    sink = await Sink(waits.hears).start()
    places = healthy(sink)
    if trouble or answering:
        port = sink.port if answering else sink.hanging_port
        places += [
            Place(f"http://127.0.0.1:{port}/more/{shop_id}/{number}", shop_id, ["product.update"])
            for shop_id in range(1, SHOPS + 1)
            for number in range(HANGING)
        ]

    def product(number: int, _: float) -> dict[str, Any]:
        return {"event_type": "product.update", "product_id": number, "shop_id": number % SHOPS + 1}

    async with field(sink, waits, places) as there:
        stop = _beside(there, product, PRODUCTS_PER_SECOND)
        await there.publish_orders(seconds, ORDERS_PER_SECOND)
        stop()
    return shown(waits)


async def flood(seconds: float, trouble: bool) -> Shown:
    """One shop publishes a hundred times as much as each of the others."""
    waits = Waits()
    sink = await Sink(waits.hears).start()
    async with field(sink, waits, healthy(sink)) as there:
        rate = FLOOD * ORDERS_PER_SECOND / SHOPS
        stop = _beside(there, lambda number, _: order(number, 1), rate if trouble else 0)
        await there.publish_orders(seconds, ORDERS_PER_SECOND, apart=1)
        stop()
    return shown(waits)


async def backlog(seconds: float, trouble: bool) -> Shown:
    """A million deliveries are due on one endpoint that hangs; without the trouble they are stored, and done."""
    waits = Waits()
    sink = await Sink(waits.hears).start()

    def fill(sender: Sender) -> None:
        publish_waiting(sender, DUE, SICK_SHOP)
        if not trouble:
            end_all(sender)

    places = [*healthy(sink), Place(f"http://127.0.0.1:{sink.hanging_port}/sick", SICK_SHOP)]
    async with field(sink, waits, places, fill) as there:
        await there.publish_orders(seconds, ORDERS_PER_SECOND)
    return shown(waits)


async def steady(per_second: int, seconds: float) -> Shown:
    """A thousand shops with an endpoint each, and no trouble."""
    waits = Waits()
    sink = await Sink(waits.hears).start()
    async with field(sink, waits, healthy(sink, STEADY_SHOPS, 1)) as there:
        there.shops, there.each = STEADY_SHOPS, 1
        await there.publish_orders(seconds, per_second)
    return shown(waits)


async def recovery(seconds: float, trouble: bool) -> Shown:
    """An endpoint with 100,000 deliveries waiting refuses, and is back: it gets all of them, never above its window."""
    waits, heard, everything = Waits(), set[int](), asyncio.Event()
    sick = True

    def hears(path: str, number: int) -> bytes:
        if path != "/sick":
            return waits.hears(path, number)
        if sick:
            return REFUSED
        heard.add(number)
        if len(heard) == WAITING:
            everything.set()
        return OK

    sink = await Sink(hears, ANSWER_SECONDS).start()
    places = [*healthy(sink), Place(f"http://127.0.0.1:{sink.port}/sick", SICK_SHOP)]

    def fill(sender: Sender) -> None:
        if trouble:
            publish_waiting(sender, WAITING, SICK_SHOP)

    async with field(sink, waits, places, fill) as there:
        orders = asyncio.create_task(there.publish_orders(seconds, ORDERS_PER_SECOND))
        await asyncio.sleep(SICK_SECONDS)
        sick = False
        await orders
        async with asyncio.timeout(RECOVERY_SECONDS):
            if trouble:
                await everything.wait()
    return {**shown(waits), "delivered": len(heard), "most at once": sink.most["/sick"]}


async def replay(seconds: float, trouble: bool) -> Shown:
    """100,000 deliveries to the same endpoints are sent again, at the usual rate of a job; without it they rest."""
    return await _with_replay(seconds, trouble=trouble, per_second=PER_SECOND)


async def replay_fast(seconds: float, trouble: bool) -> Shown:
    """The same, at the highest rate that a job may have."""
    return await _with_replay(seconds, trouble=trouble, per_second=HIGHEST_PER_SECOND)


async def _with_replay(seconds: float, *, trouble: bool, per_second: int) -> Shown:
    waits, again = Waits(), set[tuple[str, int]]()

    def hears(path: str, number: int) -> bytes:
        if number >= UNCOUNTED:
            again.add((path, number))
        return waits.hears(path, number)

    sink = await Sink(hears).start()

    def fill(sender: Sender) -> None:
        for shop_id in range(1, SHOPS + 1):
            publish_waiting(sender, REPLAYED // SHOPS // HEALTHY, shop_id)
        end_all(sender)

    async with field(sink, waits, healthy(sink), fill) as there:
        if trouble:
            await asyncio.to_thread(there.start_replay, per_second)
        await there.publish_orders(seconds, ORDERS_PER_SECOND)
    return {**shown(waits), "sent again": len(again)}


SCENARIOS: dict[str, Scenario] = {
    one.__name__: one for one in (hanging, hanging_or_answering, flood, backlog, recovery, replay, replay_fast)
}


def shown(waits: Waits) -> Shown:
    """Return what a run has shown."""
    return {"p50": waits.milliseconds(0.5), "p99": waits.milliseconds(0.99), "count": len(waits.seconds)} | {
        "curve": [round(waits.milliseconds(share), 3) for share in SHARES]
    }


def _beside(there: Field, event: Callable[[int, float], dict[str, Any]], per_second: float) -> Callable[[], object]:
    """Publish beside the orders until what is returned is called; nothing at a rate of zero."""
    if not per_second:
        return lambda: None
    # Longer than any run: it is cancelled.
    task = asyncio.create_task(there.pace(event).run(3_600, per_second, UNCOUNTED))
    return task.cancel
