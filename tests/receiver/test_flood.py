"""A flood of one webhook: few rows, fewer reads, and the webhooks of others are handled meanwhile as ever.

OMBUD_TEST_FLOOD says how many there are: 2,000 here, 50,000 by hand. They come as fast as they are answered, on the one
event loop that reads and calls as well, so others wait for the processor: how long is printed, and bounded.
"""

import asyncio
import os
import time
from pathlib import Path

from ombud.client import Order
from tests.receiver.fronts import Request, ask_asgi
from tests.receiver.store import Store
from tests.receiver.world import Desk, settings_for
from tests.support.processes import PATIENCE_SECONDS

FLOOD = int(os.environ.get("OMBUD_TEST_FLOOD", "2000"))
# Webhooks about one thing that are taken in a minute; a flood may begin in one minute and end in another.
MOST_ALIKE = 100
MINUTES = 2
# Orders of others, before the flood and during it.
OTHERS = 100 if FLOOD >= 50_000 else 10
# Within which each of them is handled all the same; a sender gives up after ten seconds.
MOST_SECONDS = 5.0


async def test_a_flood_costs_few_rows_and_others_nothing(tmp_path: Path, store: Store) -> None:
    desk = Desk(settings_for(tmp_path, store, perform="elsewhere", alike_per_minute=MOST_ALIKE))
    handled: dict[str, asyncio.Event] = {}

    @desk.inbox.on("order.new")
    async def ship(order: Order) -> None:
        handled[order.id].set()

    async def handle_all(orders: list[str]) -> list[float]:
        """Hear of orders one after the other; returns how long each took until its handler ran, in order."""
        times = []
        for order_id in orders:
            handled[order_id], began = asyncio.Event(), time.perf_counter()
            await desk.hear("order.new", order_id)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await handled[order_id].wait()
            times.append(time.perf_counter() - began)
        return sorted(times)

    flooded = store.place()
    before, during = ([store.pay() for _ in range(OTHERS)] for _ in range(2))
    request, statuses = Request(f"event_type=order.new&order_id={flooded}".encode()), []

    async def flood() -> None:
        for number in range(FLOOD):
            statuses.append((await ask_asgi(desk.inbox, request)).status)
            if number % 5 == 0:
                await asyncio.sleep(0)

    async with desk.at_work():
        calm = await handle_all(before)
        store.dials.reads.clear()
        flooding = asyncio.create_task(flood())
        busy = await handle_all(during)
        await flooding
        await desk.until(lambda: store.dials.of("order", flooded))
    assert set(statuses) == {200, 429}
    rows = desk.rows("select 1 from event where box = 2 and subject = :subject", subject=f"order/{flooded}")
    assert len(rows) == statuses.count(200) <= MOST_ALIKE * MINUTES
    assert store.dials.of("order", flooded) <= 2 * len(rows)
    p99 = int(OTHERS * 0.99) - 1
    print(f"{FLOOD} alike, {len(rows)} rows; p99 of others {calm[p99] * 1000:.1f} ms, meanwhile {busy[p99] * 1000:.1f}")
    assert busy[-1] < MOST_SECONDS
    desk.inbox.close()
