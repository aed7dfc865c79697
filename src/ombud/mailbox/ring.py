"""Who hears, in this process, that something was committed for lanes, and what."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from ombud.db.operation import Row
from ombud.mailbox.model import Delivery


class Hold(NamedTuple):
    """How a lane is owned: by which lease, after how many loads. While it stays the same nobody reads what comes."""

    token: int
    loads: int


class Appended(NamedTuple):
    """What was committed for one lane. `changed`: its destination may lead elsewhere now.

    `token`: its own ring's. `hold`: that of this process, from before it was written. `facts`: of its destination, as
    far as they were known.
    """

    lane_id: int
    deliveries: Sequence[Delivery] = ()
    changed: bool = False
    token: int | None = None
    hold: Hold | None = None
    facts: Row | None = None


class Bell(Protocol):
    """Who hears, in this process, that something was committed for lanes. Called from any thread."""

    def take(self) -> int | None:
        """Return a token by which an append may lease idle lanes for this process, or None when there is no room."""

    def hold_of(self, lane_id: int) -> Hold | None:
        """Return how this process owns the lane, where that is on record and as far as it knows."""

    def taken(self, lanes: list[tuple[Any, ...]], gifts: list[Any]) -> None:
        """Hear which lanes were leased by such a token (rows of the lane)."""

    def kept(self, lanes: list[tuple[Any, ...]], gifts: list[Any]) -> None:
        """Hear which lanes are owned as `hold_of` has said, and not paused: their ids."""

    def learned(self, facts: list[Row], gifts: list[Any]) -> None:
        """Hear where lanes lead as of after the commit; after `taken` and `kept`."""

    def rung(self, lanes: list[tuple[Any, ...]], gifts: list[Sequence[Appended]]) -> None:
        """Hear for which lanes something was committed; after the others of the same commit."""


class WakeBell:
    """Nobody performs in this process: whoever does elsewhere is woken."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def take(self) -> int | None:
        """There is nobody who could start anything here."""
        return None

    def hold_of(self, _lane_id: int) -> Hold | None:
        """Nothing is ever held."""
        return None

    def taken(self, lanes: list[tuple[Any, ...]], gifts: list[Any]) -> None:
        """Nothing is ever taken."""

    def kept(self, lanes: list[tuple[Any, ...]], gifts: list[Any]) -> None:
        """Nothing is ever held."""

    def learned(self, facts: list[Row], gifts: list[Any]) -> None:
        """Nobody asks."""

    def rung(self, _lanes: list[tuple[Any, ...]], _gifts: list[Sequence[Appended]]) -> None:
        """Wake the others."""
        self._wake()
