"""Clients of a shop's API whose writes are expected by the inbox: one for handlers that await, one for plain ones."""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ombud.client import AsyncShopClient, ShopClient
from ombud.client.answer import Answer
from ombud.client.budget import Budget
from ombud.client.call import Call
from ombud.client.exchange import Wait
from ombud.db.operation import Make
from ombud.errors import ConfigurationError, StorageUnavailable
from ombud.receiver.clients import read_key
from ombud.receiver.own_writes import OwnWrite, expect, own_creation_of, own_writes_of
from ombud.receiver.shops import Shop, list_shops

if TYPE_CHECKING:
    from ombud.receiver.receiver import Receiver

log = logging.getLogger("ombud.receiver")


class Own(NamedTuple):
    """Whose writes they are: of one shop, and not to be told to these handlers."""

    receiver: "Receiver"
    shop: Shop
    silent: Collection[str]

    @property
    def key(self) -> str:
        """The shop's API key; raises ConfigurationError."""
        return read_key(self.shop, self.receiver.settings)

    @property
    def budget(self) -> Budget:
        """The budget of the key, which is that of the inbox's reads."""
        return self.receiver.budget_of(self.key, self.shop)

    def expecting(self, step: Wait | Call[Any]) -> Make[None] | None:
        """Return what is to be committed before a step is done; None when it writes nothing that is expected."""
        return self._expect(own_writes_of(step) if isinstance(step, Call) else [])

    def created(self, step: Wait | Call[Any], answer: Answer | None) -> Make[None] | None:
        """Return what is to be committed after a step was done; None when it has created nothing that is expected."""
        made = own_creation_of(step, answer) if isinstance(step, Call) and answer is not None else []
        return self._expect(made)

    def _expect(self, writes: Sequence[OwnWrite]) -> Make[None] | None:
        return partial(expect, self.receiver.arrivals, self.shop.id, writes, self.silent) if writes else None


class OwnClient(AsyncShopClient):
    """Says to the inbox what it is about to write. It shares the budget of the key with the inbox's reads."""

    def __init__(self, own: Own) -> None:
        super().__init__(own.key, own.receiver.settings.api_url, budget=own.budget)
        self._own = own

    async def _do(self, step: Wait | Call[Any]) -> Answer | None:
        if (expecting := self._own.expecting(step)) is not None:
            await self._own.receiver.writer.write(expecting)
        answer = await super()._do(step)
        if (created := self._own.created(step, answer)) is not None:
            with _kept_all_the_same():
                await self._own.receiver.writer.write(created)
        return answer


class OwnBlockingClient(ShopClient):
    """The same, blocking: for plain handlers, which have a thread of their own."""

    def __init__(self, own: Own) -> None:
        super().__init__(own.key, own.receiver.settings.api_url, budget=own.budget)
        self._own = own

    def _do(self, step: Wait | Call[Any]) -> Answer | None:
        if (expecting := self._own.expecting(step)) is not None:
            self._own.receiver.database.write(expecting)
        answer = super()._do(step)
        if (created := self._own.created(step, answer)) is not None:
            with _kept_all_the_same():
                self._own.receiver.database.write(created)
        return answer


@contextmanager
def _kept_all_the_same() -> Iterator[None]:
    """Whoever has created something must have its id, or would create it twice: rather are its handlers told of it."""
    try:
        yield
    except StorageUnavailable as error:
        log.warning("what was created is told to those as well who need not hear of it: %s", error)


def own_of(receiver: "Receiver", name: str | None, silent: Collection[str]) -> Own:
    """Return whose writes they are: of a shop, the only one if none is named; raises ConfigurationError."""
    shops = {shop.name: shop for shop in receiver.database.read(list_shops)}
    if name is None and len(shops) == 1:
        return Own(receiver, next(iter(shops.values())), silent)
    if name is None or name not in shops:
        wanted = "The inbox has several shops" if name is None else f"The inbox has no shop {name!r}"
        raise ConfigurationError(f"{wanted}. Name one of: {', '.join(sorted(shops)) or 'none yet'}.")
    return Own(receiver, shops[name], silent)
