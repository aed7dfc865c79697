"""What lanes that lead to one place may start together, whoever they belong to: the side that uses the mailbox says."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol


class Gate(Protocol):
    """Asked before each start. Calls come from the worker's event loop."""

    def admits(self, facts: Mapping[str, Any]) -> bool:
        """Return whether a delivery with these facts may start now."""

    def enter(self, facts: Mapping[str, Any]) -> object | None:
        """Note that one starts; returns what `leave` is to be given, or None when nobody counts."""

    def leave(self, entered: object) -> None:
        """Note that it has ended."""

    def wait(self, lane_id: int, facts: Mapping[str, Any], then: Callable[[], None]) -> None:
        """Call `then` once, later, when something of a lane that was not admitted may be; lanes as they came.

        A lane that waits already keeps its turn.
        """

    def forget(self, lane_id: int) -> None:
        """A lane waits no more."""
