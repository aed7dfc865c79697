"""Products read a page at a time: when many wait to be looked at, the shop's list is read instead of each by itself.

A page answers for a webhook that was waiting, on record and quiet, when the page was asked for: which those are is read
before each page, so no clocks are compared. Of what is on no page it says nothing. That is looked at by itself, as is
whatever is looked at again, is said to be deleted, or is repeated by a person.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from ombud.client import AsyncShopClient, UnexpectedAnswer, read_product
from ombud.client.listing import Walk
from ombud.client.outlines import ProductOutline, outlined_products
from ombud.client.reads import products
from ombud.errors import OmbudError
from ombud.mailbox.model import Delivery, Interrupted
from ombud.receiver.documents import Document, read_document
from ombud.receiver.findings import Known, Sight
from ombud.receiver.looks import Looks

# Products that are read by themselves until it is counted again how many wait: that reads all that do.
COUNT_EVERY = 16
# Products for which the list is read: one after the other, fewer take half a minute at two requests a second.
MANY = 64
# Products in whose place one page may show none of them: a list costs a sixteenth more than it saves, and no more.
IN_VAIN = 16
# Deliveries of a shop among which they are looked for: what pages show of each stays in memory, compressed.
MOST_WAITING = 10_000
# Seconds that one waits for its page, and after which it comes back then: meanwhile its place is free for an order.
PLACE_SECONDS = 5.0
AGAIN_SECONDS = 1.0
# Seconds after the last page for which what pages have shown is kept: who has waited comes for it long before.
KEEP_SECONDS = 60.0

log = logging.getLogger("ombud.receiver")


class ProductLists:
    """Reads products for their arrivals. For one event loop: who works a shop's lane is the only one to read for it."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks
        self._shops: defaultdict[int, _Shop] = defaultdict(lambda: _Shop(COUNT_EVERY))

    async def see(self, delivery: Delivery, known: Known, client: AsyncShopClient) -> Sight | Interrupted:
        """Return what the shop says of an arrival's product now; raises what the client raises."""
        if not _may_be_listed(delivery):
            return await self._by_itself(delivery, client)
        shop, until = self._shops[delivery.shop_id], time.monotonic() + PLACE_SECONDS
        while (listed := shop.take(delivery, known)) is None and not shop.alone:
            if (seconds := until - time.monotonic()) <= 0:
                return Interrupted("The shop's list of products is being read.", after=AGAIN_SECONDS)
            if shop.page is None:
                await self._have_page(shop, delivery, client)
            else:
                await asyncio.wait([shop.page], timeout=seconds)
        shop.answered.add(delivery.event_id)
        if listed is not None:
            return listed
        shop.alone -= 1
        return await self._by_itself(delivery, client)

    async def _by_itself(self, delivery: Delivery, client: AsyncShopClient) -> Sight:
        sight, _ = await self._looks.see(client.product, delivery.subject.partition("/")[2])
        return sight

    async def _have_page(self, shop: "_Shop", delivery: Delivery, client: AsyncShopClient) -> None:
        """Have the next page read if there is a list to read; all who wait for one share it."""
        page = shop.page = asyncio.get_running_loop().create_future()
        shop.keep(None)
        try:
            await self._read_page(shop, delivery, client)
        finally:
            shop.page = None
            page.set_result(None)
            if shop.shown or shop.listing is not None:
                shop.keep(KEEP_SECONDS)

    async def _read_page(self, shop: "_Shop", delivery: Delivery, client: AsyncShopClient) -> None:
        waiting = await self._looks.unread_products(delivery, MOST_WAITING)
        missing = shop.missing(waiting)
        if shop.listing is None and len(missing) < MANY:
            shop.end(COUNT_EVERY)
            return
        listing = shop.listing = shop.listing or _Listing(self._looks)
        if listing.is_over(len(missing)):
            shop.leave_list()
            return
        try:
            sights = await listing.read(missing, client)
        except Exception as error:
            # Whatever is wrong with the list, each can be read by itself.
            log.warning(
                "%d products of shop %d are read one by one, as their list cannot be read: %s",
                len(missing),
                delivery.shop_id,
                error,
                exc_info=not isinstance(error, OmbudError),
            )
            shop.end(MANY)
            return
        shop.shown |= {subject: Shown(sight, waiting[subject]) for subject, sight in sights.items()}


class Shown(NamedTuple):
    """What a page has shown of a product, and the webhooks about it that waited when the page was asked for."""

    sight: Sight
    arrivals: set[int]


@dataclass
class _Shop:
    """What is in memory of a shop's list.

    `alone`: products to be read by themselves before it is counted how many wait. `answered`: arrivals that wait on
    record only until it says so. `page`: done when the page has come that is being read.
    """

    alone: int
    answered: set[int] = field(default_factory=set)
    page: asyncio.Future[None] | None = None
    listing: "_Listing | None" = None
    shown: dict[str, Shown] = field(default_factory=dict)
    _stay: asyncio.TimerHandle | None = None

    def take(self, delivery: Delivery, known: Known) -> Sight | None:
        """Return what a page has shown that answers for an arrival and is newer than the last look at its product."""
        shown = self.shown.get(delivery.subject)
        if shown is None or delivery.event_id not in shown.arrivals or shown.sight.started_at <= (known.looked_at or 0):
            return None
        return self.shown.pop(delivery.subject).sight

    def missing(self, waiting: Mapping[str, set[int]]) -> Collection[str]:
        """Return which of the products that wait are still to be read, and forget what nobody waits for."""
        self.answered &= set().union(*waiting.values())
        self.shown = {one: it for one, it in self.shown.items() if one in waiting and waiting[one] <= it.arrivals}
        return {one for one, ids in waiting.items() if one not in self.shown and self.answered.isdisjoint(ids)}

    def leave_list(self) -> None:
        """Read no further; what was read in vain is to be paid off."""
        if self.listing is not None:
            self.end(IN_VAIN * self.listing.in_vain)

    def end(self, alone: int) -> None:
        """Read no further; before the next list, so many are read by themselves at least."""
        self.listing, self.alone = None, max(COUNT_EVERY, alone)

    def keep(self, seconds: float | None) -> None:
        """Forget what pages have shown when nobody has asked for one for so long; None for not at all."""
        if self._stay is not None:
            self._stay.cancel()
        self._stay = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self._forget)

    def _forget(self) -> None:
        self.shown.clear()
        self.leave_list()


class _Listing:
    """One way through a shop's list. `in_vain`: pages lately that have shown nothing of what was missing."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks
        self._walk: Walk[ProductOutline] = Walk(outlined_products(products()))
        self._agrees: bool | None = None
        self.in_vain = 0

    def is_over(self, missing: int) -> bool:
        """Whether there is nothing more to read, or too little to be found, when so many are still missing."""
        return not missing or self._walk.call() is None or self._agrees is False or self.in_vain > missing // IN_VAIN

    async def read(self, missing: Collection[str], client: AsyncShopClient) -> Mapping[str, Sight]:
        """Read the next page; returns what it shows of the products that are missing. Raises what the client raises."""
        call = self._walk.call()
        assert call is not None
        started_at, milliseconds, page = await self._looks.timed(client.send(call))
        new, volatile = self._walk.take(page), self._looks.settings.volatile_fields
        wanted = [one for one in new if f"product/{one.id}" in missing]
        documents = await asyncio.to_thread(_documents, wanted, volatile)
        self.in_vain = max(0, self.in_vain + 1 - len(documents))
        sights = {one: Sight(started_at, milliseconds, document, listed=True) for one, document in documents.items()}
        if documents and not self._agrees:
            sights = await self._compared(sights, documents, client)
        return sights

    async def _compared(
        self, sights: Mapping[str, Sight], documents: Mapping[str, Document], client: AsyncShopClient
    ) -> dict[str, Sight]:
        """Read the fullest product by itself, too; returns that alone when the list shows it otherwise.

        The vendor does not say that a list has all that a product's own page has.
        """
        fullest = max(documents, key=lambda subject: len(documents[subject].body))
        own, _ = await self._looks.see(client.product, fullest.partition("/")[2])
        self._agrees = own.document is not None and own.document.version == documents[fullest].version
        return {**(sights if self._agrees else {}), fullest: own}


def _documents(listed: Sequence[ProductOutline], volatile: Sequence[str]) -> dict[str, Document]:
    """Return the documents of what can be read; the rest is read by itself, where somebody is told why it cannot be."""
    found = {}
    for one in listed:
        with suppress(UnexpectedAnswer):
            read_product(one.raw)
            found[f"product/{one.id}"] = read_document(one.raw, volatile)
    return found


def _may_be_listed(delivery: Delivery) -> bool:
    return not (delivery.attempts or delivery.generation or delivery.type == "product.delete")
