"""The API client of each shop. Its key is in a file of the shop's own, or in the environment; never in the database."""

from pathlib import Path

from ombud.client import AsyncShopClient
from ombud.errors import ConfigurationError
from ombud.receiver.shops import Shop
from ombud.settings import Settings


class Clients:
    """Makes a client when it is first needed, and another one when the shop's key has been replaced."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._current: dict[int, tuple[str, AsyncShopClient]] = {}
        self._made: list[AsyncShopClient] = []

    def __call__(self, shop: Shop) -> AsyncShopClient:
        """Return the client of a shop; raises ConfigurationError when there is no key."""
        key = read_key(shop, self._settings)
        known, client = self._current.get(shop.id, (None, None))
        if client is None or known != key:
            client = AsyncShopClient(key, base_url=self._settings.api_url)
            self._current[shop.id] = (key, client)
            # One that was replaced may be reading still: it is closed with all the others.
            self._made.append(client)
        return client

    async def close(self) -> None:
        """Close their connections."""
        for client in self._made:
            await client.aclose()


def read_key(shop: Shop, settings: Settings) -> str:
    """Return the API key of a shop; raises ConfigurationError with the line that fixes it."""
    if shop.api_key_file is not None:
        try:
            return Path(shop.api_key_file).read_text("utf-8").strip()
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
