"""What people look at is found by indexes, however much there is: nothing passes all events, deliveries or tries."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ombud.admin.tally import HOURS
from ombud.db.database import Database
from ombud.db.dialect import ROWS, parameters
from ombud.db.migrate import migrate
from ombud.db.operation import Operation, Row, Statement
from ombud.db.queries import read_queries
from ombud.db.sqlite import SqliteDatabase
from tests.support.databases import POSTGRES, lend_home
from tests.support.postgres import PostgresServers

PARTS = ["ombud.mailbox", "ombud.sender", "ombud.receiver", "ombud.admin", "ombud.shop"]
FILES = ("queries.sql", "people.sql", "tally.sql", "deliveries.sql", "inbox.sql", "alarms.sql")
STATEMENTS = {statement.name: statement for file in FILES for statement in read_queries("ombud.admin", file)} | {
    statement.name: statement for statement in HOURS.values()
}
# `from event e`, `join delivery d`: what a plan calls them.
_NAMED = re.compile(r"\b(?:from|join) \(?(event|delivery|attempt)\b(?: (?!where|order|join|left|cross|on\b)(\w+))?")


EVERY = [
    *STATEMENTS.values(),
    *read_queries("ombud.admin", "audit.sql"),
    *read_queries("ombud.shop", "queries.sql"),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    made = SqliteDatabase(tmp_path_factory.mktemp("plans") / "ombud.db")
    migrate(made, PARTS)
    yield made
    made.close()


def scans_of(database: Database, statement: Statement) -> list[str]:
    """Return the steps of a plan that pass a whole table of those that grow."""
    # A subquery may have the name of a table within it: `CO-ROUTINE e` is bounded by its own steps.
    steps = plan_of(database, statement.sql)
    subqueries = {step.removeprefix("CO-ROUTINE ") for step in steps if step.startswith("CO-ROUTINE ")}
    named = {alias or table for table, alias in _NAMED.findall(statement.sql)} - subqueries
    return [step for step in steps if step.split()[0] == "SCAN" and step.split()[1] in named]


def plan_of(database: Database, sql: str) -> list[str]:
    values = dict.fromkeys(parameters(sql))

    def explain() -> Operation[list[str]]:
        found: list[str] = yield Statement("explain", f"explain query plan {sql}"), values, lambda row: row[3]
        return found

    return database.read(explain)


@pytest.mark.parametrize("name", STATEMENTS)
def test_nothing_is_read_whole(database: Database, name: str) -> None:
    assert scans_of(database, STATEMENTS[name]) == []


@pytest.mark.parametrize(
    "text",
    [
        "select * from event where subject = :subject",
        "select * from event e join delivery d on d.event_id = e.id where e.day = :day",
        "select 1 from lane l left join (delivery d join event e on e.id = d.event_id) on d.lane_id = l.id",
        "select 1 from attempt a where a.lane_id = :lane_id order by a.at",
    ],
)
def test_a_statement_that_reads_all_is_noticed(database: Database, text: str) -> None:
    assert scans_of(database, Statement("bad", text)) != []


@pytest.mark.parametrize("name", ["arrivals_of_subject", "runs_of_subject", "first_arrival", "changes_after_reading"])
def test_a_subject_is_found_in_the_index_of_subjects(database: Database, name: str) -> None:
    """In another one, every arrival of other subjects would be passed."""
    assert any("USING INDEX event_subject" in step for step in plan_of(database, STATEMENTS[name].sql))


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("failing_now", "endpoint_closed"),
        ("disabled_now", "endpoint_disabled"),
        ("late_work", "lane_wake"),
        ("refused_keys", "inbox_shop_refused"),
        ("found_without_webhook", "meter_found"),
        ("known_alarms", "alarm_present"),
    ],
)
def test_what_is_wrong_is_found_by_what_is_wrong_alone(database: Database, name: str, index: str) -> None:
    """These run every ten seconds, in every process."""
    assert any(f"INDEX {index} " in f"{step} " for step in plan_of(database, STATEMENTS[name].sql))


def test_a_single_event_is_looked_for_in_each_day(database: Database) -> None:
    for name in ("get_event", "get_arrival"):
        [step] = [step for step in plan_of(database, STATEMENTS[name].sql) if re.match(r"SEARCH e(vent)? ", step)]
        assert "id=? AND day=?" in step or "day=? AND id=?" in step


@pytest.mark.parametrize("kind", POSTGRES)
def test_postgresql_understands_every_statement(kind: str, tmp_path: Path, postgres_servers: PostgresServers) -> None:
    with lend_home(kind, tmp_path, postgres_servers) as home:
        made = home.open()
        migrate(made, PARTS)
        for statement in EVERY:
            assert made.write(partial(explained, statement)), statement.name
        made.close()


def explained(statement: Statement) -> Operation[list[Row]]:
    nulls = ", ".join(f"null::{kind} as {name}" for name, kind in statement.columns)
    sql = statement.postgres.replace(ROWS, f"(select {nulls})")
    # Nulls, but where two of them would be added.
    values = {name: 1 if name in {"first", "amount"} else None for name in parameters(sql)}
    found: list[Row] = yield Statement("explain", f"explain {sql}"), values
    return found
