"""Events of the past for an endpoint that was not there then: written for it a step at a time, whatever restarts."""

from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput
from ombud.mailbox.ids import first_id_of
from ombud.mailbox.late import deliver_late
from ombud.mailbox.mailbox import Mailbox
from ombud.sender.endpoint import Endpoint, endpoint_of
from ombud.sender.outbox import EVERY_SHOP_ID, lane_of_subject

sql = read_queries("ombud.sender")

# Events that one step looks at: its commit stays short, and live traffic has the disk in between.
STEP_EVENTS = 500


class Backfill:
    """What is to be written for endpoints of the past.

    `lag_seconds`: where several processes append at once, one may commit an event so long after it has made its id.
    """

    def __init__(self, mailbox: Mailbox, lag_seconds: float = 0.0) -> None:
        self._mailbox = mailbox
        self._lag = round(lag_seconds * 1_000_000)

    def start(self, endpoint: Endpoint, since: int, field: str = "send_since") -> Operation[None]:
        """Have the endpoint hear of the events since then (UTC microseconds), as far as they are still kept.

        With the transaction that adds it. Raises InvalidInput for a time that is still to come.
        """
        now = self._mailbox.clock()
        if since > now:
            raise InvalidInput(field, "It is a time that has passed.")
        until_id = first_id_of(now + self._lag) if self._lag else self._mailbox.ids.next()
        values = {"endpoint_id": endpoint.id, "next_id": first_id_of(since), "until_id": until_id}
        yield sql["put_backfill"], values

    def waits(self) -> Operation[bool]:
        """Return whether there is something to write, at once or later."""
        return bool((yield sql["any_backfill"], {}))

    def step(self) -> Operation[bool]:
        """Write some; returns whether there is more to write now."""
        waiting = yield sql["next_backfill"], {}
        if not waiting:
            return False
        [job] = waiting
        rows = yield sql["get_endpoint"], {"id": job["endpoint_id"]}
        if not rows:
            yield sql["delete_backfill"], {"endpoint_id": job["endpoint_id"]}
            return True
        return (yield from self._write(job, endpoint_of(rows[0], ())))

    def _write(self, job: Row, endpoint: Endpoint) -> Operation[bool]:
        seen = first_id_of(self._mailbox.clock() - self._lag) if self._lag else job["until_id"]
        bound = min(job["until_id"], seen)
        values = {"box": self._mailbox.box, "next_id": job["next_id"], "until_id": bound, "rows": STEP_EVENTS}
        events = yield sql["events_between"], values
        lanes = [row["id"] for row in (yield sql["lanes_of_endpoint"], _lanes(self._mailbox, endpoint))]
        wanted = [row for row in events if _wants(endpoint, row)]
        found = {(row["day"], row["id"]): lane_of_subject(lanes, row["shop_id"], row["subject"]) for row in wanted}
        yield from deliver_late(self._mailbox, found)
        more = len(events) == STEP_EVENTS
        if not more and bound == job["until_id"]:
            yield sql["delete_backfill"], {"endpoint_id": endpoint.id}
            return True
        next_id = events[-1]["id"] + 1 if more else max(bound, job["next_id"])
        yield sql["move_backfill"], {"endpoint_id": endpoint.id, "next_id": next_id}
        return more


def _lanes(mailbox: Mailbox, endpoint: Endpoint) -> dict[str, int]:
    return {"box": mailbox.box, "shop_id": endpoint.shop_id, "id": endpoint.id}


def _wants(endpoint: Endpoint, row: Row) -> bool:
    """Return whether it would have heard of it; tests were for others."""
    ours = endpoint.shop_id in (EVERY_SHOP_ID, row["shop_id"])
    return ours and row["data"] is None and row["type"] in endpoint.edit.event_types
