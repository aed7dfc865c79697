"""The shops of an inbox for a page: tokens, what waits, what was lost on its way, and for what the API was asked."""

import hashlib
from collections.abc import Sequence
from typing import Any

from ombud.admin.access import Caller
from ombud.admin.audit_log import record
from ombud.admin.deliveries import waiting
from ombud.admin.edits import check_match
from ombud.admin.events import Document, rfc3339_or_none
from ombud.admin.inbox_search import sql
from ombud.admin.shops import shop_document, source_documents
from ombud.db.operation import Operation, Row
from ombud.db.texts import check_text
from ombud.db.turns import lock
from ombud.errors import Conflict, NotFound
from ombud.mailbox.ids import format_id
from ombud.mailbox.model import Box
from ombud.receiver.meter import ASKED, HOUR, REFUSED, RESTLESS, TOLD
from ombud.receiver.receiver import Receiver
from ombud.receiver.shop_changes import end_previous_token, pause_shop, resume_shop, rotate_token
from ombud.receiver.shops import DEFAULT_NAME

# What waits is counted up to this; more is told as this many.
MOST_WAITING = 1_000
# Lanes of a shop's handlers that are looked at.
MOST_LANES = 500
# Hours over which is counted, by name.
SPANS = {"hour": 1, "day": 24, "week": 7 * 24, "month": 30 * 24}

_OF_ENVIRONMENT = (
    "This shop's token is OMBUD_TOKEN of the environment. Change it there; the old one stays good until the next."
)


def list_inbox_shops(caller: Caller, after: str, rows: int) -> Operation[list[Document]]:
    """Return a page of the shops that a caller sees, by name, those after a name. Raises InvalidInput for that."""
    found = yield sql["shops_shown"], {"shop_id": caller.shop_id, "after": check_text(after, "cursor"), "rows": rows}
    documents = []
    for row in found:
        documents.append((yield from _document(row)))
    return documents


def get_inbox_shop(caller: Caller, number: int, now: int) -> Operation[Document]:
    """Return one shop with all that is counted for it; raises NotFound."""
    return (yield from get_tagged_shop(caller, number, now))[0]


def get_tagged_shop(caller: Caller, number: int, now: int) -> Operation[tuple[Document, str]]:
    """Return one shop, and its ETag: another after every edit. Raises NotFound."""
    row = yield from _find(caller, number)
    counted = {}
    for name, hours in SPANS.items():
        values = {"shop_id": number, "since": now - now % HOUR - (hours - 1) * HOUR}
        counted[name] = {found["what"]: int(found["amount"]) for found in (yield sql["metered"], values)}
    sweeps = yield sql["sweeps_of_shop"], {"shop_id": number}
    document = (yield from _document(row)) | {
        "learned": {name: _of(TOLD, amounts) for name, amounts in counted.items()},
        "asked": {name: _of(ASKED, amounts) for name, amounts in counted.items()},
        "refused_minutes": {name: amounts.get(REFUSED, 0) for name, amounts in counted.items()},
        "restless_fields": {name: sorted(_of(RESTLESS, amounts)) for name, amounts in counted.items()},
        "compared": {one["kind"]: rfc3339_or_none(one["swept_at"]) for one in sweeps},
        "sources": (yield from source_documents(row["name"])),
    }
    return document, _etag_of(row)


class ShopEdits:
    """What a person may do with a shop of an inbox; each on record.

    `match` is an If-Match: Outdated is raised when it names another version.
    """

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def pause(self, caller: Caller, number: int, match: str | None = None) -> Operation[None]:
        """Read nothing and call no handler for it. Raises NotFound."""
        row = yield from _find_matching(caller, number, match)
        yield from pause_shop(self._receiver.arrivals, self._receiver.changes, row["name"])
        yield from self._note(caller, "shop.pause", row)

    def resume(self, caller: Caller, number: int, match: str | None = None) -> Operation[None]:
        """Go on. Raises NotFound."""
        row = yield from _find_matching(caller, number, match)
        yield from resume_shop(self._receiver.arrivals, self._receiver.changes, row["name"])
        yield from self._note(caller, "shop.resume", row)

    def rotate(self, caller: Caller, number: int, token: str, match: str | None = None) -> Operation[None]:
        """Give it a new token, beside which the present one stays good. Raises NotFound, Conflict."""
        row = yield from _find_matching(caller, number, match)
        if row["name"] == DEFAULT_NAME and self._receiver.settings.token is not None:
            raise Conflict(_OF_ENVIRONMENT)
        yield from rotate_token(row["name"], token)
        yield from self._note(caller, "shop.token", row)

    def end_previous(self, caller: Caller, number: int, match: str | None = None) -> Operation[None]:
        """End the token from before the last rotation. Raises NotFound, Conflict when there is none."""
        row = yield from _find_matching(caller, number, match)
        yield from end_previous_token(row["name"])
        yield from self._note(caller, "shop.end_token", row)

    def _note(self, caller: Caller, action: str, row: Row) -> Operation[None]:
        now = self._receiver.arrivals.clock()
        yield from record(caller, action, format_id("shop", row["id"]), now, shop_id=row["id"], detail=row["name"])


def _find(caller: Caller, number: int) -> Operation[Row]:
    rows = yield sql["shop_shown"], {"id": number}
    if not rows or not caller.sees(number):
        raise NotFound(f"There is no shop {format_id('shop', number)}.")
    row: Row = rows[0]
    return row


def _find_matching(caller: Caller, number: int, match: str | None) -> Operation[Row]:
    yield from lock(format_id("shop", number))
    row = yield from _find(caller, number)
    check_match(match, _etag_of(row), f"The shop {row['name']!r}")
    return row


def _etag_of(row: Row) -> str:
    """Return the tag of what can be changed of a shop; it tells nothing of the tokens."""
    chosen = [row["name"], row["api_key_file"], row["reads_per_second"], row["paused_at"]]
    hashes = [bytes(row[name] or b"").hex() for name in ("token_hash", "previous_token_hash")]
    return f'"{hashlib.sha256(repr([*chosen, *hashes]).encode()).hexdigest()[:16]}"'


def _document(row: Row) -> Operation[Document]:
    lanes = yield sql["run_lanes_of_shop"], {"box": Box.CHANGES, "shop_id": row["id"], "rows": MOST_LANES}
    reads = yield from _waiting([row["reader_lane_id"]])
    runs = yield from _waiting([lane["id"] for lane in lanes])
    known_at = rfc3339_or_none(row["baseline_at"])
    return {"id": format_id("shop", row["id"]), **shop_document(row, reads, runs), "products_known_at": known_at}


def _waiting(lane_ids: Sequence[int]) -> Operation[int]:
    counts = yield from waiting(lane_ids, MOST_WAITING)
    return min(sum(counts.values()), MOST_WAITING)


def _of(kind: str, amounts: dict[str, int]) -> dict[str, Any]:
    return {what.removeprefix(f"{kind} "): amount for what, amount in amounts.items() if what.startswith(f"{kind} ")}
