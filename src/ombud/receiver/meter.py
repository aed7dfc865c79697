"""Counting by shop and hour: from what handlers learned of changes, for what the shop's API was asked, in how many
minutes there were more webhooks than are stored, and which fields change again and again.

What was learned is counted where it is written down, in its transaction: a loss must not be forgotten. Requests are
counted in memory first, as each is small and they are many; a process that is killed loses those of its last seconds.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus

from ombud.client.budget import Priority
from ombud.db.database import Writer
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.errors import OmbudError

sql = read_queries("ombud.receiver")

log = logging.getLogger("ombud.receiver")

# Microseconds of one row, and how long rows are kept: a month, and the day in which a page looks back a month.
HOUR = 3_600 * 1_000_000
KEPT = 32 * 24 * HOUR
# Seconds between two writings of what was asked.
FLUSH_SECONDS = 2.0
# Old rows that one writing deletes.
MOST_FORGOTTEN = 1_000
# What is counted, and of what: `told order webhook`, `told order redundant`, `asked lists`, `restless views`.
TOLD, ASKED, REFUSED, RESTLESS = "told", "asked", "refused", "restless"
# In place of how a change was learned: a webhook after which everything was as it was known.
REDUNDANT = "redundant"
# For what an API is asked, in words.
PURPOSES = {
    Priority.CONFIRM_ORDER: "order",
    Priority.CONFIRM_PRODUCT: "product",
    Priority.SETTLE: "again",
    Priority.CALL: "call",
    Priority.SWEEP: "lists",
    Priority.BASELINE: "first look",
}
# What was asked and not answered, as it was too often.
LIMITED = "limited"


def note_told(shop_id: int, kind: str, source: str, now: int) -> Operation[None]:
    """Count a change of which handlers are told: of an order or a product, and how it was learned (`source`); REDUNDANT
    for a webhook that has brought none.

    `now`: UTC microseconds.
    """
    yield from _add(shop_id, now - now % HOUR, f"{TOLD} {kind} {source}", 1)


def note_refused(shop_id: int, now: int) -> Operation[None]:
    """Count a minute in which webhooks were refused, as there were too many. `now`: UTC microseconds."""
    yield from _add(shop_id, now - now % HOUR, REFUSED, 1)


def note_restless(shop_id: int, field: str, now: int) -> Operation[None]:
    """Count an hour in which a field of a product has changed again and again. `now`: UTC microseconds."""
    yield from _add(shop_id, now - now % HOUR, f"{RESTLESS} {field}", 1)


class Meter:
    """Counts requests to the shops' APIs. For one event loop."""

    def __init__(self, writer: Writer, clock: Callable[[], int]) -> None:
        self._writer = writer
        self._clock = clock
        self._counts: Counter[tuple[int, int, str]] = Counter()
        # Whether an API took the key the last time, by shop, where that is not on record yet.
        self._keys: dict[int, bool] = {}

    def hears(self, shop_id: int) -> Callable[[Priority, int], None]:
        """Return who hears of each request to the API of a shop: its priority, and the status of the answer."""

        def hear(priority: Priority, status: int) -> None:
            now = self._clock()
            word = LIMITED if status == HTTPStatus.TOO_MANY_REQUESTS else PURPOSES[priority]
            self._counts[shop_id, now - now % HOUR, f"{ASKED} {word}"] += 1
            if status == HTTPStatus.UNAUTHORIZED or status < HTTPStatus.BAD_REQUEST:
                self._keys[shop_id] = status != HTTPStatus.UNAUTHORIZED

        return hear

    async def run(self) -> None:
        """Write what was counted every few seconds, and at the end."""
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                await self.flush()
        await self.flush()

    async def flush(self) -> None:
        """Write what was counted; without success it is kept for the next time."""
        if not self._counts:
            return
        counts, self._counts = self._counts, Counter()
        keys, self._keys = self._keys, {}
        try:
            await self._writer.write(lambda: self._store(counts, keys))
        except OmbudError as error:
            log.warning("counts of requests are not written yet: %s", error)
            self._counts.update(counts)
            self._keys = keys | self._keys

    def _store(self, counts: Counter[tuple[int, int, str]], keys: Mapping[int, bool]) -> Operation[None]:
        for (shop_id, since, what), amount in sorted(counts.items()):
            yield from _add(shop_id, since, what, amount)
        for shop_id, taken in sorted(keys.items()):
            yield sql["take_key" if taken else "refuse_key"], {"id": shop_id}
        yield sql["forget_meter"], {"before": self._clock() - KEPT, "most": MOST_FORGOTTEN}


def _add(shop_id: int, since: int, what: str, amount: int) -> Operation[None]:
    yield sql["add_to_meter"], {"shop_id": shop_id, "since": since, "what": what, "amount": amount}
