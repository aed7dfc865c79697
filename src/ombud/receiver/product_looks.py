"""What a look at a product means: a new version, nothing new (yet), or an absence that has to be proved."""

from dataclasses import replace

from ombud.client import AsyncShopClient
from ombud.client.budget import Priority
from ombud.client.outlines import outlined_products
from ombud.client.reads import SHORTEST_PRODUCT_PAGE, products
from ombud.db.operation import Operation
from ombud.mailbox.model import Delivery, Done, Interrupted, Outcome, Retry, Skip
from ombud.receiver.coverage import SECOND, Past, answered_for
from ombud.receiver.findings import Known, Look, sql
from ombud.receiver.listed import PRODUCT_BACKFILL, PRODUCT_RECONCILE
from ombud.receiver.looks import Looks
from ombud.receiver.product_lists import ProductLists
from ombud.receiver.restless import Restless

ANOTHER_SHOP = "Not found, nor any other product that is known here: is this the API key of another shop?"
# What says nothing of a product but that a list has it, or lacks it.
LISTS = frozenset({PRODUCT_RECONCILE, PRODUCT_BACKFILL})


class ProductLooks:
    """Performs arrivals about products."""

    def __init__(self, looks: Looks, restless: Restless) -> None:
        self._looks = looks
        self._restless = restless
        self._lists = ProductLists(looks)
        self._settings = looks.settings

    async def perform(self, delivery: Delivery, client: AsyncShopClient) -> Outcome:
        """Look, and return what to write with the settle; raises what the client raises."""
        past, known = await self._looks.past_of(delivery)
        if self._looks.tells_every:
            # A look of its own tells of it for certain, however late it was stored.
            past = replace(past, reading_id=None)
        reason = answered_for(delivery, past, self._looks.clock(), self._settings.quiet_seconds[1])
        if reason is not None:
            return Skip(reason)
        if past.looks or delivery.type in LISTS:
            client = client.at(Priority.SETTLE if past.looks else Priority.SWEEP)
        sight = await self._lists.see(delivery, known, client)
        if isinstance(sight, Interrupted):
            return sight
        look = self._looks.of(delivery, sight)
        if look.document is None:
            return await self._missing(look, past, known, client)
        if look.version == known.version:
            return await self._unchanged(look, past)
        if known.version is not None:
            await self._restless.note(look)
        return Done(status=200, also=self._looks.record(look))

    async def _unchanged(self, look: Look, past: Past) -> Outcome:
        # That an old product is as it was is what a backfill expects.
        pause = None if look.delivery.type == PRODUCT_BACKFILL else self._looks.settle_after(look, past)
        if pause is None:
            return Done(status=200, reason="nothing is different", also=self._looks.record(look, last=True))
        await self._looks.write(self._looks.record(look))
        return Retry("Nothing is different (yet).", after=pause, status=200)

    async def _missing(self, look: Look, past: Past, known: Known, client: AsyncShopClient) -> Outcome:
        if known.version is not None:
            return await self._absent(look, known, client)
        if known.incarnation:
            return Skip("The product is gone, as was told before.", status=404)
        if look.delivery.type == "product.delete" and self._looks.tells_unknown:
            return await self._absent(look, known, client)
        if look.delivery.type in ("product.delete", *LISTS):
            return Done(status=404, reason="A product that was never seen here is gone; there is nothing to tell.")
        return self._looks.unconfirmed(look.delivery, past, "The shop does not know this product", status=404)

    async def _absent(self, look: Look, known: Known, client: AsyncShopClient) -> Outcome:
        """Prove an absence: two looks some time apart, and a control that the key reads this shop, and no other."""
        gap_seconds = self._settings.absence_gap_seconds
        if known.absent_at is None or look.started_at - known.absent_at < gap_seconds * SECOND:
            await self._looks.write(lambda: _suspect(look))
            return Retry("Not found; a second look will prove it.", after=gap_seconds, status=404)
        if not await self._reads_this_shop(look, client):
            return Retry(ANOTHER_SHOP, status=404)
        return Done(status=404, reason="The product is gone.", also=self._looks.record(look))

    async def _reads_this_shop(self, look: Look, client: AsyncShopClient) -> bool:
        """Whether a page of the list shows any other product that is known here, or none is left.

        A key of another shop reads as well as the right one, and misses everything.
        """
        page = await client.send(outlined_products(products(include_details=False, limit=SHORTEST_PRODUCT_PAGE)).page())
        shown = {f"product/{one.id}" for one in page}
        if not shown:
            return await client.product_count() == 0
        return await self._looks.knows_any(look.delivery.shop_id, shown - {look.delivery.subject})


def _suspect(look: Look) -> Operation[None]:
    key = {"shop_id": look.delivery.shop_id, "subject": look.delivery.subject, "now": look.started_at}
    yield sql["suspect_absent"], key
