"""A try that is under way without a task: what it waits for calls it, and it says at once what came of it."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any, TypeAlias

from ombud.mailbox.model import Outcome

# Told of a try what came of it, or the error that nobody had foreseen; once, and from the event loop.
Then: TypeAlias = Callable[["Trying", Outcome | BaseException], None]


class Trying:
    """One try. Whoever has no `then` awaits it. It is no ABC: isinstance would take five times as long."""

    __slots__ = ()

    def begin(self, then: Then) -> None:
        """Start it. `then` is called later, never before this returns."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Drop it: `then` is not called any more."""
        raise NotImplementedError

    def __await__(self) -> Generator[Any, None, Outcome]:
        """Start it and wait."""
        ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def then(_: Trying, outcome: Outcome | BaseException) -> None:
            if ended.done():
                return
            if isinstance(outcome, BaseException):
                ended.set_exception(outcome)
            else:
                ended.set_result(outcome)

        self.begin(then)
        try:
            return (yield from ended)
        finally:
            if ended.cancelled():
                self.cancel()


class Known(Trying):
    """A try of which it is known before it begins what comes of it."""

    __slots__ = ("_handle", "_outcome")

    def __init__(self, outcome: Outcome | BaseException) -> None:
        self._outcome = outcome
        self._handle: asyncio.Handle | None = None

    def begin(self, then: Then) -> None:
        """Say it in the loop's next turn."""
        self._handle = asyncio.get_running_loop().call_soon(then, self, self._outcome)

    def cancel(self) -> None:
        """Keep it."""
        if self._handle is not None:
            self._handle.cancel()
