"""One attempt: what can be asked at once is, without a task; what must be waited for first is a task's."""

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from ombud.mailbox.model import Interrupted, Outcome
from ombud.mailbox.trying import Then, Trying
from ombud.sender.answer import Answer
from ombud.sender.outcome import outcome_of, outcome_of_failure
from ombud.sender.targets import Crowded, later
from ombud.sender.transport_connection import Connection, NotHeard
from ombud.sender.url import EndpointUrl
from ombud.sender.verdict import DeliveryFailed, DestinationRefused

if TYPE_CHECKING:
    from ombud.sender.deliver import Deliverer

# Seconds between two tries when it is this process that lacks something: such a try counts for nothing.
OURS_SECONDS = 1.0


class Wanted(NamedTuple):
    """A request as it is sent, and where. `authority`, `only_200` and `schedule` as a Destination has them."""

    url: EndpointUrl
    request: bytes
    authority: str | None = None
    only_200: bool = False
    schedule: str = ""


class Attempt(Trying):
    """Sends a request after vetting where it leads, by one deadline, and says what came of it."""

    __slots__ = ("_attempts", "_connection", "_deadline", "_deliverer", "_task", "_then", "_wanted")

    def __init__(self, deliverer: "Deliverer", wanted: Wanted, attempts: int) -> None:
        self._deliverer = deliverer
        self._wanted = wanted
        self._attempts = attempts
        self._then: Then | None = None
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, then: Then) -> None:
        """Ask over a connection that is open, if it is known that it leads where this may go."""
        deliverer, wanted, now = self._deliverer, self._wanted, asyncio.get_running_loop().time()
        self._then, self._deadline = then, now + deliverer.timeout_seconds
        vetted = deliverer.guard.known(wanted.url, now)
        if vetted is not None:
            self._connection = deliverer.transport.ask(
                wanted.url, vetted.addresses, wanted.request, self._deadline, self, wanted.authority
            )
        if self._connection is None:
            self._task = asyncio.create_task(self._ask(anew=False))

    def cancel(self) -> None:
        """Let go of the connection, and of the task."""
        self._then = None
        if self._connection is not None:
            self._connection.forget(self)
        if self._task is not None:
            self._task.cancel()

    # It waits for a connection's answer as a future does.

    def done(self) -> bool:
        """Return whether it has said what came of it."""
        return self._then is None

    def set_result(self, answer: Answer, /) -> None:
        """Hear the answer."""
        try:
            outcome = outcome_of(answer, only_200=self._wanted.only_200)
            if answer.retry_after is not None:
                outcome = self._deliverer.with_planned_pause(outcome, self._attempts + 1, self._wanted.schedule)
        except Exception as error:  # noqa: BLE001 - what is our mistake is no try that never ends
            self._end(error)
        else:
            self._end(outcome)

    def set_exception(self, error: Exception, /) -> None:
        """Hear why there is none. What was not heard is asked once more, in silence, over a connection that is new."""
        self._connection = None
        if isinstance(error, NotHeard):
            self._task = asyncio.create_task(self._ask(anew=True))
        elif isinstance(error, DeliveryFailed):
            self._end(outcome_of_failure(error, error.failure))
        else:
            self._end(error)

    async def _ask(self, *, anew: bool) -> None:
        try:
            answer = await self._deliverer.ask(self._wanted, self._deadline, anew=anew)
        except Crowded as error:
            self._end(Interrupted(str(error), after=later()))
        except (DeliveryFailed, DestinationRefused) as error:
            outcome = outcome_of_failure(error, error.failure)
            if isinstance(outcome, Interrupted):
                await asyncio.sleep(OURS_SECONDS)
            self._end(outcome)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whoever waits is told
            self._end(error)
        else:
            self.set_result(answer)

    def _end(self, came: Outcome | BaseException) -> None:
        self._tell(came)

    def _tell(self, came: Outcome | BaseException) -> None:
        then, self._then = self._then, None
        if then is not None:
            then(self, came)
