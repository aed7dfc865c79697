"""The first start: products that exist already are known, so that only what happens from now on is told."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from ombud.client import AsyncShopClient, Product
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.db.writer import Writer
from ombud.errors import OmbudError
from ombud.mailbox.mailbox import Clock
from ombud.receiver.documents import pack, version_of
from ombud.receiver.shops import Shop, list_shops

sql = read_queries("ombud.receiver")

# Products written in one transaction.
BATCH = 250
# Seconds until a shop whose API did not answer is tried again.
AGAIN_SECONDS = 30.0

log = logging.getLogger("ombud.receiver")


class Baselines:
    """Sees to it that every shop has had its first look."""

    def __init__(self, writer: Writer, clients: Callable[[Mapping[str, Any]], AsyncShopClient], clock: Clock) -> None:
        self._writer = writer
        self._clients = clients
        self._clock = clock

    async def take_missing(self) -> bool:
        """Try once for each shop that has none; returns whether none is missing now."""
        complete = True
        for shop in self._writer.database.read(list_shops):
            if shop.baseline_at is None:
                complete &= await self._take(shop)
        return complete

    async def keep_trying(self) -> None:
        """Try again until none is missing; to be cancelled."""
        await asyncio.sleep(AGAIN_SECONDS)
        if not await self.take_missing():
            await self.keep_trying()

    async def _take(self, shop: Shop) -> bool:
        try:
            client = self._clients({"shop_id": shop.id, "name": shop.name, "api_key_file": shop.api_key_file})
            await self._read_products(client, shop.id)
        except OmbudError as error:
            log.warning("the products of shop %s cannot be read yet: %s", shop.name, error)
            return False
        return True

    async def _read_products(self, client: AsyncShopClient, shop_id: int) -> None:
        """Read every product once. Orders need no baseline: their events fire on the state that is read."""
        batch: list[Product] = []
        async for product in client.products():
            batch.append(product)
            if len(batch) >= BATCH:
                await _write(self._writer, shop_id, batch, self._clock())
                batch = []
        await _write(self._writer, shop_id, batch, self._clock())
        await self._writer.write(lambda: _finish(shop_id, self._clock()))


async def _write(writer: Writer, shop_id: int, products: list[Product], now: int) -> None:
    await writer.write(lambda: _put(shop_id, products, now))


def _put(shop_id: int, products: list[Product], now: int) -> Operation[None]:
    versions = [version_of(product.raw) for product in products]
    pairs = list(zip(products, versions, strict=True))
    yield (
        sql["insert_document"],
        [{"shop_id": shop_id, "version": version, "body": pack(product.raw), "now": now} for product, version in pairs],
    )
    yield (
        sql["put_baseline"],
        [{"shop_id": shop_id, "subject": f"product/{product.id}", "version": version} for product, version in pairs],
    )


def _finish(shop_id: int, now: int) -> Operation[None]:
    yield sql["set_baseline"], {"id": shop_id, "now": now}
