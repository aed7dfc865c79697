"""What a turn does with a lane that is held: the words between a lane's owner and its transactions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ombud.mailbox.load import Wanted
from ombud.mailbox.model import Health, Lane, Result

if TYPE_CHECKING:
    from ombud.mailbox.held import HeldLane


class Touch(NamedTuple):
    """What a turn does with a held lane, as of the turn's start: the worker goes on while the turn is committed."""

    held: "HeldLane"
    lane: Lane
    health: Health
    results: Sequence[Result]
    again: bool = False  # an earlier turn with some of the results failed, and may be stored all the same
    wanted: Wanted | None = None
    keeps: tuple[Health, Health] | None = None  # as it is stored, and as it is now
    extend: bool = False
    leaves: bool = False  # nothing is in flight or waits here, so it is given back if nothing is found
    stores: bool = True  # giving it back has something to write
    asks_due: bool = False
    careful: bool = False
    crashes: int = 0  # that still count when it is given back
