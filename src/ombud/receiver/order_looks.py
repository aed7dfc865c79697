"""What a look at an order means: its state decides which events are due, the webhook is only a hint."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ombud.client import AsyncShopClient, Order, OrderStatus
from ombud.client.budget import Priority
from ombud.mailbox.model import Dead, Delivery, Done, Outcome, Retry
from ombud.receiver.coverage import SECOND, Past, may_be_old
from ombud.receiver.findings import Known, Look, whole_second
from ombud.receiver.ledger import ORDER_EVENTS
from ombud.receiver.listed import ORDER_BACKFILL, ORDER_RECONCILE
from ombud.receiver.looks import Looks

HELD = "held: this order is older than this inbox; the list of changed orders will say whether this has happened since"
# What says nothing of an order but that a list has it.
LISTS = frozenset({ORDER_RECONCILE, ORDER_BACKFILL})
# What an order from before may have been for long.
ENDED = frozenset({OrderStatus.DONE, OrderStatus.CANCELLED})


class OrderLooks:
    """Performs arrivals about orders."""

    def __init__(self, looks: Looks, ask: Callable[[], None]) -> None:
        """`ask`: have the list of changed orders read soon."""
        self._looks = looks
        self._ask = ask

    async def perform(self, delivery: Delivery, client: AsyncShopClient, order_id: str) -> Outcome:
        """Look, and return what to write with the settle; raises what the client raises."""
        past, known = await self._looks.past_of(delivery)
        if delivery.type == ORDER_BACKFILL:
            client = client.at(Priority.SWEEP)
        sight, order = await self._looks.see(client.order, order_id)
        look = self._looks.of(delivery, sight)
        if order is None:
            return self._looks.unconfirmed(delivery, past, "The shop does not know this order", status=404)
        if order.status is None:
            return Dead(f"The order is in a state that is not known here: {order.status_text!r}.", status=200)
        return await self._judge(_found(look, order, order.status), order, past, known)

    async def _judge(self, look: Look, order: Order, past: Past, known: Known) -> Outcome:
        delivery, status = look.delivery, look.order_status
        assert status is not None
        if self._may_be_old(look, known):
            words = f"The shop says that this order is {status.word}, and said something else just now."
            return Retry(words, after=self._looks.settings.settle_seconds[0], status=200)
        if self._held(order, status, known, delivery):
            self._ask()
            return Done(status=200, reason=HELD)
        found = self._looks.record(look)
        if delivery.type in LISTS or status in ORDER_EVENTS[delivery.type]:
            said = await self._looks.said_with(delivery)
            pause = None if all(status in ORDER_EVENTS[one] for one in said) else self._looks.settle_after(look, past)
            if pause is None:
                return Done(status=200, also=self._looks.record(look, last=True))
            await self._looks.write(found)
            return Retry("Not all that was said of this order is so (yet).", after=pause, status=200)
        if status is OrderStatus.CANCELLED:
            return await self._superseded(look, past)
        await self._looks.write(found)
        return self._looks.unconfirmed(delivery, past, f"The shop says that this order is {status.word}", status=200)

    async def _superseded(self, look: Look, past: Past) -> Outcome:
        """End what a cancelled order is past: it was so once, and nobody is to act on it any more.

        After some more looks: it may have been taken up again since, and the answers come from an old copy.
        """
        pause = self._looks.settle_after(look, past)
        if pause is None:
            return Done(status=200, reason="superseded: the order is cancelled", also=self._looks.record(look))
        await self._looks.write(self._looks.record(look))
        return Retry("The order is cancelled (still).", after=pause, status=200)

    def _held(self, order: Order, status: OrderStatus, known: Known, delivery: Delivery) -> bool:
        """Whether nobody can say if an order from before its shop was known here came into this state since.

        The list of changed orders can: it is read soon, and what it shows is told then.
        """
        if not self._looks.settings.reconcile_seconds or delivery.type in LISTS or delivery.generation:
            # In a later generation a person has let it go on.
            return False
        begun = order.date_created if order.date_paid is None else order.date_paid
        if begun is None or known.status is not None or status not in ENDED:
            return False
        return begun.timestamp() * SECOND < whole_second(known.begins_at)

    def _may_be_old(self, look: Look, known: Known) -> bool:
        if self._looks.own_pause(look.delivery) is None:
            return False
        since = None if known.looked_at is None else (look.started_at - known.looked_at) / SECOND
        changed = known.order_status is not look.order_status
        return may_be_old(changed, known.told, since, self._looks.settings.settle_seconds)


def _found(look: Look, order: Order, status: OrderStatus) -> Look:
    return replace(look, order_status=status, paid_at=_microseconds(order.date_paid))


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * SECOND)
