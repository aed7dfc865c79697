"""Tries that a sender hears of without anything being sent."""

from ombud.mailbox.model import Delivery, Outcome, Result
from ombud.sender.sender import Sender


def tell(sender: Sender, delivery: Delivery, outcome: Outcome, milliseconds: int) -> None:
    """Have the sender hear of a try that has ended now."""
    hears = sender.outbox.mailbox.on_results
    assert hears is not None
    hears([Result(delivery, sender.database.clock() - milliseconds * 1_000, milliseconds, outcome)])
