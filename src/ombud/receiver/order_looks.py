"""What a look at an order means: its state decides which events are due, the webhook is only a hint."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ombud.client import AsyncShopClient, Order, OrderStatus
from ombud.db.operation import Operation
from ombud.mailbox.model import Dead, Delivery, Done, Outcome, Retry
from ombud.receiver.coverage import PROGRESS, SECOND, Past, steps_back
from ombud.receiver.ledger import ORDER_EVENTS
from ombud.receiver.listed import ORDER_RECONCILE
from ombud.receiver.looks import Looks
from ombud.receiver.telling import Known, Look, sql, whole_second

HELD = "held: this order is older than this inbox; the list of changed orders will say whether this has happened since"
# Of the pause before a second look: by how much it may come early, as a timer may.
EARLY = 0.1


class OrderLooks:
    """Performs arrivals about orders."""

    def __init__(self, looks: Looks, ask: Callable[[], None]) -> None:
        """`ask`: have the list of changed orders read soon."""
        self._looks = looks
        self._ask = ask
        settle = looks.settings.settle_seconds
        self._doubt_seconds = settle[0] if settle else 0.0

    async def perform(self, delivery: Delivery, client: AsyncShopClient, order_id: str) -> Outcome:
        """Look, and return what to write with the settle; raises what the client raises."""
        past, known = await self._looks.past_of(delivery)
        look, order = await self._looks.look(delivery, client.order, order_id)
        if order is None:
            return self._looks.unconfirmed(delivery, past, "The shop does not know this order", status=404)
        if order.status is None:
            return Dead(f"The order is in a state that is not known here: {order.status_text!r}.", status=200)
        return await self._judge(_found(look, order, order.status), order, past, known)

    async def _judge(self, look: Look, order: Order, past: Past, known: Known) -> Outcome:
        delivery, status = look.delivery, look.order_status
        assert status is not None
        if self._doubtful(look, status, known):
            await self._looks.write(lambda: _doubt(look))
            words = f"The shop says that this order is {status.word} again; a second look will prove it."
            return Retry(words, after=self._doubt_seconds, status=200)
        if self._held(order, status, known, delivery):
            self._ask()
            return Done(status=200, reason=HELD)
        found = self._looks.record(look)
        if delivery.type == ORDER_RECONCILE or status in ORDER_EVENTS[delivery.type]:
            return Done(status=200, also=found)
        if status is OrderStatus.CANCELLED:
            # It is past everything: what the webhook says was so once, and nobody is to act on it any more.
            return Done(status=200, reason="superseded: the order is cancelled", also=found)
        await self._looks.write(found)
        return self._looks.unconfirmed(delivery, past, f"The shop says that this order is {status.word}", status=200)

    def _held(self, order: Order, status: OrderStatus, known: Known, delivery: Delivery) -> bool:
        """Whether nobody can say if an order from before its shop was known here came into this state since.

        The list of changed orders can: it is read soon, and what it shows is told then.
        """
        if not self._looks.settings.reconcile_seconds or delivery.type == ORDER_RECONCILE:
            return False
        begun = order.date_created if order.date_paid is None else order.date_paid
        if begun is None or known.status is not None or PROGRESS[status] < PROGRESS[OrderStatus.DONE]:
            return False
        return begun.timestamp() * SECOND < whole_second(known.installed_at)

    def _doubtful(self, look: Look, status: OrderStatus, known: Known) -> bool:
        """Whether it may be an old copy that says that something was taken back: for some seconds, or a second look.

        Believed at once it would open a new epoch, and the next look would tell the same transition again.
        """
        if not steps_back(known.order_status, status) or self._looks.own_pause(look.delivery) is None:
            return False
        gap = self._doubt_seconds * (1 - EARLY) * SECOND
        return bool(gap) and (known.doubted_at is None or look.started_at - known.doubted_at < gap)


def _found(look: Look, order: Order, status: OrderStatus) -> Look:
    return replace(look, order_status=status, paid_at=_microseconds(order.date_paid))


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * SECOND)


def _doubt(look: Look) -> Operation[None]:
    key = {"shop_id": look.delivery.shop_id, "subject": look.delivery.subject, "now": look.started_at}
    yield sql["doubt"], key
