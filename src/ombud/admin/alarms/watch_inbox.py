"""What may be wrong with an inbox: its shops' keys and webhooks, and what was given up."""

from collections.abc import Sequence
from itertools import groupby

from ombud.admin.alarms.alarms import Watch
from ombud.admin.alarms.book import Look, sql
from ombud.admin.alarms.causes import Cause, Finding
from ombud.admin.alarms.reach import MOST_SEEN, dead_from
from ombud.admin.reading import read
from ombud.admin.redacted import without_secrets
from ombud.db.operation import Operation, Row
from ombud.mailbox.ids import format_id
from ombud.receiver.given_up import READS
from ombud.receiver.meter import HOUR, KEPT
from ombud.receiver.receiver import Receiver

# Orders that no webhook told of, behind one another: fewer may be chance, and are said when the silence has lasted.
FOUND_AT_ONCE = 3


def watch_inbox(receiver: Receiver, *, alone: bool) -> Watch:
    """Return what looks at an inbox. `alone`: channels belong to its shops; else to those of a sender beside it."""
    silence = round(receiver.settings.alarm_silence_seconds * 1_000_000)

    async def watch(now: int) -> Look:
        return await read(receiver.database, lambda: _inbox(now, silence, alone=alone))

    return watch


def _inbox(now: int, silence: int, *, alone: bool) -> Operation[Look]:
    keys = yield sql["refused_keys"], {"rows": MOST_SEEN}
    found = yield sql["found_without_webhook"], {"from": now - now % HOUR - KEPT, "rows": MOST_SEEN}
    dead = yield sql["dead_of_inbox"], {"from": dead_from(now), "rows": MOST_SEEN}
    findings = [_finding(Cause.KEY_REFUSED, row["id"], row, alone=alone) for row in keys]
    for _, rows in groupby(found, key=lambda row: row["id"]):
        missing = _missing(list(rows), now, silence)
        if missing is not None:
            findings.append(_finding(Cause.WEBHOOKS_MISSING, missing["id"], missing, alone=alone))
    findings += [_dead(row, alone=alone) for row in dead]
    causes = (Cause.KEY_REFUSED, Cause.WEBHOOKS_MISSING, Cause.READ_DEAD, Cause.RUN_DEAD)
    return Look(causes, findings, max(len(keys), len(found), len(dead)) < MOST_SEEN)


def _missing(rows: Sequence[Row], now: int, silence: int) -> Row | None:
    """Return what is told of a shop when only its lists tell of orders: since the last webhook, how many."""
    shop = rows[0]
    last = max(shop["created_at"], shop["token_used_at"] or 0, shop["previous_token_used_at"] or 0)
    # What was counted in the hour of the last webhook may have come before it.
    amount = sum(row["amount"] for row in rows if row["since"] > last)
    if amount and (now - last >= silence or amount >= FOUND_AT_ONCE):
        return {"id": shop["id"], "name": shop["name"], "since": last, "amount": amount}
    return None


def _dead(row: Row, *, alone: bool) -> Finding:
    cause = Cause.READ_DEAD if row["handler_id"] == READS else Cause.RUN_DEAD
    return _finding(cause, row["shop_id"], row, alone=alone)


def _finding(cause: Cause, shop_id: int, row: Row, *, alone: bool) -> Finding:
    facts: dict[str, str | int] = {"shop_id": format_id("shop", shop_id), "shop": without_secrets(row["name"]) or "?"}
    about = facts["shop_id"]
    if "amount" in row:
        facts["amount"] = int(row["amount"])
    if cause is Cause.RUN_DEAD:
        facts["handler"] = without_secrets(row["handler"]) or "?"
        about = f"{about}/{row['handler_id']}"
    return Finding(cause, str(about), shop_id if alone else 0, row["since"], facts)
