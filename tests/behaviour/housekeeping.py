"""What the janitor does to old days, step by step and at once, and short words for the time that passes."""

from functools import partial

from ombud.mailbox import retention
from ombud.mailbox.mailbox import DAY_MICROSECONDS
from ombud.mailbox.model import Ages, Lane, Retry, State
from tests.mailbox.office import Office, StoppedClock


def end_days(office: Office, ages: Ages) -> None:
    """Open today and end every day that is old enough, as far as what is in somebody's hands allows."""
    now = office.clock()
    office.run(lambda: retention.open_days(now))
    for day in office.run(lambda: retention.old_days(now, ages)):
        copy_forward(office, day, ages)
        while office.run(partial(retention.delete_step, day, ages, now)):
            pass
        if office.run(partial(retention.drop, day, ages, now)):
            after = -1
            while after:
                after = office.run(partial(retention.delete_event_keys, max(0, after)))


def copy_forward(office: Office, day: int, ages: Ages) -> None:
    """Copy what outlives a day to the newest one."""
    after = 0
    while events := office.run(partial(retention.kept_of, day, ages, office.clock(), after)):
        if not office.run(partial(retention.move, day, events)):
            return
        after = max(events)


def days_pass(clock: StoppedClock, days: float) -> None:
    clock.jump(days * 86_400)


def days(office: Office) -> list[int]:
    return [row["day"] for row in office.rows("select day from day order by day")]


def today(office: Office) -> int:
    return office.clock() // DAY_MICROSECONDS


def end(office: Office, event_id: int, state: State, lane_id: int | None = None) -> None:
    office.rows(
        "update delivery set state = :state where event_id = :event_id and lane_id = coalesce(:lane_id, lane_id)",
        state=state,
        event_id=event_id,
        lane_id=lane_id,
    )


def try_once(office: Office, event_id: int, lane_id: int) -> None:
    """Put a try on record."""
    lane = Lane(lane_id, 1, 1, 0, 0)
    delivery = next(one for one in office.load(lane, most=1_000).deliveries if one.event_id == event_id)
    office.settle(lane, delivery, Retry("no"))


def stored(office: Office, table: str) -> dict[int, set[int]]:
    """Return the days of each event's rows."""
    name = "id" if table == "event" else "event_id"
    found: dict[int, set[int]] = {}
    for row in office.rows(f"select day, {name} as event_id from {table}"):
        found.setdefault(row["event_id"], set()).add(row["day"])
    return found
