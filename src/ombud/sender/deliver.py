"""Performs one delivery: resolve, vet, GET, and say what the answer means."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from ombud.errors import InvalidInput
from ombud.mailbox.ids import format_id
from ombud.mailbox.model import Delivery, Interrupted, Outcome, Retry
from ombud.mailbox.retry import retry_delay
from ombud.sender.address import Network
from ombud.sender.answer import Answer
from ombud.sender.guard import Guard, Vetted
from ombud.sender.outcome import outcome_of, outcome_of_failure
from ombud.sender.request import prepare, request_bytes, signature_lines
from ombud.sender.targets import Crowded, Targets, later
from ombud.sender.transport import Transport
from ombud.sender.transport_tls import check_authority
from ombud.sender.url import EndpointUrl, parse_url
from ombud.sender.verdict import DeliveryFailed, DestinationRefused, Failure
from ombud.settings import RETRY_PRESETS, RETRY_SECONDS
from ombud.signing import read_secret

# Seconds between two tries when it is this process that lacks something: such a try counts for nothing.
OURS_SECONDS = 1.0

# Endpoints whose keys are kept as they are used.
KEYS = 20_000

_UNCOUNTED: AbstractContextManager[None] = nullcontext()


@dataclass(frozen=True)
class Wanted:
    """A request as it is sent, and where. `authority`, `only_200` and `schedule` as in an endpoint's facts."""

    url: EndpointUrl
    request: bytes
    authority: str | None = None
    only_200: bool = False
    schedule: str = ""


class Deliverer:
    """Sends deliveries to their endpoints. `timeout_seconds` covers name, connection, TLS and answer together.

    For one event loop. What it reads of an endpoint's facts: `url`; and where they are there `headers` (pairs of name
    and value), `secrets` (`whsec_…`, the newest first; without one nothing is signed), `strict` (the vendor's headers
    and no others), `only_200`, `authority` (PEM: the only one whose certificates hold), and `schedule` (of retries, by
    name).
    """

    def __init__(
        self,
        allow_networks: Sequence[Network],
        timeout_seconds: float,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
        guard: Guard | None = None,
    ) -> None:
        """`guard` stands in for one with `allow_networks`."""
        self.guard = guard or Guard(allow_networks)
        self._timeout_seconds = timeout_seconds
        self._retry_seconds = retry_seconds
        self._transport = Transport()
        # Counts requests whose name leads elsewhere than when they started.
        self.targets: Targets | None = None

    async def perform(self, delivery: Delivery, facts: Mapping[str, Any]) -> Outcome:
        """Make one attempt and return what came of it; never raises for what an endpoint does."""
        try:
            url, request = request_of(delivery, facts)
            authority = facts.get("authority") or None
            if authority is not None:
                check_authority(authority)
        except InvalidInput as error:
            unusable = DeliveryFailed(Failure.URL_UNUSABLE, detail=str(error))
            return outcome_of_failure(unusable, unusable.failure)
        wanted = Wanted(url, request, authority, bool(facts.get("only_200")), facts.get("schedule") or "")
        return await self.attempt(wanted, delivery.attempts)

    async def attempt(self, wanted: Wanted, attempts: int) -> Outcome:
        """Send a request after vetting where it leads, and return what came of it; `attempts` were made before."""
        try:
            answer = await self._ask(wanted.url, wanted.request, wanted.authority)
        except Crowded as error:
            return Interrupted(str(error), after=later())
        except (DeliveryFailed, DestinationRefused) as error:
            outcome = outcome_of_failure(error, error.failure)
            if isinstance(outcome, Interrupted):
                await asyncio.sleep(OURS_SECONDS)
            return outcome
        outcome = outcome_of(answer, only_200=wanted.only_200)
        return outcome if answer.retry_after is None else self._later(outcome, attempts + 1, wanted.schedule)

    async def send(self, url: str) -> Answer:
        """GET a URL whose parameters are complete, after vetting where it leads.

        Raises InvalidInput, DestinationRefused or DeliveryFailed.
        """
        parts = parse_url(url)
        return await self._ask(parts, request_bytes(parts))

    def close(self) -> None:
        """Close what is kept open. Call it on the event loop; a later delivery begins anew."""
        self._transport.close()
        self.guard.close()

    async def _ask(self, url: EndpointUrl, request: bytes, authority: str | None = None) -> Answer:
        now = asyncio.get_running_loop().time()
        deadline = now + self._timeout_seconds
        vetted, counted = self.guard.known(url, now), _UNCOUNTED
        if vetted is None:
            before = self.guard.last_known(url)
            vetted = await self._vet(url, deadline)
            if self.targets is not None and vetted.addresses != before:
                counted = self.targets.at(before, vetted.addresses)
        with counted:
            return await self._transport.get(url, vetted.addresses, request, deadline, authority)

    async def _vet(self, url: EndpointUrl, deadline: float) -> Vetted:
        try:
            async with asyncio.timeout_at(deadline):
                return await self.guard.vet(url)
        except TimeoutError:
            raise DeliveryFailed(Failure.NAME_TIMEOUT, host=url.host) from None

    def _later(self, outcome: Outcome, attempt: int, schedule: str) -> Outcome:
        """Let Retry-After make a pause longer, never shorter: an endpoint's 0 would use up every attempt at once."""
        if isinstance(outcome, Retry) and outcome.after is not None:
            pauses = RETRY_PRESETS.get(schedule, self._retry_seconds)
            planned = retry_delay(pauses, attempt, random.random())  # noqa: S311 - it spreads, it guards nothing
            return replace(outcome, after=max(outcome.after, planned or 0.0))
        return outcome


def request_of(delivery: Delivery, facts: Mapping[str, Any]) -> tuple[EndpointUrl, bytes]:
    """Return where a delivery goes, and its request as it would be made now; raises InvalidInput."""
    strict = facts.get("strict")
    prepared = prepare(facts["url"], () if strict else facts.get("headers") or ())
    target = prepared.target_of(delivery.type, delivery.subject)
    secrets = () if strict else facts.get("secrets") or ()
    if not secrets:
        return prepared.url, prepared.request(target)
    # The same on every retry, so that a receiver can tell a repeat.
    message_id = format_id("evt", delivery.event_id)
    lines = signature_lines(_keys(tuple(secrets)), message_id, int(time.time()), target)
    return prepared.url, prepared.request(target, lines)


@lru_cache(maxsize=KEYS)
def _keys(secrets: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(read_secret(secret) for secret in secrets)
