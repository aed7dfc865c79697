"""What must not be in a database, each with the statement of audit.sql that finds it and a sentence that says it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ombud.admin.events import rfc3339
from ombud.db.operation import Row
from ombud.mailbox.ids import format_delivery_id, format_id
from ombud.mailbox.model import NEVER

MAILBOX, SENDER, RECEIVER = "ombud.mailbox", "ombud.sender", "ombud.receiver"

_FIRST_DATE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Check:
    """One thing that must not be: the name of its statement, and what is said of each row that it finds."""

    name: str
    sentence: str
    part: str = MAILBOX

    def say(self, row: Row) -> str:
        """Return the sentence about a row."""
        return self.sentence.format(**_words(row))


CHECKS = (
    Check("wrong_fan_out", "{event} was stored for {fan_out} deliveries, and there are {deliveries}."),
    Check("event_of_unknown_box", "{event} is in box {box}, which does not exist."),
    Check("event_of_unknown_day", "{event} stands under {date}, a day that was never opened: nothing finds it."),
    Check("event_in_two_days", "{event} is stored twice: under {date} and under {other_date}."),
    Check("delivery_without_event", "{delivery} is for {event}, which is not stored."),
    Check("delivery_of_other_day", "{delivery} stands under {date}, but {event} under {other_date}."),
    Check("delivery_without_lane", "{delivery} is on {lane}, which does not exist."),
    Check("delivery_on_foreign_lane", "{delivery} of {event} is on {lane}, which belongs to another box or shop."),
    Check("delivery_to_one_destination_twice", "{event} goes to one destination twice; {delivery} is one of the two."),
    Check("delivery_of_other_shop", "{delivery} is for shop {shop_id}, but {event} is of shop {event_shop_id}."),
    Check("delivery_of_other_subject", "{delivery} is about {subject}, but {event} is about {event_subject}."),
    Check("delivery_in_unknown_state", "{delivery} of {event} is in state {state}, which does not exist."),
    Check("delivery_ended_without_reason", "{delivery} of {event} is {state}, and nothing says why."),
    Check("delivery_done_without_attempt", "{delivery} of {event} is done, but no attempt says that it succeeded."),
    Check("attempts_not_counted", "{delivery} of {event} counts {attempts} attempts, and {recorded} are recorded."),
    Check("attempt_without_delivery", "An attempt of {at} is for {delivery} of {event}, which does not exist."),
    Check("attempt_of_other_day", "An attempt of {at} stands under {date}, but its {delivery} under {other_date}."),
    Check("delivery_never_due", "{delivery} of {event} is pending, but never due."),
    Check("lease_without_end", "{lane} is somebody's and wakes {wakes}: if its owner has died, nobody takes it over."),
    Check("lane_of_unknown_box", "{lane} is in box {box}, which nothing works in this database."),
    Check("event_key_without_event", "The event key {key!r} of shop {shop_id} stands for {event}, not stored.", SENDER),
    Check("event_key_of_other_shop", "The event key {key!r} of shop {shop_id} stands for {event} of another.", SENDER),
    Check("endpoint_without_lane", "{endpoint} has no lane of its own; it names {lane}.", SENDER),
    Check("lane_without_endpoint", "{lane} leads to no endpoint.", SENDER),
    Check("subscription_without_endpoint", "{endpoint} is to hear of {event_type}, but does not exist.", SENDER),
    Check("shop_without_lane", "The shop {name!r} has no lane for its reader.", RECEIVER),
    Check("lane_without_shop", "{lane} leads to no shop's reader.", RECEIVER),
    Check("lane_without_handler", "{lane} leads to no handler.", RECEIVER),
    Check("event_without_shop", "{event} belongs to shop {shop_id}, which is not in this inbox.", RECEIVER),
    Check("reading_without_arrival", "{reading} was asked for by {event}, which is not stored.", RECEIVER),
    Check("reading_without_document", "{reading} of {subject} found version {version}, not stored.", RECEIVER),
    Check("mirror_without_reading", "What is known of {subject} comes from {reading}, which is not stored.", RECEIVER),
    Check("mirror_without_document", "{subject} is known in version {version}, which is not stored.", RECEIVER),
    Check("ledger_without_handler", "A handler that does not exist was told {event_type} of {subject}.", RECEIVER),
    Check("ledger_without_document", "{handler} was told {event_type} of {subject}: a version not stored.", RECEIVER),
    Check("change_without_document", "{delivery} of {event} would tell of {subject}: a version not stored.", RECEIVER),
)
# These are asked of each box, with what is known of those who perform it.
ASLEEP = Check("lane_asleep", "{lane} wakes {wakes}, but work on it is due {due}; pending: {pending}, as {delivery}.")
ABANDONED = Check(
    "lane_abandoned", "The lease of {lane} ended {wakes}, and nobody took over; pending: {pending}, as {delivery}."
)
OVERLOOKED = Check(
    "lane_overlooked", "{lane} was due {wakes}, and its performer has not looked; pending: {pending}, as {delivery}."
)
OF_BOXES = (ASLEEP, ABANDONED, OVERLOOKED)


def _words(row: Row) -> Mapping[str, Any]:
    """Return a row with the words that its sentence needs: the ids as people see them, dates and times."""
    return {**row, **dict(_ids(row)), **dict(_times(row)), **dict(_dates(row))}


def _ids(row: Row) -> Iterator[tuple[str, str]]:
    for column, prefix in (("event_id", "evt"), ("lane_id", "lane"), ("endpoint_id", "ep"), ("reading_id", "rd")):
        number = row.get(column)
        yield column.removesuffix("_id"), format_id(prefix, number) if isinstance(number, int) else repr(number)
    if isinstance(row.get("event_id"), int) and isinstance(row.get("lane_id"), int):
        yield "delivery", format_delivery_id(row["event_id"], row["lane_id"])
    else:
        yield "delivery", "A delivery without an id"


def _times(row: Row) -> Iterator[tuple[str, str]]:
    for column, word in (("wake_at", "wakes"), ("due_at", "due"), ("at", "at")):
        if column in row:
            yield word, _time(row[column])


def _dates(row: Row) -> Iterator[tuple[str, str]]:
    for column, word in (("day", "date"), ("other_day", "other_date")):
        if column in row:
            yield word, _date(row[column])


def _time(microseconds: Any) -> str:
    """Return a time in words; what stands there may be anything."""
    if microseconds == NEVER:
        return "never"
    try:
        return rfc3339(microseconds)
    except (OverflowError, TypeError):
        return repr(microseconds)


def _date(day: Any) -> str:
    """Return the date of a day; what stands there may be anything."""
    try:
        return (_FIRST_DATE + timedelta(days=day)).date().isoformat()
    except (OverflowError, TypeError):
        return repr(day)
