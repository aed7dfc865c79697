"""Performs one delivery: resolve, vet, GET, and say what the answer means."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ombud.errors import InvalidInput, NetworkError, Refused
from ombud.mailbox.model import Delivery, Fault, Outcome, Retry
from ombud.mailbox.retry import retry_delay
from ombud.sender.address import Network
from ombud.sender.guard import vet
from ombud.sender.transport import Answer, get
from ombud.sender.url import parse_url
from ombud.sender.verdict import outcome_of
from ombud.settings import RETRY_SECONDS
from ombud.wire import event_url


class Deliverer:
    """Sends deliveries to their endpoints. `timeout_seconds` covers name, connection, TLS and answer together."""

    def __init__(
        self,
        allow_networks: Sequence[Network],
        timeout_seconds: float,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self._allow_networks = allow_networks
        self._timeout_seconds = timeout_seconds
        self._retry_seconds = retry_seconds

    async def perform(self, delivery: Delivery, facts: Mapping[str, Any]) -> Outcome:
        """Make one attempt and return what came of it; never raises for what an endpoint does."""
        try:
            answer = await self.send(event_url(facts["url"], delivery.type, delivery.subject))
        except (InvalidInput, NetworkError, Refused) as error:
            return Retry(str(error), fault=Fault.LANE)
        except TimeoutError:
            return Retry(f"No answer within {self._timeout_seconds:g} seconds.", fault=Fault.LANE)
        return self._no_sooner_than_planned(outcome_of(answer, datetime.now(UTC)), delivery.attempts + 1)

    async def send(self, url: str) -> Answer:
        """GET a URL whose parameters are complete, after vetting where it leads."""
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        parts = parse_url(url)
        async with asyncio.timeout_at(deadline):
            addresses = await vet(parts, self._allow_networks)
        return await get(parts, addresses, deadline)

    def _no_sooner_than_planned(self, outcome: Outcome, attempt: int) -> Outcome:
        """Let Retry-After make a pause longer, never shorter: an endpoint's 0 would use up every attempt at once."""
        planned = retry_delay(self._retry_seconds, attempt, 1.0)
        if isinstance(outcome, Retry) and outcome.after is not None and planned is not None and outcome.after < planned:
            return replace(outcome, after=None)
        return outcome
