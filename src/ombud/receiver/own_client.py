"""A client of a shop's API whose writes to products are expected by the inbox."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from ombud.client import AsyncShopClient
from ombud.client.answer import Answer
from ombud.client.call import Call
from ombud.client.exchange import Wait
from ombud.errors import ConfigurationError
from ombud.receiver.clients import read_key
from ombud.receiver.own_writes import expect, own_writes_of
from ombud.receiver.shops import Shop, list_shops

if TYPE_CHECKING:
    from ombud.receiver.receiver import Receiver


class OwnClient(AsyncShopClient):
    """Says to the inbox what it is about to write. It shares the budget of the key with the inbox's reads."""

    def __init__(self, receiver: "Receiver", shop: Shop, silent: Collection[str]) -> None:
        key = read_key(shop, receiver.settings)
        super().__init__(key, receiver.settings.api_url, budget=receiver.budget_of(key, shop))
        self._receiver = receiver
        self._shop = shop
        self._silent = silent

    async def _do(self, step: Wait | Call[Any]) -> Answer | None:
        if isinstance(step, Call) and step.method == "PUT" and step.path == "/products" and step.body is not None:
            writes, arrivals, shop_id = own_writes_of(step.body), self._receiver.arrivals, self._shop.id
            await self._receiver.writer.write(lambda: expect(arrivals, shop_id, writes, self._silent))
        return await super()._do(step)


def own_client(receiver: "Receiver", name: str | None, silent: Collection[str]) -> OwnClient:
    """Return a client for a shop of the inbox, the only one if none is named; raises ConfigurationError."""
    shops = {shop.name: shop for shop in receiver.database.read(list_shops)}
    if name is None and len(shops) == 1:
        return OwnClient(receiver, next(iter(shops.values())), silent)
    if name is None or name not in shops:
        wanted = "The inbox has several shops" if name is None else f"The inbox has no shop {name!r}"
        raise ConfigurationError(f"{wanted}. Name one of: {', '.join(sorted(shops)) or 'none yet'}.")
    return OwnClient(receiver, shops[name], silent)
