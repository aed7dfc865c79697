"""What a hand may do to a sender's database, and what the audit must say of it."""

from collections.abc import Callable
from dataclasses import dataclass

from ombud.mailbox.ids import format_delivery_id, format_id
from ombud.mailbox.model import NEVER

# 77 is no id of the databases here. Statements are for both databases, and are given a `returning`.
# Ids, as subqueries, of rows in the states that a damage needs.
EVENT = "(select min(id) from event)"
DONE = "(select min(event_id) from delivery where state = 1)"
DONE_LANE = f"(select min(lane_id) from delivery where state = 1 and event_id = {DONE})"
IS_DONE = f"event_id = {DONE} and lane_id = {DONE_LANE}"
FREE_LANE = """(select min(d.lane_id) from delivery d join lane l on l.id = d.lane_id
  where d.state = 0 and l.lease_token is null and l.hold_until = 0)"""
TOMORROW = "insert into day(day) select max(day) + 1 from day"


@dataclass(frozen=True)
class Damage:
    """What is done to a database, what must be found, and where the example is that must be named."""

    name: str
    statements: tuple[str, ...]
    kinds: set[str]
    where: str = ""
    shown: Callable[..., str] = lambda *_: ""
    only_sqlite: bool = False


def _delivery_on_77(event_id: str) -> str:
    return f"""insert into delivery(day, shop_id, event_id, lane_id, subject, state, due_at, reason)
      select day, 1, id, 77, subject, 3, 1, 'x' from event where id = {event_id}"""


def evt(event_id: int) -> str:
    return format_id("evt", event_id)


def lane(lane_id: int) -> str:
    return format_id("lane", lane_id)


def reading(reading_id: int) -> str:
    return format_id("rd", reading_id)


def endpoint(endpoint_id: int) -> str:
    return format_id("ep", endpoint_id)


SENDER = (
    Damage(
        "a delivery is deleted, and its attempts are left",
        (f"delete from delivery where {IS_DONE}",),
        {"wrong_fan_out", "attempt_without_delivery"},
        f"select {EVENT}",
        evt,
    ),
    Damage(
        "a pending delivery is deleted",
        ("delete from delivery where event_id = (select max(event_id) from delivery where attempts = 0)",),
        {"wrong_fan_out"},
        "select max(id) from event",
        evt,
    ),
    Damage(
        "a delivery too many, on the lane of another shop",
        (
            "insert into lane(id, box, shop_id, destination_id) values (77, 1, 9, 77)",
            """
            insert into endpoint(shop_id, id, lane_id, url, description, enabled, created_at, updated_at)
            select 9, 77, 77, url, '', 1, 1, 1 from endpoint limit 1
            """,
            _delivery_on_77(EVENT),
        ),
        {"wrong_fan_out", "delivery_on_foreign_lane"},
        f"select {EVENT}, 77",
        format_delivery_id,
    ),
    Damage(
        "a delivery on the lane of another box",
        ("update event set box = 2",),
        {"delivery_on_foreign_lane"},
        f"select {EVENT}",
        evt,
    ),
    Damage(
        "two lanes of one destination",
        (
            f"""insert into lane(id, box, shop_id, destination_id, slot)
            select 77, box, shop_id, destination_id, 1 from lane where id = {DONE_LANE}""",
            _delivery_on_77(DONE),
            f"update event set fan_out = fan_out + 1 where id = {DONE}",
        ),
        {"delivery_to_one_destination_twice"},
        f"select {DONE}",
        evt,
    ),
    Damage(
        "a wrong fan_out",
        (f"update event set fan_out = 9 where id = {EVENT}",),
        {"wrong_fan_out"},
        f"select {EVENT}",
        evt,
    ),
    Damage(
        "a box that does not exist", ("update event set box = 9",), {"event_of_unknown_box", "delivery_on_foreign_lane"}
    ),
    Damage(
        "an event is deleted",
        (f"delete from event where id = {DONE}",),
        {"delivery_without_event", "event_key_without_event"},
        f"select {DONE}, {DONE_LANE}",
        format_delivery_id,
    ),
    Damage(
        "an attempt at nothing",
        (
            f"""insert into attempt(day, shop_id, event_id, lane_id, id, generation, at, milliseconds, outcome)
            select day, 1, id, 77, 1, 0, 1, 1, 'done' from event where id = {EVENT}""",
        ),
        {"attempt_without_delivery"},
        f"select {EVENT}, 77",
        format_delivery_id,
    ),
    Damage(
        "a lane is deleted",
        (f"delete from lane where id = {DONE_LANE}",),
        {"delivery_without_lane", "endpoint_without_lane"},
        f"select {DONE_LANE}",
        lane,
    ),
    Damage(
        "a lease that never ends",
        (f"update lane set wake_at = {NEVER}, lease_token = 5 where id = {FREE_LANE}",),
        {"lease_without_end"},
        f"select {FREE_LANE}",
        lane,
    ),
    Damage(
        "a lease of nothing that never ends",
        (
            f"""insert into lane(id, box, shop_id, destination_id, wake_at, lease_token)
            values (77, 1, 9, 77, {NEVER}, 5)""",
        ),
        {"lease_without_end", "lane_without_endpoint"},
        "select 77",
        lane,
    ),
    Damage(
        "a day is not known any more",
        ("delete from day where day = (select min(day) from event)",),
        {"event_of_unknown_day"},
        f"select {EVENT}",
        evt,
    ),
    Damage(
        "an event is copied to another day",
        (
            TOMORROW,
            f"""insert into event(day, shop_id, id, box, type, subject, created_at, fan_out)
            select day + 1, shop_id, id, box, type, subject, created_at, 0 from event where id = {EVENT}""",
        ),
        {"event_in_two_days"},
        f"select {EVENT}",
        evt,
    ),
    Damage(
        "a delivery is moved alone",
        (TOMORROW, f"update delivery set day = day + 1 where {IS_DONE}"),
        {"delivery_of_other_day", "wrong_fan_out", "attempt_of_other_day", "delivery_done_without_attempt"},
        f"select {DONE}, {DONE_LANE}",
        format_delivery_id,
    ),
    Damage(
        "attempts are moved alone",
        (TOMORROW, f"update attempt set day = day + 1 where {IS_DONE}"),
        {"attempt_of_other_day", "delivery_done_without_attempt"},
        f"select {DONE}, {DONE_LANE}",
        format_delivery_id,
    ),
    Damage(
        "a pending delivery that no load asks for",
        ("update delivery set rank = 7 where state = 0",),
        {"delivery_never_due"},
    ),
    Damage(
        "a delivery of another shop",
        (f"update delivery set shop_id = 9 where {IS_DONE}",),
        {"delivery_of_other_shop"},
        f"select {DONE}, {DONE_LANE}",
        format_delivery_id,
    ),
    Damage(
        "a pending delivery is never due",
        (f"update delivery set due_at = {NEVER} where state = 0",),
        {"delivery_never_due"},
    ),
    Damage(
        "dead without a reason",
        ("update delivery set reason = null where state = 2",),
        {"delivery_ended_without_reason"},
        "select min(event_id) from delivery where state = 2",
        evt,
    ),
    Damage(
        "skipped without a reason",
        ("update delivery set reason = '' where state = 3",),
        {"delivery_ended_without_reason"},
    ),
    Damage(
        "an unknown state",
        (f"update delivery set state = 7 where {IS_DONE}",),
        {"delivery_in_unknown_state"},
        f"select {EVENT}",
        evt,
    ),
    Damage(
        "attempts that are not counted",
        (f"update delivery set attempts = 0 where {IS_DONE}",),
        {"attempts_not_counted"},
        f"select {DONE}, {DONE_LANE}",
        format_delivery_id,
    ),
    Damage(
        "done, and nobody tried",
        (f"delete from attempt where {IS_DONE}",),
        {"delivery_done_without_attempt"},
        f"select {DONE}, {DONE_LANE}",
        format_delivery_id,
    ),
    Damage(
        "a delivery about something else",
        (f"update delivery set subject = 'order/x' where {IS_DONE}",),
        {"delivery_of_other_subject"},
    ),
    Damage(
        "an endpoint on another's lane",
        ("update endpoint set lane_id = 77 where id = (select min(id) from endpoint)",),
        {"endpoint_without_lane"},
        "select min(id) from endpoint",
        endpoint,
    ),
    Damage(
        "an endpoint is deleted",
        ("delete from endpoint where id = (select min(id) from endpoint)",),
        {"lane_without_endpoint", "subscription_without_endpoint"},
        "select min(lane_id) from delivery",
        lane,
    ),
    Damage(
        "a lane that nothing works",
        ("insert into lane(id, box, shop_id, destination_id) values (77, 2, 1, 1)",),
        {"lane_of_unknown_box"},
        "select 77",
        lane,
    ),
    Damage(
        "an event key for nothing",
        ("insert into event_key values (1, 'paid-77', 77)",),
        {"event_key_without_event"},
        "select 'paid-77'",
        str,
    ),
    Damage(
        "an event key of another shop",
        ("update event_key set shop_id = 9 where key = 'key-1'",),
        {"event_key_of_other_shop"},
        "select 'key-1'",
        str,
    ),
    Damage(
        "ids that are no numbers",
        ("insert into event_key values (1, 'odd', 'text')",),
        {"event_key_without_event"},
        only_sqlite=True,
    ),
)
