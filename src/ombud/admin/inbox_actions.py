"""What a person may do with what arrived and with runs: release what is held, try again, leave out. On record each."""

from ombud.admin.access import Caller
from ombud.admin.arrivals import find_arrival
from ombud.admin.audit_log import record
from ombud.admin.inbox_search import is_held
from ombud.admin.runs import find_run
from ombud.db.operation import Operation, Row
from ombud.errors import Conflict
from ombud.mailbox.ids import format_delivery_id, format_id
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import State

SKIPPED = "skipped by hand"

_UNREADABLE = "Nothing can be read for this webhook, so there is nothing to do again or to leave out."
_NOT_HELD = "It is not held. What was given up can be tried again."
_HELD = "It is held. Release it, or leave it out."
_WAITS = "It still waits, and is tried anyway."
_ENDED = "It has ended, so there is nothing to leave out."
_DUE = "It is due this moment, and may be running. Look again when it has ended."


def release(arrivals: Mailbox, caller: Caller, event_id: int) -> Operation[None]:
    """Let an arrival go on that is held for a person. Raises NotFound, Conflict for one that is not held."""
    row = yield from _arrival(caller, event_id)
    if not is_held(row):
        raise Conflict(_NOT_HELD)
    yield from _again(arrivals, caller, row, "arrival.release", format_id("evt", event_id))


def read_again(arrivals: Mailbox, caller: Caller, event_id: int) -> Operation[None]:
    """Read the subject of an arrival once more. Raises NotFound, Conflict for one that is held or waits."""
    row = yield from _arrival(caller, event_id)
    if is_held(row):
        raise Conflict(_HELD)
    yield from _again(arrivals, caller, row, "arrival.retry", format_id("evt", event_id))


def skip_arrival(arrivals: Mailbox, caller: Caller, event_id: int) -> Operation[None]:
    """Leave an arrival out that waits, is held or was given up. Raises NotFound, Conflict."""
    row = yield from _arrival(caller, event_id)
    yield from _skip(arrivals, caller, row, "arrival.skip", format_id("evt", event_id))


def run_again(changes: Mailbox, caller: Caller, event_id: int, lane_id: int) -> Operation[None]:
    """Call the handler once more. Raises NotFound, Conflict for a run that waits."""
    row = yield from find_run(caller, event_id, lane_id)
    yield from _again(changes, caller, row, "run.retry", format_delivery_id(event_id, lane_id))


def skip_run(changes: Mailbox, caller: Caller, event_id: int, lane_id: int) -> Operation[None]:
    """Leave a run out that waits or was given up. Raises NotFound, Conflict."""
    row = yield from find_run(caller, event_id, lane_id)
    yield from _skip(changes, caller, row, "run.skip", format_delivery_id(event_id, lane_id))


def _arrival(caller: Caller, event_id: int) -> Operation[Row]:
    row = yield from find_arrival(caller, event_id)
    if row["lane_id"] is None:
        raise Conflict(_UNREADABLE)
    return row


def _again(mailbox: Mailbox, caller: Caller, row: Row, action: str, target: str) -> Operation[None]:
    if not (yield from mailbox.replay([(row["id"], row["lane_id"])])):
        raise Conflict(_WAITS)
    yield from record(caller, action, target, mailbox.clock(), shop_id=row["shop_id"], detail=row["subject"])


def _skip(mailbox: Mailbox, caller: Caller, row: Row, action: str, target: str) -> Operation[None]:
    if not (yield from mailbox.skip([(row["id"], row["lane_id"])], SKIPPED)):
        raise Conflict(_DUE if row["state"] == State.PENDING else _ENDED)
    yield from record(caller, action, target, mailbox.clock(), shop_id=row["shop_id"], detail=row["subject"])
