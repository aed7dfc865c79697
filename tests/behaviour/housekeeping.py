"""What the janitor does to old days, step by step and at once."""

from functools import partial

from ombud.mailbox import retention
from ombud.mailbox.model import Ages
from tests.mailbox.office import Office


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
                after = office.run(partial(retention.delete_event_keys, day, max(0, after)))


def copy_forward(office: Office, day: int, ages: Ages) -> None:
    """Copy what outlives a day to the newest one."""
    after = 0
    while events := office.run(partial(retention.kept_of, day, ages, office.clock(), after)):
        if not office.run(partial(retention.move, day, events)):
            return
        after = max(events)
