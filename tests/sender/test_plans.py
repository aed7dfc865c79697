"""Whoever publishes finds the endpoints of its shops by index, however many shops there are."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.sender.outbox import sql
from tests.support.databases import POSTGRES, lend_home
from tests.support.plans import plan_of, run
from tests.support.postgres import PostgresServers

SHOPS = 3_000
# Shops of one array of events.
AT_ONCE = 500
STORE = f"""
insert into endpoint(shop_id, id, lane_id, url, description, enabled, created_at, updated_at)
select n, n, n, 'https://shop.example/' || n, '', 1, 1, 1 from generate_series(1, {SHOPS}) n;
insert into subscription(shop_id, event_type, endpoint_id)
select n, t, n from generate_series(1, {SHOPS}) n, unnest(array['order.new', 'order.done', 'product.update']) t;
"""
NAIVE = """
select r.shop_id, r.event_type, e.lane_id, e.lanes, e.id
from {rows} r join subscription s on s.shop_id in (r.shop_id, 0) and s.event_type = r.event_type
  join endpoint e on e.shop_id = s.shop_id and e.id = s.endpoint_id
"""


@pytest.fixture(scope="module", params=POSTGRES)
def database(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> Iterator[Database]:
    with lend_home(request.param, Path(), postgres_servers) as home:
        opened = home.open()
        migrate(opened, ["ombud.mailbox", "ombud.sender"])
        for text in (*STORE.split(";")[:-1], "analyze endpoint", "analyze subscription"):
            opened.write(partial(run, text))
        yield opened
        opened.close()


def plan(database: Database, text: str) -> str:
    """Return the plan for an array of events, each of another shop."""
    values = {"shop_id": [str(n) for n in range(1, AT_ONCE + 1)], "event_type": ["order.new"] * AT_ONCE}
    return plan_of(database, text, sql["lanes_for"].columns, values)


def test_endpoints_are_found_by_index(database: Database) -> None:
    assert "Seq Scan" not in plan(database, sql["lanes_for"].postgres)


def test_a_plan_through_all_subscriptions_is_noticed(database: Database) -> None:
    assert "Join Filter" in plan(database, NAIVE)
    assert "Join Filter" not in plan(database, sql["lanes_for"].postgres)
