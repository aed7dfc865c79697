"""Stage one: read the subject of an arrival once, with our own key. That answer is the proof, the webhook a hint."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from ombud.client import ApiError, AsyncShopClient, Order, OrderStatus, Product, UnexpectedAnswer
from ombud.client.budget import Priority
from ombud.db.operation import Operation
from ombud.errors import ConfigurationError, NetworkError
from ombud.mailbox.model import Dead, Delivery, Done, Fault, Outcome, Retry, Skip
from ombud.receiver.baseline import Baselines
from ombud.receiver.clients import Clients
from ombud.receiver.documents import read_document
from ombud.receiver.ledger import ORDER_EVENTS
from ombud.receiver.shops import read_shop
from ombud.receiver.telling import Known, Look, Teller, known_of, sql

if TYPE_CHECKING:
    from ombud.receiver.receiver import Receiver

T = TypeVar("T", Order, Product)

# Seconds to wait when the shop does not say (yet) what a webhook says: its API lags behind, or the webhook is forged.
UNCONFIRMED_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3_600.0)
# Seconds for one look beyond the wait for a turn; the client bounds each single wait as well.
READ_SECONDS = 30.0


class Reader:
    """Performs arrivals."""

    def __init__(self, receiver: "Receiver", teller: Teller, clients: Clients, baselines: Baselines) -> None:
        settings = receiver.settings
        self._writer = receiver.writer
        self._teller = teller
        self._clients = clients
        self._baselines = baselines
        self._clock = receiver.arrivals.clock
        self._gap_seconds = settings.absence_gap_seconds
        self._retry_seconds = settings.retry_seconds
        self._patience_seconds = receiver.patience_seconds

    async def perform(self, delivery: Delivery, facts: Mapping[str, Any]) -> Outcome:
        """Read, and return what to write with the settle; failures of the API speak against the shop's lane."""
        try:
            shop = read_shop(facts)
            client = self._clients(shop)
            kind, _, object_id = delivery.subject.partition("/")
            if kind == "product":
                await self._baselines.take(shop)
            async with asyncio.timeout(self._patience_seconds + READ_SECONDS):
                if kind == "order":
                    return await self._order(delivery, client.at(Priority.CONFIRM_ORDER), object_id)
                return await self._product(delivery, client.at(Priority.CONFIRM_PRODUCT), object_id)
        except ApiError as error:
            return Retry(str(error), after=self._pause(delivery, error), fault=Fault.LANE, status=error.status)
        except (ConfigurationError, NetworkError, UnexpectedAnswer) as error:
            return Retry(str(error), fault=Fault.LANE)
        except TimeoutError:
            return Retry(f"The shop's API did not answer within {READ_SECONDS:g} seconds.", fault=Fault.LANE)

    async def _order(self, delivery: Delivery, client: AsyncShopClient, order_id: str) -> Outcome:
        look, order = await self._look(delivery, client.order, order_id)
        if order is None:
            return self._unconfirmed(delivery, "The shop does not know this order", status=404)
        if order.status is None:
            return Dead(f"The order is in a state that is not known here: {order.status_text!r}.", status=200)
        found = replace(look, order_status=order.status, paid_at=_microseconds(order.date_paid))
        # A cancelled order is past everything; any other state than the one that was said may be an old one.
        if order.status in ORDER_EVENTS[delivery.type] or order.status is OrderStatus.CANCELLED:
            return Done(status=200, also=lambda: self._teller.record(found))
        await self._writer.write(lambda: self._teller.record(found))
        return self._unconfirmed(delivery, f"The shop says that this order is {order.status.word}", status=200)

    async def _product(self, delivery: Delivery, client: AsyncShopClient, product_id: str) -> Outcome:
        look, product = await self._look(delivery, client.product, product_id)
        if product is not None:
            return Done(status=200, also=lambda: self._teller.record(look))
        known = await self._writer.database.fetch(lambda: known_of(delivery.shop_id, delivery.subject))
        if known.version is not None:
            return await self._absent(look, known, client)
        if known.incarnation:
            return Skip("The product is gone, as was told before.", status=404)
        if delivery.type == "product.delete":
            return Done(status=404, reason="A product that was never seen here is gone; there is nothing to tell.")
        return self._unconfirmed(delivery, "The shop does not know this product", status=404)

    async def _absent(self, look: Look, known: Known, client: AsyncShopClient) -> Outcome:
        """Prove an absence: two looks some time apart, and a control that the key still reads this shop."""
        if known.absent_at is None or look.started_at - known.absent_at < self._gap_seconds * 1_000_000:
            await self._writer.write(lambda: _suspect(look))
            return Retry("Not found; a second look will prove it.", after=self._gap_seconds, status=404)
        await client.product_count()
        return Done(status=404, reason="The product is gone.", also=lambda: self._teller.record(look))

    async def _look(
        self, delivery: Delivery, read: Callable[[str], Awaitable[T | None]], object_id: str
    ) -> tuple[Look, T | None]:
        started_at, began = self._clock(), time.monotonic()
        found = await read(object_id)
        milliseconds = round((time.monotonic() - began) * 1000)
        # Here, where a hostile document is only this arrival's trouble, and no transaction waits for it.
        document = None if found is None else read_document(found.raw)
        return Look(delivery, started_at, milliseconds, document), found

    def _pause(self, delivery: Delivery, error: ApiError) -> float | None:
        """Return the pause that the API asks for, if it is longer than ours: short ones would use up every try."""
        asked, ours = error.retry_after_seconds, _at(self._retry_seconds, delivery.attempts)
        return asked if asked is not None and ours is not None and asked > ours else None

    def _unconfirmed(self, delivery: Delivery, words: str, *, status: int) -> Outcome:
        pauses = _at(UNCONFIRMED_SECONDS, delivery.attempts), _at(self._retry_seconds, delivery.attempts)
        if pauses[0] is None or pauses[1] is None:
            return Dead(f"Unconfirmed: {words[0].lower()}{words[1:]}. The webhook may be forged.", status=status)
        return Retry(f"{words} (yet).", after=min(pauses[0], pauses[1]), status=status)


def _at(seconds: Sequence[float], attempts: int) -> float | None:
    return seconds[attempts] if attempts < len(seconds) else None


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1_000_000)


def _suspect(look: Look) -> Operation[None]:
    key = {"shop_id": look.delivery.shop_id, "subject": look.delivery.subject, "now": look.started_at}
    yield sql["suspect_absent"], key
