"""The four statuses of an order, and the event that entering one of them publishes.

Words and panel names are the vendor's. Of the numbers 1 and 2 are seen in real clients; -1 and 0 are our choice where
the sources disagree.
"""

from enum import IntEnum


class Status(IntEnum):
    """Where an order is in its life; the number is what the API shows, as text."""

    UNPAID = -1
    CANCELLED = 0
    PAID = 1
    DONE = 2

    @property
    def word(self) -> str:
        """What the API takes: `unpaid`, `cancelled`, `paid`, `done`."""
        return self.name.lower()

    @property
    def sold(self) -> bool:
        """Whether the order's goods have left the stock."""
        return self in (Status.PAID, Status.DONE)


WORDS = {status.word: status for status in Status}
_WRITTEN = {**WORDS, **{str(int(status)): status for status in Status}}

# By the status entered. `order.new` means paid: an unpaid order is a checkout that was begun, and tells nobody.
EVENT_OF = {Status.PAID: "order.new", Status.DONE: "order.done", Status.CANCELLED: "order.cancelled"}


def find_status(text: str) -> Status | None:
    """Return the status of a word or of a number as the API shows it; None for anything else."""
    return _WRITTEN.get(text.strip().lower())
