"""Storing in a minute what an installation stores in days."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ombud.admin.tally import HOUR, KEPT_SPANS, SPAN, WHOLE_SPAN
from ombud.db.database import Database
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.mailbox.ids import COUNTER_BITS, first_id_of
from ombud.mailbox.mailbox import DAY_MICROSECONDS
from ombud.mailbox.mailbox import sql as mailbox_sql
from ombud.mailbox.model import Box
from ombud.receiver.documents import pack
from ombud.receiver.meter import ASKED, KEPT, LIMITED, PURPOSES, TOLD
from ombud.receiver.meter import HOUR as METER_HOUR

sql = read_queries("bench.panel", "fill.sql")

# Days of rows, and of counts.
DAYS, COUNTED_DAYS = 3, 7
# Rows of one transaction.
STEP_ROWS = 100_000
# The number in an id of who stored it; the three boxes have one each.
NODES = {Box.OUTBOX: 1, Box.INBOX: 2, Box.CHANGES: 3}
HANDLER_LANE = 77
# Versions of objects of the shop's API, which take turns.
VERSIONS = 900
# What is counted by the hour of a shop.
COUNTED = [
    f"{TOLD} {kind} {source}" for kind in ("order", "product") for source in ("webhook", "inferred", "reconcile")
]
COUNTED += [f"{ASKED} {purpose}" for purpose in (*PURPOSES.values(), LIMITED)]


@dataclass(frozen=True)
class Size:
    """How much is stored. `arrivals`: and as many changes."""

    deliveries: int
    arrivals: int
    shops: int = 200
    endpoints: int = 2_000
    subjects: int = 50_000


@dataclass(frozen=True)
class InboxShop:
    """The shop whose arrivals are stored."""

    id: int
    lane_id: int


def fill(database: Database, size: Size, shop: InboxShop, now: int) -> Iterator[str]:
    """Store all of it; says what is being stored. `now`: UTC microseconds."""
    start = now - now % SPAN - DAYS * DAY_MICROSECONDS
    yield "endpoints"
    database.write(lambda: _open(start, now))
    both = {"first": 0, "last": size.endpoints - 1, "shops": size.shops, "start": start}
    database.write(lambda: _endpoints(both))
    database.write(lambda: _inbox(shop, start))
    shared = {"shops": size.shops, "lanes": size.endpoints, "subjects": size.subjects, "start": start}
    for box, amount in ((Box.OUTBOX, size.deliveries), (Box.INBOX, size.arrivals), (Box.CHANGES, size.arrivals)):
        values = shared | {"box": int(box), "node": NODES[box], "step": DAYS * DAY_MICROSECONDS // amount}
        values |= _owner(box, shop)
        for first in range(0, amount, STEP_ROWS):
            yield f"{box.name.lower()}: {first:,} of {amount:,}"
            part = values | {"first": first, "last": min(amount, first + STEP_ROWS) - 1}
            database.write(partial(_rows, box, part))
    yield "traces"
    for day in range(start // DAY_MICROSECONDS, now // DAY_MICROSECONDS + 1):
        database.write(partial(_traces, day))
    yield "counts"
    for since in range(now - now % SPAN - COUNTED_DAYS * DAY_MICROSECONDS, now, SPAN):
        database.write(partial(_counts, size, since, now))
    database.write(lambda: _whole(now - now % SPAN - COUNTED_DAYS * DAY_MICROSECONDS))


def id_of(size: Size, place: int, now: int, box: Box = Box.OUTBOX) -> int:
    """Return the id of the event with that number."""
    amount = size.deliveries if box is Box.OUTBOX else size.arrivals
    start = now - now % SPAN - DAYS * DAY_MICROSECONDS
    at = start + place * (DAYS * DAY_MICROSECONDS // amount)
    return first_id_of(at) + (NODES[box] << COUNTER_BITS) + place % (1 << COUNTER_BITS)


def _owner(box: Box, shop: InboxShop) -> dict[str, int]:
    """Return whose rows they are; 0: each endpoint's."""
    if box is Box.OUTBOX:
        return {"shop_id": 0, "lane_id": 0}
    return {"shop_id": shop.id, "lane_id": shop.lane_id if box is Box.INBOX else HANDLER_LANE}


def _open(start: int, now: int) -> Operation[None]:
    for day in range(start // DAY_MICROSECONDS, now // DAY_MICROSECONDS + 1):
        yield mailbox_sql["make_day"], {"day": day}
        yield mailbox_sql["open_day"], {"day": day}


def _endpoints(values: dict[str, int]) -> Operation[None]:
    numbers = {name: values[name] for name in ("first", "last", "shops")}
    yield sql["fill_lanes"], numbers
    yield sql["fill_endpoints"], values
    yield sql["fill_subscriptions"], numbers
    yield sql["fill_handler"], {"start": values["start"]}


def _inbox(shop: InboxShop, start: int) -> Operation[None]:
    yield sql["fill_handler_lane"], {"shop_id": shop.id}
    body = pack({"id": 1, "status": "paid", "products": [{"sku": f"MUG-{number}"} for number in range(20)]})
    for number in range(VERSIONS):
        values = {"shop_id": shop.id, "version": f"v{number}", "body": body, "start": start}
        yield sql["fill_document"], values
    hours = {
        "shop_id": shop.id,
        "first": 0,
        "last": KEPT // METER_HOUR - 1,
        "start": start + DAYS * DAY_MICROSECONDS - KEPT,
    }
    for what in COUNTED:
        yield sql["fill_meter"], hours | {"what": what}


def _traces(day: int) -> Operation[None]:
    yield sql["fill_traces"], {"day": day}


def _rows(box: Box, values: dict[str, Any]) -> Operation[None]:
    names = ["fill_events", "fill_deliveries", "fill_attempts"]
    if box is Box.INBOX:
        names.append("fill_readings")
    for name in names:
        taken = {key for key in values if f":{key}" in sql[name].sql}
        yield sql[name], {key: values[key] for key in taken}


def _counts(size: Size, since: int, now: int) -> Operation[None]:
    numbers = {"first": 0, "last": size.endpoints - 1, "since": since}
    if since > now - KEPT_SPANS:
        yield sql["fill_tally"], numbers
    if since % HOUR == 0:
        yield sql["fill_hours"], numbers
    yield sql["fill_accepted"], {"first": 0, "last": size.shops - 1, "since": since}


def _whole(start: int) -> Operation[None]:
    values = {"first": 0, "last": COUNTED_DAYS * DAY_MICROSECONDS // WHOLE_SPAN - 1, "start": start}
    for name in ("fill_whole", "fill_accepted_whole", "fill_backlog"):
        yield sql[name], values
