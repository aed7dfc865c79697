"""Finds what no webhook has told: compares the shop's lists with what is known, and has the reader look at the rest.

What it finds goes the way of every arrival, as one that says `order.reconcile` or `product.reconcile`: so there is one
proof and one ledger, and what a late webhook says after all is told once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ombud.client import AsyncShopClient, OrderStatus, reads
from ombud.client.budget import Priority
from ombud.client.outlines import OrderOutline, ProductOutline, outlined_orders, outlined_products
from ombud.clock import utc
from ombud.db.operation import Operation
from ombud.errors import OmbudError
from ombud.receiver.baseline import Baselines
from ombud.receiver.clients import Clients
from ombud.receiver.documents import version_of
from ombud.receiver.listed import (
    ORDERS_PAGE,
    Listed,
    batches,
    note_missing,
    note_open_orders,
    note_orders,
    note_products,
)
from ombud.receiver.marks import tracking_of
from ombud.receiver.options import HandlerFacts
from ombud.receiver.shops import Shop, list_shops
from ombud.receiver.sweeps import CHECK_SECONDS, Claim, Sweep, any_due, claim_due, finish, give_up

if TYPE_CHECKING:
    from ombud.receiver.receiver import Receiver

# Seconds between two looks at whether something is due.
LOOK_SECONDS = 5.0
# Seconds back to which the daily check of orders reaches: longer than any sender tries.
RECENT_SECONDS = 35 * 86_400.0
# Orders in one request with details, of which each has kilobytes.
TRACKED_PAGE = 100

log = logging.getLogger("ombud.receiver")


class Reconciler:
    """Reads the lists of every shop from time to time. For one event loop."""

    def __init__(
        self, receiver: "Receiver", clients: Clients, baselines: Baselines, handlers: Sequence[HandlerFacts]
    ) -> None:
        self._arrivals = receiver.arrivals
        self._writer = receiver.writer
        self._clock = receiver.arrivals.clock
        self._clients = clients
        self._baselines = baselines
        # Whether anybody wants to hear of tracking that comes, or changes, when an order is done already.
        self._tracks = any(handler.watch_tracking for handler in handlers)
        self._asked = asyncio.Event()
        self._volatile = receiver.settings.volatile_fields
        self._pauses = pauses_of(receiver.settings.reconcile_seconds)

    def ask(self) -> None:
        """Have the changed orders read soon: an arrival waits for what only that list can say."""
        self._asked.set()

    async def run(self) -> None:
        """Read what is due, for ever; nothing at all where that is switched off."""
        while self._pauses:
            await self.sweep(self._pauses)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._asked.wait()
            if self._asked.is_set():
                self._asked.clear()
                await self.sweep({Sweep.ORDERS: LOOK_SECONDS})

    async def sweep(self, pauses: Mapping[Sweep, float]) -> None:
        """Read the lists that were last read longer ago than so (seconds), of every shop that is not paused."""
        shops = {one.id: one for one in await self._writer.database.fetch(list_shops) if one.paused_at is None}
        now, ids = self._clock(), sorted(shops)
        if await self._writer.database.fetch(lambda: any_due(ids, pauses, now)):
            for claim in await self._writer.write(lambda: claim_due(ids, pauses, now)):
                await self._try(claim, shops[claim.shop_id])

    async def _try(self, claim: Claim, shop: Shop) -> None:
        started_at = self._clock()
        try:
            client = self._clients(shop).at(Priority.SWEEP)
            if claim.kind == Sweep.PRODUCTS:
                await self._products(client, shop)
            else:
                await self._orders(client, shop, claim, utc(started_at))
        except OmbudError as error:
            log.warning("the %s of shop %s cannot be compared yet: %s", claim.kind, shop.name, error)
            await self._writer.write(lambda: give_up(claim, self._clock()))
        else:
            await self._writer.write(lambda: finish(claim, started_at))

    async def _orders(self, client: AsyncShopClient, shop: Shop, claim: Claim, now: datetime) -> None:
        installed = utc(claim.created_at)
        if claim.kind == Sweep.RECENT_ORDERS:
            since = max(installed, now - timedelta(seconds=RECENT_SECONDS))
        elif claim.swept_at is None:
            # The watermark: what was paid before it is known. Those that may still go on are remembered, none is told.
            # The bound is given in seconds, rounded up.
            until = installed - timedelta(seconds=2)
            paid = reads.orders(status="paid", to_date_paid=until, include_details=False, limit=ORDERS_PAGE)
            async for orders in batches(client.walk(outlined_orders(paid))):
                await self._write(lambda rows: note_open_orders(shop, rows), _listed_orders(orders))
            since = installed
        else:
            since = max(installed, utc(claim.swept_at) - timedelta(seconds=reads.OVERLAP_SECONDS))
        tracks = self._tracks and claim.kind == Sweep.RECENT_ORDERS
        limit = TRACKED_PAGE if tracks else ORDERS_PAGE
        changed = reads.changed_orders(since, overlap_seconds=0, include_details=tracks, limit=limit)
        async for orders in batches(client.walk(outlined_orders(changed))):
            listed = _listed_orders(orders, tracks=tracks)
            await self._write(lambda rows: note_orders(self._arrivals, shop, rows), listed)

    async def _products(self, client: AsyncShopClient, shop: Shop) -> None:
        await self._baselines.take(shop)
        seen: set[str] = set()
        async for products in batches(client.walk(outlined_products(reads.products()))):
            listed = await asyncio.to_thread(self._listed_products, products)
            seen.update(one.subject for one in listed)
            await self._write(lambda rows: note_products(self._arrivals, shop, rows), listed)
        await self._writer.write(lambda: note_missing(self._arrivals, shop, frozenset(seen)))

    def _listed_products(self, products: Sequence[ProductOutline]) -> list[Listed]:
        return [Listed(f"product/{one.id}", version=version_of(one.raw, self._volatile)) for one in products]

    async def _write(self, note: Callable[[Sequence[Listed]], Operation[None]], listed: Sequence[Listed]) -> None:
        await self._writer.write(lambda: note(listed))


def pauses_of(seconds: Sequence[float]) -> Mapping[Sweep, float]:
    """Return after how many seconds each list is read again; nothing when the setting is empty."""
    if not seconds:
        return {}
    orders, products = seconds
    return {Sweep.ORDERS: orders, Sweep.RECENT_ORDERS: CHECK_SECONDS, Sweep.PRODUCTS: products}


def _listed_orders(orders: Sequence[OrderOutline], *, tracks: bool = False) -> list[Listed]:
    """Leave out what is in a state that is not known here: a look could make nothing of it."""
    return [
        Listed(
            f"order/{one.id}",
            status=int(one.status),
            tracking=tracking_of(one.raw) if tracks and one.status is OrderStatus.DONE else None,
        )
        for one in orders
        if one.status is not None
    ]
