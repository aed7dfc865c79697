"""What lanes that lead to one place may start together, whoever they belong to: the side that uses the mailbox says."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol


class Gate(Protocol):
    """Asked before each start. Calls come from the worker's event loop."""

    def enter(self, facts: Mapping[str, Any]) -> object | None:
        """Let a delivery with these facts start; returns what `leave` is to be given, or None: it may not start now."""

    def leave(self, entered: object) -> None:
        """Note that it has ended."""

    def wait(self, lane_id: int, facts: Mapping[str, Any], then: Callable[[], None]) -> None:
        """Call `then` once, later, when something of a lane that was not admitted may be; lanes as they came.

        A lane that waits already keeps its turn.
        """

    def forget(self, lane_id: int) -> None:
        """A lane waits no more."""


class OpenGate:
    """Lets everything start at once."""

    def enter(self, _facts: Mapping[str, Any]) -> object:
        """Let it start."""
        return self

    def leave(self, entered: object) -> None:
        """Nobody counts."""

    def wait(self, lane_id: int, facts: Mapping[str, Any], then: Callable[[], None]) -> None:
        """Nobody is ever told to wait."""

    def forget(self, lane_id: int) -> None:
        """Nobody waits."""
