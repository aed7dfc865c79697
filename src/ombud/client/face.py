"""What both clients are, before either sends anything: a key, a URL, and the terms on which they ask."""

import copy
from abc import ABC, abstractmethod
from typing import Generic, Self, TypeVar

from ombud.client.budget import Budget, Priority
from ombud.client.exchange import PATIENCE_SECONDS, Terms
from ombud.client.key import access_of_environment
from ombud.client.secret import Secret
from ombud.client.transport import API_URL, TIMEOUT_SECONDS, Options, options

Transport = TypeVar("Transport")


class Face(ABC, Generic[Transport]):
    """A client without its way of waiting."""

    def __init__(
        self,
        api_key: str,
        base_url: str = API_URL,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        budget: Budget | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        transport: Transport | None = None,
    ) -> None:
        self._secret = Secret(api_key)
        self.terms = Terms(budget, patience_seconds)
        self._base_url = base_url
        self._connect(options(self._secret, base_url, timeout_seconds), transport)

    @abstractmethod
    def _connect(self, given: Options, transport: Transport | None) -> None:
        """Make the HTTP client; nothing is sent."""

    @classmethod
    def from_env(cls, *, prompt: bool = False) -> Self:
        """A client with the key and the settings of the environment, and the budget that this process has for the key.

        The key is in `QUICKBUTIK_API_KEY` or `OMBUD_API_KEY`, or in the file that the same name with `_FILE` says.
        With `prompt`, a person at a terminal is asked for it when there is none. Raises `ConfigurationError`.
        """
        access = access_of_environment(prompt=prompt)
        return cls(access.key, access.api_url, budget=access.budget)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._base_url}>"

    def at(self, priority: Priority) -> Self:
        """The same client, asking with another priority; it shares the connections and the budget."""
        other = copy.copy(self)
        other.terms = self.terms.at(priority)
        return other
