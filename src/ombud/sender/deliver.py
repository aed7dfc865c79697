"""Performs one delivery: resolve, vet, GET, and say what the answer means."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ombud.errors import InvalidInput, NetworkError, Refused
from ombud.mailbox.model import Delivery, Fault, Outcome, Retry
from ombud.sender.address import Network
from ombud.sender.guard import vet
from ombud.sender.transport import Answer, get
from ombud.sender.url import parse_url
from ombud.sender.verdict import outcome_of
from ombud.wire import event_url


class Deliverer:
    """Sends deliveries to their endpoints. `timeout_seconds` covers name, connection, TLS and answer together."""

    def __init__(self, allow_networks: Sequence[Network], timeout_seconds: float) -> None:
        self._allow_networks = allow_networks
        self._timeout_seconds = timeout_seconds

    async def perform(self, delivery: Delivery, facts: Mapping[str, Any]) -> Outcome:
        """Make one attempt and return what came of it; never raises for what an endpoint does."""
        try:
            answer = await self.send(event_url(facts["url"], delivery.type, delivery.subject))
        except (InvalidInput, NetworkError, Refused) as error:
            return Retry(str(error), fault=Fault.LANE)
        except TimeoutError:
            return Retry(f"No answer within {self._timeout_seconds:g} seconds.", fault=Fault.LANE)
        return outcome_of(answer, datetime.now(UTC))

    async def send(self, url: str) -> Answer:
        """GET a URL whose parameters are complete, after vetting where it leads."""
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        parts = parse_url(url)
        async with asyncio.timeout_at(deadline):
            addresses = await vet(parts, self._allow_networks)
        return await get(parts, addresses, deadline)
