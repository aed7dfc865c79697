"""Processes that bring the tables up to date, and what is seen of them from outside."""

from multiprocessing.connection import Connection

from ombud.db.connect import open_database
from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.db.operation import Make, Operation, Statement
from tests.faults.mailbox.driver import driver
from tests.faults.mailbox.post import once
from tests.faults.mailbox.roles import Job

PARTS = ["ombud.mailbox", "ombud.sender", "ombud.receiver", "ombud.admin", "ombud.shop"]

_COLUMNS = Statement(
    "list_columns",
    "select 'table' as kind, name, sql as text from sqlite_master where sql is not null order by name",
    "select table_name as kind, column_name as name, data_type || is_nullable || coalesce(column_default, '') as text"
    " from information_schema.columns where table_schema = 'ombud'"
    " union all select 'index', indexname, indexdef from pg_indexes where schemaname = 'ombud'"
    " union all select 'function', p.proname::text, p.prosrc from pg_proc p"
    " where p.pronamespace = 'ombud'::regnamespace"
    " order by 1, 2",
)
# Rows as the first version of the mailbox kept them.
EVENTS = 40
_FIRST_ROWS = (
    "insert into lane(id, box, shop_id, destination_id) values (1, 1, 1, 1)",
    """insert into event(shop_id, id, box, type, subject, created_at, fan_out)
    values (1, :number, 1, 'order.new', 'order/7', 1795000000000000 + :number * 3600000000, 1)""",
    """insert into delivery(shop_id, event_id, lane_id, subject, state, due_at)
    values (1, :number, 1, 'order/7', :number % 3, 1795000000000000 + :number * 3600000000)""",
    """insert into attempt(shop_id, event_id, lane_id, id, generation, at, milliseconds, outcome)
    values (1, :number, 1, :number, 0, 1795000000000000, 1, 'done')""",
)
_KEPT = Statement(
    "count_rows",
    "select (select count(*) from event e where e.day = e.created_at / 86400000000),"
    " (select count(*) from delivery d join event e on e.day = d.day and e.id = d.event_id"
    "  where d.state = d.event_id % 3),"
    " (select count(*) from attempt a join event e on e.day = a.day and e.id = a.event_id)",
)


async def migrate_all(job: Job, line: Connection) -> None:
    """Bring all tables up to date, once the line says so, and tell by which points it came."""
    line.recv()
    database = open_database(job.url)
    migrate(database, PARTS)
    database.close()
    line.send(dict(driver.hits))


def shape(url: str) -> list[tuple[str, ...]]:
    """Return all that is in the schema."""
    database = open_database(url)
    try:
        return database.read(once(_COLUMNS))
    finally:
        database.close()


def fill_first_version(url: str) -> None:
    """Store rows as the first version kept them."""
    database = open_database(url)
    lane, *others = (Statement("insert_first", text) for text in _FIRST_ROWS)
    database.write(once(lane))
    database.write(_each(others))
    database.close()


def _each(statements: list[Statement]) -> Make[None]:
    def run() -> Operation[None]:
        for statement in statements:
            yield statement, [{"number": number} for number in range(1, EVENTS + 1)]

    return run


def kept_rows(database: Database) -> tuple[int, ...]:
    """Return how many events, deliveries and attempts of the first version are where the newest one looks for them."""
    [counts] = database.read(once(_KEPT))
    return counts
