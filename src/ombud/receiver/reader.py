"""Stage one: read the subject of an arrival once, with our own key. That answer is the proof, the webhook a hint."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ombud.client import ApiError, AsyncShopClient, UnexpectedAnswer
from ombud.client.budget import LONGEST_ASKED_PAUSE_SECONDS, Priority
from ombud.client.errors import ForeignAnswer
from ombud.errors import ConfigurationError, NetworkError
from ombud.mailbox.model import Delivery, Fault, Interrupted, Outcome, Retry
from ombud.receiver.arrival import UNKNOWN
from ombud.receiver.baseline import Baselines
from ombud.receiver.clients import Clients
from ombud.receiver.looks import Looks
from ombud.receiver.options import HandlerFacts
from ombud.receiver.order_looks import OrderLooks
from ombud.receiver.product_looks import ProductLooks
from ombud.receiver.restless import Restless
from ombud.receiver.settling import Settling
from ombud.receiver.shops import read_shop
from ombud.receiver.telling import Teller
from ombud.receiver.unconfirmed import Passer

if TYPE_CHECKING:
    from ombud.receiver.receiver import Receiver

# Seconds for one look beyond the wait for a turn; the client bounds each single wait as well.
READ_SECONDS = 30.0
# Seconds between two looks at whether the first look at a shop's products has ended.
FIRST_LOOK_SECONDS = 5.0
# Refusals that say something of the key or of the API, whatever it was asked for.
OF_THE_SHOP = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.PAYMENT_REQUIRED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)


def speaks_of_the_subject(error: ApiError | UnexpectedAnswer) -> bool:
    """Whether an answer speaks against one webhook, as only its subject cannot be read, and not against the API.

    Else a few ids that the API does not like, or things that nobody can read, would close the lane in which all orders
    of the shop wait. A refusal without the API's own words is that of something before it.
    """
    if isinstance(error, UnexpectedAnswer):
        return not isinstance(error, ForeignAnswer)
    refused = HTTPStatus.BAD_REQUEST <= error.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return refused and error.status not in OF_THE_SHOP and bool(error.text)


class Reader:
    """Performs arrivals."""

    def __init__(
        self,
        receiver: "Receiver",
        handlers: Sequence[HandlerFacts],
        clients: Clients,
        baselines: Baselines,
        ask: Callable[[], None],
    ) -> None:
        """`ask`: have the list of changed orders read soon."""
        by_name = {handler.name: handler for handler in handlers}
        volatile = receiver.settings.volatile_fields
        teller = Teller(receiver.changes, by_name, volatile)
        self._looks = Looks(receiver, teller)
        self._orders = OrderLooks(self._looks, ask)
        self._products = ProductLooks(self._looks, Restless(receiver.writer, volatile))
        self._settling = Settling()
        self._passer = Passer(receiver.changes, handlers)
        self._clients = clients
        self._baselines = baselines
        self._patience_seconds = receiver.patience_seconds
        self._wait_seconds = min(FIRST_LOOK_SECONDS, receiver.settings.absence_gap_seconds)

    async def perform(self, delivery: Delivery, facts: Mapping[str, Any]) -> Outcome:
        """Read, and return what to write with the settle; failures of the API speak against the shop's lane."""
        if delivery.type == UNKNOWN:
            return await self._passer.perform(delivery, facts)
        return await self._read(delivery, facts)

    async def _read(self, delivery: Delivery, facts: Mapping[str, Any]) -> Outcome:
        try:
            shop = read_shop(facts)
            client = self._clients(shop)
            if delivery.subject.startswith("product/"):
                if self._baselines.is_being_taken(shop):
                    # It would hold a place in which an order could be read.
                    return Interrupted("The shop's products are being looked at first.", after=self._wait_seconds)
                await self._baselines.take(shop)
            # What the last look has found decides how this one is judged.
            not_yet = await self._settling.after_the_last((shop.id, delivery.subject))
            if not_yet is not None:
                return not_yet
            async with asyncio.timeout(self._patience_seconds + READ_SECONDS):
                outcome = await self._look(delivery, client)
            return self._settling.ending((shop.id, delivery.subject), outcome)
        except ApiError as error:
            return Retry(str(error), after=self._pause(delivery, error), fault=Fault.LANE, status=error.status)
        except (ConfigurationError, NetworkError, UnexpectedAnswer) as error:
            return Retry(str(error), fault=Fault.LANE)
        except TimeoutError:
            return Retry(f"The shop's API did not answer within {READ_SECONDS:g} seconds.", fault=Fault.LANE)

    async def _look(self, delivery: Delivery, client: AsyncShopClient) -> Outcome:
        kind, _, object_id = delivery.subject.partition("/")
        try:
            if kind == "order":
                return await self._orders.perform(delivery, client.at(Priority.CONFIRM_ORDER), object_id)
            return await self._products.perform(delivery, client.at(Priority.CONFIRM_PRODUCT))
        except (ApiError, UnexpectedAnswer) as error:
            if not speaks_of_the_subject(error):
                raise
            return Retry(str(error), status=error.status if isinstance(error, ApiError) else None)

    def _pause(self, delivery: Delivery, error: ApiError) -> float | None:
        """Return the pause that the API asks for, if it is longer than ours: short ones would use up every try."""
        asked, ours = error.retry_after_seconds, self._looks.own_pause(delivery)
        if asked is None or ours is None or asked <= ours:
            return None
        # As the budget of the key has it: one look an hour.
        return min(asked, LONGEST_ASKED_PAUSE_SECONDS)
