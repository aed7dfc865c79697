"""The audit finds every kind of row that somebody damages by hand, and nothing in a database that is well."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from ombud.admin import audit as audit_module
from ombud.admin import checks as checks_module
from ombud.admin.audit import EXAMPLES, Performs, audit
from ombud.admin.checks import CHECKS
from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.db.operation import Operation, Row, Statement
from ombud.db.queries import read_queries
from ombud.db.sqlite import SqliteDatabase
from tests.admin.audited import audit_damaged, make_receiver, make_sender, rows
from tests.admin.damages import SENDER, Damage
from tests.admin.receiver_damages import RECEIVER
from tests.support.databases import KINDS, Home, lend_home
from tests.support.postgres import PostgresServers

EVERY = [*((make_sender, one) for one in SENDER), *((make_receiver, one) for one in RECEIVER)]

Make = Callable[[Home], None]
NOBODY: Performs = lambda _: False  # noqa: E731
EVERYBODY: Performs = lambda _: True  # noqa: E731


@pytest.fixture(scope="module", params=KINDS)
def healthy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_servers: PostgresServers
) -> Iterator[Callable[[Make], Database]]:
    """Databases that are well, of each kind, each made once. Whoever damages one leaves it as it was."""
    homes, databases = [], {}

    def made(make: Make) -> Database:
        if make not in databases:
            homes.append(lend_home(request.param, tmp_path_factory.mktemp("healthy"), postgres_servers))
            home = homes[-1].__enter__()
            make(home)
            databases[make] = home.open()
        return databases[make]

    yield made
    for database in databases.values():
        database.close()
    for home in homes:
        home.__exit__(None, None, None)


Healthy = Callable[[Make], Database]


@pytest.mark.parametrize("make", [make_sender, make_receiver])
def test_what_is_well_gives_no_finding(make: Make, healthy: Healthy) -> None:
    database = healthy(make)
    for performs in (None, NOBODY, EVERYBODY) if database.exclusive else (None,):
        report = database.read(partial(audit, performs))
        assert report.findings == []
        assert report.sound


def test_the_healthy_databases_hold_every_state(healthy: Healthy) -> None:
    """Else the test above would prove little."""
    sender, receiver = healthy(make_sender), healthy(make_receiver)
    for database in (sender, receiver):
        assert rows(database, "select distinct state from delivery order by state")[:2] == [(0,), (1,)]
    assert rows(sender, "select count(distinct state), max(generation), max(rank) from delivery") == [(4, 1, 1)]
    assert rows(sender, "select count(*) from lane where lease_token is not null") != [(0,)]
    assert rows(sender, "select count(*) from attempt where late = 1") == [(1,)]
    outcomes = {word for (word,) in rows(sender, "select outcome from attempt")}
    assert {"done", "dead", "retry", "interrupted", "crashed"} <= outcomes
    for state in ("closed_at is not null", "given_up_at is not null", "crashes > 0", "started_event_id is not null"):
        assert rows(sender, f"select count(*) from lane where {state}") != [(0,)], state
    for database in (sender, receiver):
        held = "select count(*) from delivery d join lane l on l.id = d.lane_id where d.state = 0 and hold_until > 0"
        assert rows(database, held) != [(0,)]
    assert rows(receiver, "select count(*) from delivery where reason like 'covered by %'") == [(2,)]
    for table in ("reading", "document", "mirror", "ledger"):
        assert rows(receiver, f"select count(*) from {table}") != [(0,)]


@pytest.mark.parametrize(("make", "done"), EVERY, ids=[one.name for _, one in EVERY])
def test_damage_is_found(make: Make, done: Damage, healthy: Healthy) -> None:
    database = healthy(make)
    if done.only_sqlite and not database.exclusive:
        return
    named = done.shown(*rows(database, done.where)[0]) if done.where else ""
    report = audit_damaged(database, *done.statements)

    assert {finding.kind for finding in report.findings} == done.kinds
    assert named in str(report.findings)


def test_every_check_has_been_seen_to_find_something() -> None:
    proved = set.union(*(one.kinds for _, one in EVERY))
    assert {check.name for check in CHECKS} - proved == set()


def test_many_findings_are_counted_and_few_are_shown(healthy: Healthy) -> None:
    database = healthy(make_sender)
    report = audit_damaged(database, "update event set fan_out = 99")
    (finding,) = report.findings
    assert finding.count == len(rows(database, "select id from event"))
    assert len(finding.examples) == EXAMPLES


def test_a_statement_for_each_check_and_none_besides(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "ombud.db")
    migrate(database, ["ombud.mailbox", "ombud.sender", "ombud.receiver"])
    source = "".join(Path(module.__file__ or "").read_text() for module in (audit_module, checks_module))

    def explain(statement: Statement) -> Operation[list[Row]]:
        found: list[Row] = yield (
            Statement("explain", f"explain {statement.sql}"),
            dict.fromkeys(re.findall(r":([a-z_]+)", statement.sql)),
        )
        return found

    for statement in read_queries("ombud.admin", "audit.sql"):
        assert database.read(partial(explain, statement))
        assert f'"{statement.name}"' in source
    database.close()
