"""A shop's first look: products that exist already are known, so that only what happens from now on is told."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ombud.client import AsyncShopClient
from ombud.client.budget import Priority
from ombud.client.outlines import ProductOutline, outlined_products
from ombud.client.reads import products
from ombud.db.database import Writer
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.errors import OmbudError
from ombud.mailbox.mailbox import Clock
from ombud.receiver.clients import Clients
from ombud.receiver.documents import Document, read_document
from ombud.receiver.listed import batches
from ombud.receiver.shops import Shop, list_shops

sql = read_queries("ombud.receiver")

log = logging.getLogger("ombud.receiver")


class Baselines:
    """Sees to it that every shop has had its first look. Orders need none: their events fire on the state that is read.

    For the one process that reads.
    """

    def __init__(self, writer: Writer, clients: Clients, clock: Clock, volatile: Sequence[str] = ()) -> None:
        """`volatile`: fields of products by which none is another (`lasting`)."""
        self._writer = writer
        self._clients = clients
        self._clock = clock
        self._volatile = volatile
        self._looking: dict[int, asyncio.Lock] = {}
        self._taken: set[int] = set()

    async def take_all(self) -> None:
        """Try once for each shop that has none. One whose API does not answer has its own when a product is read."""
        for shop in await self._writer.database.fetch(list_shops):
            if shop.paused_at is not None:
                continue
            try:
                await self.take(shop)
            except OmbudError as error:
                log.warning("the products of shop %s cannot be read yet: %s", shop.name, error)

    def is_being_taken(self, shop: Shop) -> bool:
        """Whether somebody reads the products of a shop for the first time just now."""
        looking = self._looking.get(shop.id)
        return looking is not None and looking.locked()

    async def take(self, shop: Shop) -> None:
        """Read every product of a shop, unless that was done; raises what its client raises."""
        async with self._looking.setdefault(shop.id, asyncio.Lock()):
            if shop.baseline_at is None and shop.id not in self._taken:
                await self._read_products(self._clients(shop).at(Priority.BASELINE), shop.id)
                self._taken.add(shop.id)

    async def _read_products(self, client: AsyncShopClient, shop_id: int) -> None:
        async for some in batches(client.walk(outlined_products(products()))):
            await self._put(shop_id, some)
        await self._writer.write(lambda: _finish(shop_id, self._clock()))

    def _documents(self, listed: Sequence[ProductOutline]) -> list[tuple[str, Document]]:
        return [(one.id, read_document(one.raw, self._volatile)) for one in listed]

    async def _put(self, shop_id: int, listed: Sequence[ProductOutline]) -> None:
        documents = await asyncio.to_thread(self._documents, listed)
        now = self._clock()
        rows = [
            {"shop_id": shop_id, "subject": f"product/{id_}", "version": one.version, "body": one.body, "now": now}
            for id_, one in documents
        ]
        await self._writer.write(lambda: _put(rows))


def _put(rows: Sequence[Mapping[str, Any]]) -> Operation[None]:
    yield sql["insert_document"], rows
    yield sql["put_baseline"], rows


def _finish(shop_id: int, now: int) -> Operation[None]:
    yield sql["set_baseline"], {"id": shop_id, "now": now}
