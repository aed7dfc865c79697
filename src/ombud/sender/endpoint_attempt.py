"""An attempt whose endpoint is on record: what the answer says of it is noted before it counts."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ombud.errors import StorageUnavailable
from ombud.mailbox.model import Delivery, Done, Outcome
from ombud.sender.attempt import Attempt, Wanted
from ombud.sender.notices import GONE_APART
from ombud.sender.outbox import TEST_DATA
from ombud.sender.outcome import Gone, never_again

if TYPE_CHECKING:
    from ombud.sender.sender import Sender


class EndpointAttempt(Attempt):
    """Says what came of it after its endpoint has been noted as acknowledging, or as gone."""

    __slots__ = ("_delivery", "_facts", "_sender")

    def __init__(self, sender: "Sender", wanted: Wanted, delivery: Delivery, facts: Mapping[str, Any]) -> None:
        super().__init__(sender.deliverer, wanted, delivery.attempts)
        self._sender = sender
        self._delivery = delivery
        self._facts = facts

    def _end(self, came: Outcome | BaseException) -> None:
        facts = self._facts
        if isinstance(came, Done):
            self._sender.targets.acknowledged(facts["endpoint_id"], facts["url"])
            if facts["gone_at"] is None:
                self._tell(came)
                return
        if isinstance(came, Done | Gone):
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
        self._tell(came)
