"""The API client of each shop, asking within the budget of its key, which all that use the key share.

The key is in a file of the shop's own, or in the environment; never in the database.
"""

from dataclasses import replace
from pathlib import Path

from ombud.client import AsyncShopClient
from ombud.client.budget import Budget
from ombud.client.budgets import Budgets
from ombud.errors import ConfigurationError
from ombud.receiver.meter import Meter
from ombud.receiver.shops import Shop
from ombud.settings import Settings


class Clients:
    """Makes a client when it is first needed, and another one when the shop's key has been replaced."""

    def __init__(
        self, settings: Settings, budgets: Budgets, patience_seconds: float, meter: Meter | None = None
    ) -> None:
        """`patience_seconds`: how long a read may wait for its turn, and for an API that asks to wait."""
        self._meter = meter
        self._settings = settings
        self._budgets = budgets
        self._patience_seconds = patience_seconds
        self._current: dict[int, tuple[str, AsyncShopClient]] = {}
        self._rates: dict[int, float] = {}
        self._made: list[AsyncShopClient] = []

    def __call__(self, shop: Shop) -> AsyncShopClient:
        """Return the client of a shop; raises ConfigurationError when there is no key."""
        key = read_key(shop, self._settings)
        rate = rate_of(shop, self._settings)
        budget = self._budgets.of(key, lambda: Budget(rate), self._settings.api_url)
        if self._rates.setdefault(shop.id, rate) != rate:
            budget.start_at(rate)
            self._rates[shop.id] = rate
        known, client = self._current.get(shop.id, (None, None))
        if client is None or known != key:
            client = AsyncShopClient(
                key, self._settings.api_url, budget=budget, patience_seconds=self._patience_seconds
            )
            if self._meter is not None:
                client.terms = replace(client.terms, heard=self._meter.hears(shop.id))
            self._current[shop.id] = (key, client)
            # One that was replaced may be reading still: it is closed with all the others.
            self._made.append(client)
        return client

    async def close(self) -> None:
        """Close their connections."""
        for client in self._made:
            await client.aclose()


def rate_of(shop: Shop, settings: Settings) -> float:
    """Return how often the API of a shop may be asked at the start, per second."""
    return shop.reads_per_second or settings.reads_per_second


def read_key(shop: Shop, settings: Settings) -> str:
    """Return the API key of a shop; raises ConfigurationError with the line that fixes it."""
    if shop.api_key_file is not None:
        try:
            if key := Path(shop.api_key_file).read_text("utf-8").strip():
                return key
            why = "the file is empty"
        except UnicodeDecodeError:
            why = "it is not text in UTF-8"
        except OSError as error:
            why = str(error)
        # Raised after its cause is gone: the error of a decoder holds all that it was given.
        raise ConfigurationError(f"The API key of shop {shop.name!r} cannot be read: {why}.")
    if settings.api_key is None:
        raise ConfigurationError(
            "There is no API key, so no webhook can be confirmed. Set QUICKBUTIK_API_KEY, or QUICKBUTIK_API_KEY_FILE."
        )
    return settings.api_key
