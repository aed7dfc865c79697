"""A delivery is found by its key, however much waits in its lane; PostgreSQL would rather look through the lane."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ombud.db.database import Database
from ombud.db.dialect import Columns
from ombud.db.migrate import migrate
from ombud.db.queries import read_queries
from ombud.mailbox.retention import open_days
from tests.support.databases import POSTGRES, lend_home
from tests.support.plans import plan_of, run
from tests.support.postgres import PostgresServers

BY_KEY = {
    ("ombud.mailbox", "settle_deliveries"),
    ("ombud.mailbox", "settle_and_tell"),
    ("ombud.mailbox", "end_unstarted"),
    ("ombud.receiver", "hold_arrival"),
    ("ombud.receiver", "put_first"),
}
AT_ONCE = 20
# Nearly all of a day has ended, and a tenth of it waits in one lane.
STORE = """
insert into delivery(day, shop_id, event_id, lane_id, subject, due_at, state)
select (select max(day) from day), 1, n, 1 + n % 10, 'order/1', 1, case when n % 10 = 0 then 0 else 1 end
from generate_series(1, 20000) n
"""


@pytest.fixture(scope="module", params=POSTGRES)
def database(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> Iterator[Database]:
    with lend_home(request.param, Path(), postgres_servers) as home:
        opened = home.open()
        migrate(opened, ["ombud.mailbox", "ombud.receiver"])
        opened.write(lambda: open_days(opened.clock()))
        for sql in (STORE, "analyze delivery"):
            opened.write(partial(run, sql))
        yield opened
        opened.close()


def plan(database: Database, sql: str, columns: Columns) -> str:
    """Return the plan of a statement for rows of a lane that has much waiting."""
    return plan_of(database, sql, columns, {name: ["1"] * AT_ONCE for name, _ in columns})


@pytest.mark.parametrize(("package", "name"), sorted(BY_KEY))
def test_a_delivery_is_found_by_its_key(database: Database, package: str, name: str) -> None:
    [statement] = [one for one in read_queries(package, "queries.sql") if one.name == name]
    assert "_pkey" in plan(database, statement.postgres, statement.columns)
    assert "_due_at_" not in plan(database, statement.postgres, statement.columns)


@pytest.mark.parametrize(("package", "name"), sorted(BY_KEY))
def test_a_plan_through_all_that_waits_is_noticed(database: Database, package: str, name: str) -> None:
    [statement] = [one for one in read_queries(package, "queries.sql") if one.name == name]
    assert "_due_at_" in plan(database, statement.postgres.replace("state + 0 = 0", "state = 0"), statement.columns)
