"""The end of a day: what is pending or failed is copied forward, then the day goes. Steps of one transaction each."""

from collections.abc import Sequence

from ombud.db.operation import Operation
from ombud.mailbox.ids import first_id_of
from ombud.mailbox.mailbox import DAY_MICROSECONDS, open_day, sql
from ombud.mailbox.model import Ages

# Events that one step copies or deletes: some milliseconds of a write lock.
STEP_EVENTS = 500
# Seconds: a delivery that is due later than this cannot be loaded before the step that moves it has ended.
SOON_SECONDS = 60.0
# Seconds that a process has a chore for itself: longer than a step, short enough to be taken over soon.
CHORE_SECONDS = 60.0


def take_chore(name: str, seconds: float = CHORE_SECONDS) -> Operation[bool]:
    """Return whether this process is to do that piece of housekeeping for so long."""
    rows = yield sql["take_chore"], {"name": name, "span": round(seconds * 1_000_000)}
    return bool(rows)


def open_days(now: int) -> Operation[None]:
    """Open today, and make a place for tomorrow, so that midnight finds one."""
    today = now // DAY_MICROSECONDS
    yield from open_day(today)
    yield sql["make_day"], {"day": today + 1}


def old_days(now: int, ages: Ages) -> Operation[list[int]]:
    """Return the days that are to go, oldest first; the newest always stays."""
    rows = yield sql["list_days"], {}, tuple
    days = [day for (day,) in rows]
    return [day for day in days[:-1] if day < now // DAY_MICROSECONDS - ages.done_days]


def kept_of(day: int, ages: Ages, now: int, after: int = 0) -> Operation[list[int]]:
    """Return the next events of an old day that outlive it. A read: it locks nothing."""
    step = [(day, _failed_since(now, ages), after, STEP_EVENTS)]
    return [event_id for (event_id,) in (yield sql["kept_of_day"], step, tuple)]


def move(day: int, events: Sequence[int]) -> Operation[int]:
    """Copy events of that day forward, with all their deliveries and tries; returns how many.

    What the owner of a lane may have loaded stays where it is: its settle would not find it.
    """
    ((newest, _),) = yield sql["newest_day"], {}, tuple
    pending = yield sql["pending_of_events"], [(day, event_id) for event_id in events], tuple
    free = yield sql["lock_free_lanes"], [(lane_id,) for lane_id in {row[1] for row in pending}], tuple
    lanes = {lane_id for (lane_id,) in free}
    loaded = {row[0] for row in pending if row[1] not in lanes and row[2] < SOON_SECONDS * 1_000_000}
    rows = [(day, event_id, newest) for event_id in events if event_id not in loaded]
    yield sql["move_attempts"], rows
    yield sql["move_deliveries"], rows
    yield sql["move_events"], rows
    return len(rows)


def delete_step(day: int, ages: Ages, now: int) -> Operation[int]:
    """Delete the next events of a day that nothing keeps; returns how many. Where days are dropped whole, none."""
    values = {"day": day, "failed_since": _failed_since(now, ages), "most": STEP_EVENTS}
    found = yield sql["old_events"], values, tuple
    rows = [(day, event_id) for (event_id,) in found]
    yield sql["delete_attempts"], rows
    yield sql["delete_deliveries"], rows
    yield sql["delete_events"], rows
    return len(rows)


def drop(day: int, ages: Ages, now: int) -> Operation[bool]:
    """Drop an emptied day, unless something in it is alive again; returns whether it is gone."""
    yield sql["lock_day"], {"day": day}
    # Another process may have been faster.
    if (day,) not in (yield sql["list_days"], {}, tuple):
        return False
    if (yield sql["anything_kept"], {"day": day, "failed_since": _failed_since(now, ages)}):
        return False
    yield sql["drop_day"], {"day": day}
    return True


def delete_event_keys(after: int) -> Operation[int]:
    """Delete the next keys whose events are gone with their day; returns the last one's event id, or 0."""
    days = yield sql["list_days"], {}, tuple
    before = first_id_of(days[0][0] * DAY_MICROSECONDS)
    rows = yield sql["delete_event_keys"], {"after": after, "before": before, "most": STEP_EVENTS}, tuple
    return max((event_id for (event_id,) in rows), default=0)


def _failed_since(now: int, ages: Ages) -> int:
    return first_id_of(now - ages.failed_days * DAY_MICROSECONDS)
