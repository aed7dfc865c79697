"""Tells what happened before a shop was known here, since a time that somebody names: once, and only when asked.

It goes the way of every find: the shop's lists say which orders and products, the reader looks at each, and the ledger
knows what a handler was told already. So it may be cut off anywhere and begin anew.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from ombud.client import AsyncShopClient, OrderStatus, reads
from ombud.client.budget import Priority
from ombud.client.outlines import OrderOutline, ProductOutline, outlined_orders, outlined_products
from ombud.clock import microseconds_of, utc
from ombud.errors import OmbudError
from ombud.receiver.baseline import Baselines
from ombud.receiver.clients import Clients
from ombud.receiver.listed import ORDER_BACKFILL, ORDERS_PAGE, PRODUCT_BACKFILL, batches, find
from ombud.receiver.shops import Shop, list_shops
from ombud.receiver.sweeps import claim_once, finish, give_up, swept_at

if TYPE_CHECKING:
    from ombud.receiver.receiver import Receiver

# Seconds between two looks at whether a shop is left: one that was paused, or whose API did not answer.
LOOK_SECONDS = 5.0

log = logging.getLogger("ombud.receiver")


class _Has(Protocol):
    @property
    def id(self) -> str: ...


class Backfill:
    """The past of every shop since one time. For one event loop."""

    def __init__(self, receiver: "Receiver", clients: Clients, baselines: Baselines, since: datetime) -> None:
        self._arrivals = receiver.arrivals
        self._writer = receiver.writer
        self._clock = receiver.arrivals.clock
        self._clients = clients
        self._baselines = baselines
        self._since = since
        self._kind = f"backfill since {since.isoformat()}"

    async def run(self) -> None:
        """Go through every shop once; one whose lists cannot be read is tried again."""
        left = {shop.id for shop in await self._writer.database.fetch(list_shops)}
        while left:
            for shop in await self._writer.database.fetch(list_shops):
                if shop.id in left and shop.paused_at is None and await self._try(shop):
                    left.discard(shop.id)
            if left:
                await asyncio.sleep(LOOK_SECONDS)

    async def _try(self, shop: Shop) -> bool:
        """Go through a shop, unless another process does; returns whether it is done."""
        done_at = await self._writer.database.fetch(lambda: swept_at(shop.id, self._kind))
        if done_at is not None:
            log.warning(
                "the past of shop %s was gone through at %s: leave --backfill out, or name another time",
                shop.name,
                utc(done_at).isoformat(timespec="seconds"),
            )
            return True
        now = self._clock()
        claim = await self._writer.write(lambda: claim_once(shop.id, self._kind, now))
        if claim is None:
            return False
        try:
            orders, products = await self._go_through(shop)
        except OmbudError as error:
            log.warning("the past of shop %s cannot be read yet: %s", shop.name, error)
            await self._writer.write(lambda: give_up(claim, self._clock()))
            return False
        await self._writer.write(lambda: finish(claim, now))
        log.warning(
            "since %s shop %s has changed %d orders and %d products: handlers are told what they were not told yet",
            self._since.isoformat(),
            shop.name,
            orders,
            products,
        )
        return True

    async def _go_through(self, shop: Shop) -> tuple[int, int]:
        await self._baselines.take(shop)
        client = self._clients(shop).at(Priority.SWEEP)
        return await self._orders(client, shop), await self._products(client, shop)

    async def _orders(self, client: AsyncShopClient, shop: Shop) -> int:
        count = 0
        listed = reads.changed_orders(self._since, overlap_seconds=0, include_details=False, limit=ORDERS_PAGE)
        async for some in batches(client.walk(outlined_orders(listed))):
            count += await self._find(shop, ORDER_BACKFILL, [one for one in some if _is_to_tell(one)])
        return count

    async def _products(self, client: AsyncShopClient, shop: Shop) -> int:
        count = 0
        async for some in batches(client.walk(outlined_products(reads.products()))):
            count += await self._find(shop, PRODUCT_BACKFILL, [one for one in some if self._is_new(one)])
        return count

    def _is_new(self, product: ProductOutline) -> bool:
        """Whether it may have come, or changed, since then; the vendor says only when it was changed last."""
        return product.date_modified is None or product.date_modified >= self._since

    async def _find(self, shop: Shop, kind: str, things: Sequence[_Has]) -> int:
        subjects = [f"{kind.partition('.')[0]}/{one.id}" for one in things]
        since = str(microseconds_of(self._since))
        await self._writer.write(lambda: find(self._arrivals, shop, kind, subjects, data=since))
        return len(subjects)


def _is_to_tell(order: OrderOutline) -> bool:
    return order.status not in (None, OrderStatus.UNPAID)
