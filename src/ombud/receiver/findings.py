"""What a look at the shop's API has found, and what was known of its subject, and told of it, before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ombud.client import OrderStatus
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.mailbox.model import Box, Delivery
from ombud.receiver.documents import Document
from ombud.receiver.ledger import Told
from ombud.receiver.own_writes import Silent

sql = read_queries("ombud.receiver")


@dataclass(frozen=True)
class Sight:
    """What a request to the shop's API has shown of an object: `document` is None where there is none.

    `started_at`: when the request began, in UTC microseconds. `listed`: it was one for a page of a list.
    """

    started_at: int
    milliseconds: int
    document: Document | None
    listed: bool = False


@dataclass(frozen=True)
class Look:
    """A look at the shop's API that answered. `document` is None when the subject is proved to be gone.

    `covers_until`: what came until then had been quiet when it began. Times are UTC microseconds. `listed` as of Sight.
    """

    delivery: Delivery
    started_at: int
    milliseconds: int
    document: Document | None = None
    order_status: OrderStatus | None = None
    paid_at: int | None = None
    covers_until: int = 0
    listed: bool = False

    @property
    def version(self) -> str | None:
        """The version of what was found."""
        return None if self.document is None else self.document.version


@dataclass(frozen=True)
class Known:
    """What was known of a subject before."""

    version: str | None = None
    incarnation: int = 0
    absent_at: int | None = None
    status: int | None = None  # of an order
    looked_at: int | None = None  # when the last look began
    told: int = 0  # how many ledgers speak of it
    # When the shop had its first look, if nobody has looked at this subject since.
    baseline_at: int | None = None
    # Since when its shop is known here.
    installed_at: int = 0
    # Since when its past is told, if somebody has asked for that.
    backfill: str | None = None

    @property
    def begins_at(self) -> int:
        """Since when what happens to it is told."""
        return self.installed_at if self.backfill is None else min(self.installed_at, int(self.backfill))

    @property
    def order_status(self) -> OrderStatus | None:
        """The state that an order was in."""
        return None if self.status is None else OrderStatus(self.status)


@dataclass(frozen=True)
class Finding:
    """A look that is on record, what was known before it, and who need not hear of what was its own doing."""

    look: Look
    known: Known
    reading_id: int
    own: Silent = frozenset()


def known_of(shop_id: int, subject: str) -> Operation[Known]:
    """Return what is known of a subject."""
    rows = yield sql["get_mirror"], {"shop_id": shop_id, "subject": subject, "box": Box.INBOX}
    return Known(**rows[0]) if rows else Known()


def told_of(key: Mapping[str, Any]) -> Operation[Told]:
    """Return what a handler was told."""
    rows = yield sql["get_ledger"], key
    row = rows[0] if rows else None
    return Told() if row is None else Told(row["epoch"], bool(row["holds"]), row["version"], row["mark"])


def whole_second(microseconds: int) -> int:
    """Return a time as the shop's API would give it."""
    return microseconds // 1_000_000 * 1_000_000
