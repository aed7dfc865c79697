"""One look at the shop's API, and what both kinds of objects have in common before and after it."""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ombud.client import Order, Product
from ombud.db.operation import Make, Operation
from ombud.mailbox.ids import format_id
from ombud.mailbox.model import Dead, Delivery, Outcome, Retry
from ombud.receiver.coverage import SECOND, Past, settle_after
from ombud.receiver.documents import read_document
from ombud.receiver.findings import Known, Look, Sight, known_of, sql
from ombud.receiver.telling import Teller

if TYPE_CHECKING:
    from ombud.receiver.receiver import Receiver

R = TypeVar("R")
T = TypeVar("T", Order, Product)

# Seconds to wait when the shop does not say (yet) what a webhook says: its API lags behind, or the webhook is forged.
UNCONFIRMED_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3_600.0)


class Looks:
    """Looks, and puts them on record."""

    def __init__(self, receiver: "Receiver", teller: Teller) -> None:
        self.settings = receiver.settings
        self.clock = receiver.arrivals.clock
        self._box = int(receiver.arrivals.box)
        self._writer = receiver.writer
        self._teller = teller

    async def see(self, read: Callable[[str], Awaitable[T | None]], object_id: str) -> tuple[Sight, T | None]:
        """Read an object once; raises what the client raises."""
        started_at, milliseconds, found = await self.timed(read(object_id))
        # Here, where a hostile document is only this arrival's trouble, and no transaction waits for it.
        document = None if found is None else read_document(found.raw, self.settings.volatile_fields)
        return Sight(started_at, milliseconds, document), found

    async def timed(self, request: Awaitable[R]) -> tuple[int, int, R]:
        """Return when a request began (UTC microseconds), its milliseconds, and its answer."""
        started_at, began = self.clock(), time.monotonic()
        answer = await request
        return started_at, round((time.monotonic() - began) * 1000), answer

    def of(self, delivery: Delivery, sight: Sight) -> Look:
        """Return the look at an arrival's subject that has shown this."""
        quiet = self.settings.quiet_seconds[0] if delivery.subject.startswith("product/") else 0.0
        covers_until = sight.started_at - round(quiet * SECOND)
        seen = sight.started_at, sight.milliseconds, sight.document
        return Look(delivery, *seen, covers_until=covers_until, listed=sight.listed)

    async def past_of(self, delivery: Delivery) -> tuple[Past, Known]:
        """Return what is on record of an arrival and of its subject."""
        return await self._writer.database.fetch(lambda: _past_of(delivery, self._box, self.settings.quiet_seconds[0]))

    async def unread_products(self, delivery: Delivery, most: int) -> Mapping[str, set[int]]:
        """Return which products wait for their first look in an arrival's lane and have been quiet, with the
        arrivals of each. `most`: deliveries that are looked through, those that are due first before the others.
        """
        until = self.clock() - round(self.settings.quiet_seconds[0] * SECOND)
        return await self._writer.database.fetch(lambda: _unread_products(delivery.lane_id, until, most))

    async def said_with(self, delivery: Delivery) -> set[str]:
        """Return what the arrivals say that an arrival answers for because they waited together."""
        key = {"shop_id": delivery.shop_id, "subject": delivery.subject, "lane_id": delivery.lane_id, "box": self._box}
        return await self._writer.database.fetch(lambda: _said_with(key, delivery.event_id))

    async def knows_any(self, shop_id: int, subjects: Collection[str]) -> bool:
        """Whether any of these is known, and not as gone."""
        return await self._writer.database.fetch(lambda: _knows_any(shop_id, subjects))

    def record(self, look: Look, *, last: bool = False) -> Make[None]:
        """Return what puts a look on record and tells whom it concerns. `last`: nothing new is looked for after it."""
        return lambda: self._teller.record(look, last=last)

    @property
    def tells_every(self) -> bool:
        """Whether anybody hears of every webhook."""
        return self._teller.tells_every

    @property
    def tells_unknown(self) -> bool:
        """Whether anybody hears of products that are gone and were never seen here."""
        return self._teller.tells_unknown

    async def write(self, make: Make[None]) -> None:
        """Write it now: the arrival itself goes on."""
        await self._writer.write(make)

    def unconfirmed(self, delivery: Delivery, past: Past, words: str, *, status: int) -> Outcome:
        """Look again for a while, then put the arrival aside: it acts on nothing, and a person may repeat it."""
        pauses = at(UNCONFIRMED_SECONDS, past.answers), self.own_pause(delivery)
        if pauses[0] is None or pauses[1] is None:
            return Dead(f"Unconfirmed: {words[0].lower()}{words[1:]}. The webhook may be forged.", status=status)
        return Retry(f"{words} (yet).", after=min(pauses[0], pauses[1]), status=status)

    def settle_after(self, look: Look, past: Past) -> float | None:
        """Return the seconds after which to look again, when a look has found nothing new; None for never."""
        if self.own_pause(look.delivery) is None:
            return None
        # How long it was put off to be quiet says nothing of the API.
        age_seconds = (look.started_at - look.delivery.created_at) / SECOND - self.settings.quiet_seconds[1]
        return settle_after(past, look.started_at, age_seconds, self.settings.settle_seconds)

    def own_pause(self, delivery: Delivery) -> float | None:
        """Return the seconds of the schedule after this try; None when it is the last one."""
        return at(self.settings.retry_seconds, delivery.attempts)


def at(seconds: Sequence[float], place: int) -> float | None:
    """Return the pause at a place of a schedule; None behind its end."""
    return seconds[place] if place < len(seconds) else None


def _unread_products(lane_id: int, until: int, most: int) -> Operation[dict[str, set[int]]]:
    rows = yield sql["unread_products"], {"lane_id": lane_id, "until": until, "most": most}
    found: dict[str, set[int]] = {}
    for row in rows:
        found.setdefault(row["subject"], set()).add(row["event_id"])
    return found


def _knows_any(shop_id: int, subjects: Collection[str]) -> Operation[bool]:
    return bool((yield sql["present_subjects"], [(shop_id, subject) for subject in sorted(subjects)]))


def _said_with(key: Mapping[str, Any], event_id: int) -> Operation[set[str]]:
    said, standing_for = set[str](), [event_id]
    # One that stood for others may have waited again, and another one may stand for it.
    while standing_for:
        reasons = [f"covered by {format_id('evt', one)}" for one in standing_for]
        rows = yield sql["said_with"], [{**key, "reason": reason} for reason in reasons]
        said.update(row["type"] for row in rows)
        standing_for = [row["event_id"] for row in rows]
    return said


def _past_of(delivery: Delivery, box: int, quiet_seconds: float) -> Operation[tuple[Past, Known]]:
    rows = yield (
        sql["past_of_arrival"],
        {
            "box": box,
            "shop_id": delivery.shop_id,
            "subject": delivery.subject,
            "day": delivery.day,
            "event_id": delivery.event_id,
            "lane_id": delivery.lane_id,
            "generation": delivery.generation,
            "created_at": delivery.created_at,
            "quiet": round(quiet_seconds * SECOND),
        },
    )
    return Past(**rows[0]), (yield from known_of(delivery.shop_id, delivery.subject))
