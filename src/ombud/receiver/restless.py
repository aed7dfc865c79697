"""Fields of products that change again and again, as a counter of views does: a person is told, and nothing is ignored.

Each of their changes is an update like any other. Whether it means anything only somebody who knows the shop can
say, and may then name the field in OMBUD_VOLATILE_FIELDS.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from ombud.db.database import Writer
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.mailbox.ids import format_id
from ombud.receiver.documents import changed_fields, unpack
from ombud.receiver.findings import Look
from ombud.receiver.meter import HOUR, note_restless
from ombud.setting_values import FIELD

sql = read_queries("ombud.receiver")

# Changes of one field of one product within an hour after which it is told: nobody edits so often by hand.
CHANGES = 5
# The stock, which moves with every sale.
STOCK = "qty"
# Products whose changes are counted, and fields that were told; past it all counts begin anew.
MOST_COUNTED = 10_000
# Looks at a product that are compared, and fields of it that are told.
MOST_LOOKS = 50
MOST_FIELDS = 5
LONGEST_FIELD = 100

log = logging.getLogger("ombud.receiver")


class Restless:
    """Notices such fields. For one event loop."""

    def __init__(self, writer: Writer, volatile: Sequence[str]) -> None:
        """`volatile`: the fields that are named already."""
        self._writer = writer
        self._volatile = tuple(volatile)
        # When each product was another than before, in UTC microseconds.
        self._changes: dict[tuple[int, str], list[int]] = {}
        # When each field of a shop was told last.
        self._told: dict[tuple[int, str], int] = {}

    async def note(self, look: Look) -> None:
        """Note that a look has found another version of a product; it is not on record yet."""
        product, since = (look.delivery.shop_id, look.delivery.subject), look.started_at - HOUR
        changes = [*(at for at in self._changes.pop(product, ()) if at > since), look.started_at]
        if len(changes) <= CHANGES:
            if len(self._changes) >= MOST_COUNTED:
                self._changes.clear()
            self._changes[product] = changes
            return
        bodies = await self._writer.database.fetch(lambda: _bodies(*product, since))
        for field in await asyncio.to_thread(self._restless, look, bodies):
            await self._tell(look, field)

    def _restless(self, look: Look, bodies: Sequence[bytes]) -> list[str]:
        assert look.document is not None
        versions = [unpack(body) for body in (look.document.body, *bodies)]
        counts = Counter(
            field for after, before in pairwise(versions) for field in changed_fields(before, after, self._volatile)
        )
        found = (field for field, count in counts.most_common() if count >= CHANGES and _may_be_named(field))
        return list(found)[:MOST_FIELDS]

    async def _tell(self, look: Look, field: str) -> None:
        shop_id, now = look.delivery.shop_id, look.started_at
        if self._told.get((shop_id, field), 0) > now - HOUR:
            return
        if len(self._told) >= MOST_COUNTED:
            self._told.clear()
        self._told[shop_id, field] = now
        await self._writer.write(lambda: note_restless(shop_id, field, now))
        log.warning(
            "%s of %s of %s has changed at least %d times within an hour; each is a product.update."
            " If that means nothing: OMBUD_VOLATILE_FIELDS=%s",
            field,
            look.delivery.subject,
            format_id("shop", shop_id),
            CHANGES,
            ",".join([*self._volatile, field]),
        )


def _may_be_named(field: str) -> bool:
    """Whether a setting could name it. What a shop's API calls its fields is its own business."""
    return field.rpartition(".")[2] != STOCK and len(field) <= LONGEST_FIELD and FIELD.fullmatch(field) is not None


def _bodies(shop_id: int, subject: str, since: int) -> Operation[list[bytes]]:
    values = {"shop_id": shop_id, "subject": subject, "since": since, "most": MOST_LOOKS}
    rows = yield sql["bodies_since"], values
    return [row["body"] for row in rows]
