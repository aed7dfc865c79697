"""Appending a change for one handler: at once, or when its object has been quiet for a while."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Draft, State
from ombud.receiver.options import HandlerFacts

sql = read_queries("ombud.receiver")


@dataclass(frozen=True)
class News:
    """What a handler must hear of a subject. `arrival`: the webhook that was read for it."""

    shop_id: int
    event_type: str
    subject: str
    arrival: int
    data: Mapping[str, Any]


def append_change(changes: Mailbox, handler_id: int, handler: HandlerFacts, news: News) -> Operation[None]:
    """Append it to the handler's lane, in the transaction of the read that has found it."""
    lane_id = yield from _lane(changes, news.shop_id, handler_id)
    last, waits = yield from _last(changes, lane_id, news)
    data = {**news.data, "after": (yield from _after(news, last if waits else None))}
    delay = 0
    if handler.quiet_seconds:
        now = changes.clock()
        # One that was tried is no burst any more: it waits for its retry.
        data["since"] = since = last.get("since", now) if waits and not last["attempts"] else now
        quiet, at_most = (round(seconds * 1_000_000) for seconds in (handler.quiet_seconds, handler.at_most_seconds))
        # The one that it replaces is superseded when it is due.
        delay = max(0, min(quiet, since + at_most - now))
    text = json.dumps(data)
    yield from changes.append([Draft(news.shop_id, news.event_type, news.subject, [lane_id], text, delay)])


def _last(changes: Mailbox, lane_id: int, news: News) -> Operation[tuple[Mapping[str, Any], bool]]:
    """Return what was last appended to the lane of this, and whether it waits still."""
    values = {"shop_id": news.shop_id, "subject": news.subject, "event_type": news.event_type}
    rows = yield sql["last_change"], values | {"box": changes.box, "lane_id": lane_id}
    if not rows:
        return {}, False
    row: Row = rows[0]
    data: dict[str, Any] = json.loads(row["data"] or "{}")
    return data | {"attempts": row["attempts"]}, row["state"] == State.PENDING


def _after(news: News, waiting: Mapping[str, Any] | None) -> Operation[int]:
    """Return after which webhook the ones begin that this answers for: those of what it replaces are among them."""
    if waiting is not None and "after" in waiting:
        return int(waiting["after"])
    values = {"shop_id": news.shop_id, "subject": news.subject, "arrival": news.arrival}
    rows = yield sql["arrival_before"], values
    return int(rows[0]["event_id"]) if rows else 0


def _lane(changes: Mailbox, shop_id: int, handler_id: int) -> Operation[int]:
    rows = yield sql["handler_lane"], {"box": changes.box, "shop_id": shop_id, "handler_id": handler_id}
    if rows:
        return int(rows[0]["id"])
    return (yield from changes.add_lane(shop_id, handler_id))
