"""What may be wrong with a sender: endpoints that fail or were disabled, and deliveries that are dead."""

from collections.abc import Sequence

from ombud.admin.alarms.alarms import Watch
from ombud.admin.alarms.book import Look, sql
from ombud.admin.alarms.causes import Cause, Finding
from ombud.admin.alarms.reach import DEAD_HOURS, MOST_SEEN, dead_from
from ombud.admin.reading import read
from ombud.admin.tally import HOUR
from ombud.db.operation import Operation, Row
from ombud.mailbox.ids import format_id, parse_id
from ombud.sender.notices import Notice
from ombud.sender.sender import Sender
from ombud.sender.url import redacted

# Dead letters that are counted in one transaction, of which there may be several behind one another.
STEP = 1_000

_CAUSES = (Cause.ENDPOINT_FAILING, Cause.ENDPOINT_DISABLED, Cause.DELIVERY_DEAD)


def watch_sender(sender: Sender) -> Watch:
    """Return what looks at a sender; from now on it writes down which of its deliveries are dead."""
    sender.notices.also.append(_note_dead)

    async def watch(now: int) -> Look:
        while await sender.database.fetch(_any_dead):
            if await sender.writer.write(lambda: _count_dead(now)) < STEP:
                break
        return await read(sender.database, lambda: _sender(now))

    return watch


def _note_dead(notice: Notice) -> Operation[None]:
    if notice.type == "delivery.dead":
        event_id = parse_id("evt", notice.detail["event_id"])
        values = {"event_id": event_id, "endpoint_id": notice.endpoint_id, "shop_id": notice.shop_id, "at": notice.at}
        yield sql["insert_dead_letter"], values


def _any_dead() -> Operation[bool]:
    return bool((yield sql["any_dead_letter"], {}))


def _count_dead(now: int) -> Operation[int]:
    """Count some of them by endpoint and hour; returns how many."""
    rows: Sequence[Row] = yield sql["take_dead_letters"], {"rows": STEP}
    counts: dict[tuple[int, int], tuple[int, int, int]] = {}
    for row in rows:
        key = row["endpoint_id"], row["at"] - row["at"] % HOUR
        _, amount, first_at = counts.get(key, (0, 0, row["at"]))
        counts[key] = row["shop_id"], amount + 1, min(first_at, row["at"])
    if counts:
        # In one order for every process, so that no two wait for each other.
        yield sql["count_dead_letters"], [(*key, *counts[key]) for key in sorted(counts)]
        yield sql["forget_dead_letters"], {"before": now - 2 * DEAD_HOURS * HOUR}
    return len(rows)


def _sender(now: int) -> Operation[Look]:
    failing = yield sql["failing_now"], {"rows": MOST_SEEN}
    disabled = yield sql["disabled_now"], {"rows": MOST_SEEN}
    dead = yield sql["dead_letters_since"], {"from": dead_from(now), "rows": MOST_SEEN}
    findings = [
        _finding(cause, row) for cause, rows in zip(_CAUSES, (failing, disabled, dead), strict=True) for row in rows
    ]
    return Look(_CAUSES, findings, max(len(failing), len(disabled), len(dead)) < MOST_SEEN)


def _finding(cause: Cause, row: Row) -> Finding:
    facts: dict[str, str | int] = {"endpoint_id": format_id("ep", row["id"]), "url": redacted(row["url"])}
    if cause is Cause.ENDPOINT_DISABLED:
        facts["reason"] = row["reason"]
    if cause is Cause.DELIVERY_DEAD:
        facts["amount"] = int(row["amount"])
    return Finding(cause, str(facts["endpoint_id"]), row["shop_id"], row["since"], facts)
