"""A sender's mailbox as the campaigns use it: real tables, lanes and settings, opened by many processes; no HTTP."""

import random
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from ombud.clock import now_microseconds
from ombud.db.connect import open_database
from ombud.db.database import Clock, Database
from ombud.db.migrate import migrate
from ombud.db.operation import Make, Operation, Statement
from ombud.db.postgres import PostgresDatabase
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox import holder, performer, worker
from ombud.mailbox.mailbox import DAY_MICROSECONDS
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings

# Seconds: retries and probes come soon, so that a short campaign sees many.
RETRY_SECONDS = (0.05,) * 200
PROBE_SECONDS = (0.05, 0.2)
# Deliveries in flight for one lane: what one kill may repeat.
WINDOW_CAP = 8
# Subjects of one shop's events: so few that two of one subject often wait together.
SUBJECTS = 4

_PENDING = Statement("count_pending", "select count(*) from delivery where state = 0")
_LANES = Statement("list_lanes", "select id from lane order by id")
_HELD = Statement("list_held", "select id from lane where hold_until = 4611686018427387904 or given_up_at is not null")
# What no moment of quiet may show: a lane that nobody owns and that sleeps past what is due on it.
_ASLEEP = Statement(
    "list_asleep",
    "select l.id from lane l join delivery d on d.lane_id = l.id and d.state = 0 where l.lease_token is null"
    " group by l.id, l.wake_at, l.hold_until having l.wake_at > l.hold_until and l.wake_at > min(d.due_at)"
    " and l.wake_at > :now and min(d.due_at) < :now",
)


# Where deliveries lead, though nothing is sent: what is allowed by name has no limits of its own.
HERE = ip_network("127.0.0.0/8")


def open_sender(url: str, *, lease_seconds: float, clock: Clock | None = None) -> Sender:
    """Open the sender of a campaign in this process."""
    # A lane is given back as soon as it is empty, and elections and what the database refused are soon repeated: all
    # of these moments come often.
    vars(holder).update(LINGER_SECONDS=0.02)
    vars(worker).update(STORAGE_PAUSE_SECONDS=0.02)
    vars(performer).update(ELECTION_SECONDS=0.05)
    settings = Settings(
        database_url=url,
        retry_seconds=RETRY_SECONDS,
        probe_seconds=PROBE_SECONDS,
        window_cap=WINDOW_CAP,
        lease_seconds=lease_seconds,
        allow_networks=(HERE,),
    )
    return Sender(open_with(url, clock), settings)


def open_with(url: str, clock: Clock | None) -> Database:
    """Open a database that goes by this clock."""
    if clock is None:
        return open_database(url)
    if url.startswith("sqlite:"):
        return SqliteDatabase(Path(url.removeprefix("sqlite:///")), clock)
    return PostgresDatabase(url, clock)


def found(url: str, shops: Sequence[int]) -> None:
    """Make the tables, and an endpoint with its lane for each shop."""
    migrate_database(url)
    sender = open_sender(url, lease_seconds=1.0)
    for shop_id in shops:
        add_endpoint(sender, shop_id)
    sender.close()


def found_long_ago(url: str) -> None:
    """Make the tables, and a first endpoint, so long ago that whole days have gone since."""
    migrate_database(url)
    sender = open_sender(url, lease_seconds=1.0, clock=lambda: now_microseconds() - 100 * DAY_MICROSECONDS)
    add_endpoint(sender, 1)
    sender.close()


def migrate_database(url: str) -> None:
    database = open_database(url)
    migrate(database, ["ombud.mailbox", "ombud.sender"])
    database.close()


def add_endpoint(sender: Sender, shop_id: int) -> tuple[int, int]:
    """Give a shop an endpoint; returns it and its lane."""
    edit = EndpointEdit(f"https://{HERE[1]}/hook")
    endpoint = sender.database.write(lambda: sender.endpoints.add(edit, shop_id))
    return endpoint.id, endpoint.lane_id


def random_event(chance: random.Random, shops: int, key: str) -> Event:
    """Return an event of a random shop about one of its few subjects, under its own key."""
    return Event("order.new", str(chance.randrange(SUBJECTS)), chance.randint(1, shops), key)


def pending(database: Database) -> int:
    """Return how many deliveries have not ended."""
    return int(numbers(database, _PENDING)[0])


def lanes(database: Database) -> list[int]:
    return numbers(database, _LANES)


def held_lanes(database: Database) -> list[int]:
    """Return the lanes that wait for somebody to resume them."""
    return numbers(database, _HELD)


def asleep(database: Database) -> set[int]:
    """Return the lanes that sleep past what is due: of those nobody would think again."""
    return set(numbers(database, _ASLEEP))


def numbers(database: Database, statement: Statement) -> list[int]:
    """Return the one column of a statement's rows."""
    return [number for (number,) in database.read(once(statement))]


def once(statement: Statement) -> Make[list[tuple[Any, ...]]]:
    """Run a statement without parameters."""

    def run() -> Operation[list[tuple[Any, ...]]]:
        return (yield statement, {}, tuple)

    return run
