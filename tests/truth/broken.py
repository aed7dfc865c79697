"""Builds of the receiver with a rule that others use, and that is wrong: each must be found by its histories."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from ombud.client import OrderStatus
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Box
from ombud.receiver import order_looks, product_lists
from ombud.receiver.ledger import Telling
from ombud.receiver.looks import Looks
from ombud.receiver.settling import Settling
from ombud.receiver.telling import Teller
from ombud.wire import EVENT_TYPES

Break = Callable[[pytest.MonkeyPatch], None]

# Microseconds; many a gateway's default is five times this.
WINDOW = 60_000_000
HINTED = {
    "order.new": OrderStatus.PAID,
    "order.done": OrderStatus.DONE,
    "order.cancelled": OrderStatus.CANCELLED,
}


def dedupe_by_window(patch: pytest.MonkeyPatch) -> None:
    """Drop what was said of the same thing a moment ago."""
    real, last = Mailbox.append, dict[tuple[str, str], int]()

    def fresh(mailbox: Mailbox, draft: Any) -> bool:
        key, now = (draft.type, draft.subject), mailbox.clock()
        if mailbox.box is not Box.INBOX or draft.type not in EVENT_TYPES or now - last.get(key, 0) > WINDOW:
            last[key] = now
            return True
        return False

    def append(self: Mailbox, drafts: Any) -> Any:
        return real(self, [one if fresh(self, one) else one._replace(lane_ids=[]) for one in drafts])

    patch.setattr(Mailbox, "append", append)


def seen_hashes(patch: pytest.MonkeyPatch) -> None:
    """Remember every version that was ever told instead of the last one: A, B, A ends with B."""
    real, seen = Teller._decide, set[Any]()

    def decide(self: Teller, event_type: str, handler: Any, finding: Any, *, old: bool) -> Any:
        telling = yield from real(self, event_type, handler, finding, old=old)
        key = (handler["id"], finding.look.delivery.subject, finding.look.version)
        if telling is not None and event_type in ("product.add", "product.update") and telling.fire:
            telling = Telling(telling.told, fire=event_type == "product.add" or key not in seen)
            seen.add(key)
        return telling

    patch.setattr(Teller, "_decide", decide)


def merge_after_start(patch: pytest.MonkeyPatch) -> None:
    """Let a look answer for what came while it was under way."""
    real = Looks.timed

    async def timed(self: Looks, request: Any) -> Any:
        _, *found = await real(self, request)
        quiet = round(self.settings.quiet_seconds[0] * 1_000_000)
        return self.clock() + quiet + 1, *found

    patch.setattr(Looks, "timed", timed)


def list_before_the_webhook(patch: pytest.MonkeyPatch) -> None:
    """Let a page that was asked for before a webhook had come answer for it."""

    def take(self: Any, delivery: Any, _: Any) -> Any:
        return self.shown[delivery.subject].sight if delivery.subject in self.shown else None

    patch.setattr(product_lists._Shop, "take", take)


def trust_the_hint(patch: pytest.MonkeyPatch) -> None:
    """Take a webhook's word for the state of an order."""
    real = order_looks._found

    def found(look: Any, order: Any, status: OrderStatus) -> Any:
        return replace(real(look, order, status), order_status=HINTED.get(look.delivery.type, status))

    patch.setattr(order_looks, "_found", found)


def believe_old_copies(patch: pytest.MonkeyPatch) -> None:
    """Believe every look at an order, however soon after another one."""
    patch.setattr(order_looks.OrderLooks, "_may_be_old", lambda *_: False)


def judge_before_the_record(patch: pytest.MonkeyPatch) -> None:
    """Judge a look before the last one of its subject is on record."""

    async def at_once(*_: Any) -> None:
        """Wait for nothing."""

    patch.setattr(Settling, "after_the_last", at_once)


# Each with the mode that shows it: where nothing is lost, and no list makes good what a rule has dropped, or else.
BROKEN: Mapping[str, tuple[Break, bool]] = {
    "dedupe_by_window": (dedupe_by_window, False),
    "seen_hashes": (seen_hashes, False),
    "merge_after_start": (merge_after_start, False),
    "list_before_the_webhook": (list_before_the_webhook, False),
    "trust_the_hint": (trust_the_hint, False),
    "believe_old_copies": (believe_old_copies, True),
}
