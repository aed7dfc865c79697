"""A sender's try at a delivery: the attempt, and what else is heard of its endpoint by it."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ombud.errors import StorageUnavailable
from ombud.mailbox.model import Delivery, Done, Outcome
from ombud.mailbox.trying import Then, Trying
from ombud.sender.notices import GONE_APART
from ombud.sender.outbox import TEST_DATA
from ombud.sender.outcome import Gone, never_again

if TYPE_CHECKING:
    from ombud.sender.sender import Sender


class Trial(Trying):
    """Says what came of an attempt after its endpoint has been noted as acknowledging, or as gone."""

    __slots__ = ("_attempt", "_delivery", "_facts", "_sender", "_task", "_then")

    def __init__(self, sender: "Sender", delivery: Delivery, facts: Mapping[str, Any]) -> None:
        self._sender = sender
        self._delivery = delivery
        self._facts = facts
        self._attempt = sender.deliverer.perform(delivery, facts)
        self._task: asyncio.Task[None] | None = None

    def begin(self, then: Then) -> None:
        """Begin the attempt."""
        self._then = then
        self._attempt.begin(self._ended)

    def cancel(self) -> None:
        """Drop it."""
        self._then = _nobody
        self._attempt.cancel()
        if self._task is not None:
            self._task.cancel()

    def _ended(self, came: Outcome | BaseException) -> None:
        facts = self._facts
        if isinstance(came, Done):
            self._sender.targets.acknowledged(facts["endpoint_id"], facts["url"])
        if isinstance(came, Gone) or (facts["gone_at"] is not None and isinstance(came, Done)):
            self._task = asyncio.create_task(self._hear_of_gone(came))
        else:
            self._say(came)

    async def _hear_of_gone(self, outcome: Done | Gone) -> None:
        sender, endpoint_id, gone_at = self._sender, self._facts["endpoint_id"], self._facts["gone_at"]
        try:
            if isinstance(outcome, Done):
                await sender.writer.write(lambda: sender.notices.not_gone(endpoint_id))
            # In between it says nothing new.
            elif gone_at is None or sender.database.clock() >= gone_at + GONE_APART:
                await sender.writer.write(lambda: sender.notices.gone(endpoint_id))
        except StorageUnavailable:
            # The try has its outcome, whether this can be stored or not.
            self._say(outcome)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whoever waits is told
            self._say(error)
        else:
            self._say(outcome)

    def _say(self, came: Outcome | BaseException) -> None:
        if self._delivery.data == TEST_DATA and not isinstance(came, BaseException):
            came = never_again(came)
        self._then(came)


def _nobody(_: Outcome | BaseException) -> None:
    pass
