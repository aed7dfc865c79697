"""Performs deliveries: resolve, vet, GET, and say what the answer means."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from ombud.errors import InvalidInput, KeyMissing
from ombud.mailbox.model import Delivery, Outcome, Retry
from ombud.mailbox.retry import retry_delay
from ombud.mailbox.trying import Known, Trying
from ombud.sender.address import Network
from ombud.sender.answer import Answer
from ombud.sender.attempt import Attempt, Wanted
from ombud.sender.destination import Destinations
from ombud.sender.guard import Guard, Vetted
from ombud.sender.outcome import outcome_of_failure
from ombud.sender.request import request_bytes
from ombud.sender.targets import Targets
from ombud.sender.transport import Transport
from ombud.sender.url import EndpointUrl, parse_url
from ombud.sender.vault import Vault
from ombud.sender.verdict import DeliveryFailed, Failure
from ombud.settings import RETRY_PRESETS, RETRY_SECONDS

_UNCOUNTED: AbstractContextManager[None] = nullcontext()


class Deliverer:
    """Sends deliveries to their endpoints. `timeout_seconds` covers name, connection, TLS and answer together.

    For one event loop.
    """

    def __init__(
        self,
        allow_networks: Sequence[Network],
        timeout_seconds: float,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
        guard: Guard | None = None,
        vault: Vault | None = None,
    ) -> None:
        """`guard` stands in for one with `allow_networks`; `vault` decrypts what an endpoint's facts have encrypted."""
        self.guard = guard or Guard(allow_networks)
        self.transport = Transport()
        self.timeout_seconds = timeout_seconds
        # Counts requests whose name leads elsewhere than when they started.
        self.targets: Targets | None = None
        self._retry_seconds = retry_seconds
        self._destinations = Destinations(vault)

    def perform(self, delivery: Delivery, facts: Mapping[str, Any]) -> Trying:
        """Return an attempt; its outcome is never an error for what an endpoint does. `facts`: see Destinations."""
        try:
            wanted = self.wanted(delivery, facts)
        except DeliveryFailed as error:
            return Known(outcome_of_failure(error, error.failure))
        return self.attempt(wanted, delivery.attempts)

    def wanted(self, delivery: Delivery, facts: Mapping[str, Any]) -> Wanted:
        """Return the request of a delivery as it is made now; raises DeliveryFailed when there can be none."""
        try:
            to = self._destinations.read(facts)
            request = to.request(delivery.event_id, delivery.type, delivery.subject, int(time.time()))
        except InvalidInput as error:
            raise DeliveryFailed(Failure.URL_UNUSABLE, detail=str(error)) from None
        except KeyMissing:
            raise DeliveryFailed(Failure.KEY_MISSING) from None
        return Wanted(to.prepared.url, request, to.authority, to.only_200, to.schedule)

    def attempt(self, wanted: Wanted, attempts: int) -> Trying:
        """Return what sends a request after vetting where it leads; `attempts` were made before."""
        return Attempt(self, wanted, attempts)

    async def send(self, url: str) -> Answer:
        """GET a URL whose parameters are complete, after vetting where it leads.

        Raises InvalidInput, DestinationRefused or DeliveryFailed.
        """
        parts = parse_url(url)
        deadline = asyncio.get_running_loop().time() + self.timeout_seconds
        return await self.ask(Wanted(parts, request_bytes(parts)), deadline)

    async def ask(self, wanted: Wanted, deadline: float, *, anew: bool = False) -> Answer:
        """Send a request by that time of the loop's clock, when `anew` over a new connection.

        Raises DestinationRefused, DeliveryFailed or Crowded.
        """
        url, counted = wanted.url, _UNCOUNTED
        vetted = self.guard.known(url, asyncio.get_running_loop().time())
        if vetted is None:
            before = self.guard.last_known(url)
            vetted = await self._vet(url, deadline)
            if self.targets is not None and vetted.addresses != before:
                counted = self.targets.at(before, vetted.addresses)
        get = self.transport.get_anew if anew else self.transport.get
        with counted:
            return await get(url, vetted.addresses, wanted.request, deadline, wanted.authority)

    def close(self) -> None:
        """Close what is kept open. Call it on the event loop; a later delivery begins anew."""
        self.transport.close()
        self.guard.close()

    async def _vet(self, url: EndpointUrl, deadline: float) -> Vetted:
        try:
            async with asyncio.timeout_at(deadline):
                return await self.guard.vet(url)
        except TimeoutError:
            raise DeliveryFailed(Failure.NAME_TIMEOUT, host=url.host) from None

    def with_planned_pause(self, outcome: Outcome, attempt: int, schedule: str) -> Outcome:
        """Let Retry-After make a pause longer, never shorter: an endpoint's 0 would use up every attempt at once."""
        if isinstance(outcome, Retry) and outcome.after is not None:
            pauses = RETRY_PRESETS.get(schedule, self._retry_seconds)
            planned = retry_delay(pauses, attempt, random.random())  # noqa: S311 - it spreads, it guards nothing
            return replace(outcome, after=max(outcome.after, planned or 0.0))
        return outcome
