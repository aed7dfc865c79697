"""Stage one: read the subject of an arrival once, with our own key. That answer is the proof, the webhook a hint."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ombud.client import ApiError, AsyncShopClient, Order, Product, UnexpectedAnswer
from ombud.db.writer import Writer
from ombud.errors import ConfigurationError, NetworkError
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Box, Dead, Delivery, Done, Fault, Outcome, Retry
from ombud.mailbox.performer import wake_performer
from ombud.receiver.budget import Budget
from ombud.receiver.telling import Look, Teller, known_of, sql

# Seconds to wait when the shop does not know an object (yet): its API may lag behind, or the webhook is forged.
UNCONFIRMED_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3_600.0)
# Seconds between two looks that find nothing, before a product counts as deleted.
ABSENCE_GAP_SECONDS = 30.0
# Seconds for one look, queueing for the budget left out; the client bounds each single wait as well.
READ_SECONDS = 30.0

Clients = Callable[[Mapping[str, Any]], AsyncShopClient]


class Reader:
    """Performs arrivals. `clients` gives the API client for the facts of a reader's lane."""

    def __init__(
        self, arrivals: Mailbox, writer: Writer, teller: Teller, clients: Clients, budget: Budget, gap_seconds: float
    ) -> None:
        self._arrivals = arrivals
        self._writer = writer
        self._teller = teller
        self._clients = clients
        self._budget = budget
        self._gap_seconds = gap_seconds

    async def perform(self, delivery: Delivery, facts: Mapping[str, Any]) -> Outcome:
        """Read, and return what to write with the settle; failures of the API speak against the shop's lane."""
        try:
            client = self._clients(facts)
            await self._budget.take(delivery.shop_id)
            async with asyncio.timeout(READ_SECONDS):
                kind, _, object_id = delivery.subject.partition("/")
                read = self._order if kind == "order" else self._product
                return await read(delivery, client, object_id)
        except ApiError as error:
            return Retry(str(error), after=error.retry_after_seconds, fault=Fault.LANE, status=error.status)
        except (ConfigurationError, NetworkError, UnexpectedAnswer) as error:
            return Retry(str(error), fault=Fault.LANE)
        except TimeoutError:
            return Retry(f"The shop's API did not answer within {READ_SECONDS:g} seconds.", fault=Fault.LANE)

    async def _order(self, delivery: Delivery, client: AsyncShopClient, order_id: str) -> Outcome:
        look, order = await self._look(delivery, client.order, order_id)
        if order is None:
            return _unconfirmed(delivery, "The shop does not know this order")
        if order.status is None:
            return Dead(f"The order is in a state that is not known here: {order.status_text!r}.", status=200)
        found = Look(delivery, look.started_at, look.milliseconds, order.raw, order.status)
        return Done(status=200, also=lambda: self._teller.record(found), then=self._ring)

    async def _product(self, delivery: Delivery, client: AsyncShopClient, product_id: str) -> Outcome:
        look, product = await self._look(delivery, client.product, product_id)
        if product is not None:
            found = Look(delivery, look.started_at, look.milliseconds, product.raw)
            return Done(status=200, also=lambda: self._teller.record(found), then=self._ring)
        known = await self._known(delivery)
        if known.version is None:
            if delivery.type == "product.delete":
                return Done(status=404, reason="A product that was never seen here is gone; there is nothing to tell.")
            return _unconfirmed(delivery, "The shop does not know this product")
        return await self._absent(look, known.absent_at, client)

    async def _absent(self, look: Look, absent_at: int | None, client: AsyncShopClient) -> Outcome:
        """Prove an absence: two looks some time apart, and a control that the key still reads this shop."""
        gap = round(self._gap_seconds * 1_000_000)
        if absent_at is None or look.started_at - absent_at < gap:
            key = {"shop_id": look.delivery.shop_id, "subject": look.delivery.subject, "now": look.started_at}
            await self._writer.write(lambda: _step("suspect_absent", key))
            return Retry("Not found; a second look will prove it.", after=self._gap_seconds, status=404)
        await client.product_count()
        return Done(status=404, reason="The product is gone.", also=lambda: self._teller.record(look), then=self._ring)

    def _ring(self) -> None:
        """Wake whoever calls handlers, in whatever process that is."""
        wake_performer(self._writer.database, Box.CHANGES)

    async def _known(self, delivery: Delivery) -> Any:
        return await asyncio.to_thread(self._writer.database.read, lambda: known_of(delivery.shop_id, delivery.subject))

    async def _look(
        self, delivery: Delivery, read: Callable[[str], Awaitable[Order | Product | None]], object_id: str
    ) -> tuple[Look, Any]:
        started_at, began = self._arrivals.clock(), time.monotonic()
        found = await read(object_id)
        return Look(delivery, started_at, round((time.monotonic() - began) * 1000), None), found


def _unconfirmed(delivery: Delivery, words: str) -> Outcome:
    if delivery.attempts < len(UNCONFIRMED_SECONDS):
        return Retry(f"{words} (yet).", after=UNCONFIRMED_SECONDS[delivery.attempts], status=404)
    return Dead(f"Unconfirmed: {words.lower()}. The webhook may be forged.", status=404)


def _step(name: str, values: Mapping[str, Any]) -> Any:
    yield sql[name], values
