"""The audit of PostgreSQL: what it may touch, what it says of pages, and what goes on beside it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ombud.admin.audit import sql as audit_statements
from ombud.admin.pages import sql as pages_sql
from ombud.cli.audit_postgres import audit_server
from ombud.db.operation import Statement
from ombud.db.postgres import PostgresDatabase
from ombud.db.postgres_session import Session
from ombud.errors import StorageUnavailable
from ombud.mailbox.model import Ages
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings
from tests.admin.audited import audited, damage, kinds, make_sender
from tests.admin.post import Janitor, Post, once
from tests.mailbox.office import StoppedClock
from tests.support.databases import POSTGRES, Home, lend_home
from tests.support.postgres import PostgresServer, PostgresServers
from tests.support.processes import Commands

DAY_SECONDS = 86_400.0
# A pending delivery that no index knows of: no query would ever find it due, and no row looks wrong.
HIDE_FROM_INDEX = """
set allow_system_table_mods = on;
update pg_index set indisready = false where indexrelid in
  (select inhrelid from pg_inherits where inhparent = 'ombud.delivery_due'::regclass);
update ombud.delivery set state = 0, reason = null where state = 3;
update pg_index set indisready = true where indexrelid in
  (select inhrelid from pg_inherits where inhparent = 'ombud.delivery_due'::regclass);
"""


@pytest.fixture(params=POSTGRES)
def home(request: pytest.FixtureRequest, tmp_path: Path, postgres_servers: PostgresServers) -> Iterator[Home]:
    """An empty database of each server."""
    with lend_home(request.param, tmp_path, postgres_servers) as lent:
        yield lent


@pytest.fixture
def sql(home: Home, request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> Callable[[str], list[str]]:
    """Run SQL as the owner of the server."""
    server: PostgresServer = postgres_servers[POSTGRES[request.node.callspec.params["home"]]]
    name = home.url.partition("@/")[2].partition("?")[0]
    return lambda text: server.sql(text, name)


Sql = Callable[[str], list[str]]

# The wheel's PostgreSQL comes without this extension.
ONLY_DEBIAN = pytest.mark.parametrize("home", ["postgres-debian"], indirect=True)


def test_a_database_that_is_well(home: Home, commands: Commands) -> None:
    make_sender(home)
    done = commands.run("audit", "--database", home.url)
    assert (done.code, done.error) == (0, "")
    assert " is sound: 16 events" in done.out
    assert "Lanes of the outbox: 1 closed because every try fails, 1 given up" in done.out
    assert "its pages were not looked into (create extension amcheck)" in done.out
    done = commands.run("audit", "--database", home.url, "--json")
    [document] = json.loads(done.out)["databases"]
    assert document["sound"]
    assert len(document["notes"]) == 1
    assert document["waiting"][0]["lanes"] == {"closed": 1, "given_up": 1, "careful": 3, "left": 0}


def test_damage_is_reported(home: Home, commands: Commands) -> None:
    make_sender(home)
    damage(home, "update event set fan_out = 99")
    done = commands.run("audit", "--database", home.url)
    assert done.code == 1
    assert done.out.splitlines()[1] == "  wrong fan out: 16"


def test_a_database_without_tables_is_left_without(home: Home, sql: Sql, commands: Commands) -> None:
    done = commands.run("audit", "--database", home.url)
    assert (done.code, done.out) == (2, "")
    assert "holds no tables of Ombud" in done.error
    assert sql("select 1 from pg_namespace where nspname = 'ombud'") == []


def test_no_secret_is_shown(commands: Commands) -> None:
    done = commands.run("audit", "--database", "postgresql://user:secret@127.0.0.1:1/ombud")
    assert (done.code, done.out) == (1, "")
    assert done.error.startswith("ombud: Cannot open postgresql://127.0.0.1:1/ombud now")
    assert "secret" not in done.error
    assert len(done.error.splitlines()) == 1


@ONLY_DEBIAN
def test_a_user_who_may_only_read_can_audit(home: Home, sql: Sql, commands: Commands) -> None:
    make_sender(home)
    sql(
        "do $$ begin create role auditor login; exception when duplicate_object then null; end $$;"
        " grant usage on schema ombud to auditor; grant select on all tables in schema ombud to auditor;"
        " create extension amcheck"
    )
    try:
        done = commands.run("audit", "--database", home.url.replace("ombud@", "auditor@"))
        assert (done.code, done.error) == (0, "")
        assert "this user may not call amcheck's functions" in done.out
    finally:
        sql("drop extension amcheck")


@ONLY_DEBIAN
def test_pages_and_indexes_are_looked_into(home: Home, sql: Sql, capsys: pytest.CaptureFixture[str]) -> None:
    make_sender(home)
    sql("create extension amcheck")
    try:
        code, document = audited(home.url, capsys)
        assert (code, document["notes"]) == (0, [])
        sql(HIDE_FROM_INDEX)
        code, document = audited(home.url, capsys)
    finally:
        sql("drop extension amcheck")
    assert code == 1
    assert kinds(document) >= {"damaged_page"}
    assert "lacks matching index tuple" in str(document["findings"])


def test_an_index_that_was_never_finished_is_reported(home: Home, sql: Sql, capsys: pytest.CaptureFixture[str]) -> None:
    make_sender(home)
    sql("update pg_index set indisvalid = false where indexrelid = 'ombud.lane_wake'::regclass")
    code, document = audited(home.url, capsys)
    assert (code, kinds(document)) == (1, {"damaged_page"})
    assert "lane_wake is not valid" in str(document["findings"])


def test_a_table_that_was_dropped_is_reported(home: Home, sql: Sql, capsys: pytest.CaptureFixture[str]) -> None:
    make_sender(home)
    sql("drop table ombud.attempt")
    code, document = audited(home.url, capsys)
    assert (code, kinds(document)) == (1, {"unreadable_rows"})
    assert "attempt" in str(document["findings"])


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Have something done after every statement of an audit, from when it has begun to look at rows."""
    run, ours = Session.rows_of, set(audit_statements) - {audit_statements["applied_migrations"]}

    def do(what: Callable[[], None]) -> None:
        async def rows_of(session: Session, step: Any) -> Any:
            found = await run(session, step)
            if step[0] in ours:
                what()
            return found

        monkeypatch.setattr(Session, "rows_of", rows_of)

    return do


Beside = Callable[[Callable[[], None]], None]


@pytest.fixture
def sender(home: Home) -> Iterator[Sender]:
    """A sender with one endpoint, whose clock stands still."""
    made = Sender(PostgresDatabase(home.url, StoppedClock()), Settings())
    made.database.write(lambda: made.endpoints.add(EndpointEdit("http://good.example/")))
    yield made
    made.close()


def test_it_sees_one_moment(home: Home, sender: Sender, beside: Beside) -> None:
    beside(lambda: publish(sender))
    _, report = audit_server(home.url)
    assert report.findings == []
    assert report.rows["events"] == report.rows["deliveries"]
    assert sender.database.read(lambda: once("select count(*) as n from event"))[0]["n"] > report.rows["events"]


@pytest.mark.parametrize("held", [True, False])
def test_no_day_is_dropped_from_under_it(
    home: Home, sender: Sender, beside: Beside, monkeypatch: pytest.MonkeyPatch, *, held: bool
) -> None:
    """Else what was moved out of it since the audit began would be seen nowhere."""
    if not held:
        monkeypatch.setitem(pages_sql._statements, "hold_days", Statement("hold_nothing", "select 1"))
    publish(sender)
    post = Post(sender.database, sender.outbox.mailbox)
    janitor = Janitor(post, Ages(1, 1))
    clock = sender.database.clock
    assert isinstance(clock, StoppedClock)
    clock.jump(5 * DAY_SECONDS)
    janitor.open()
    refused: list[StorageUnavailable] = []

    def end_a_day() -> None:
        for day in () if refused else janitor.old_days():
            janitor.move(day)
            try:
                janitor.drop(day)
            except StorageUnavailable as error:
                refused.append(error)

    beside(end_a_day)
    _, report = audit_server(home.url)
    assert report.findings == []
    assert bool(refused) == held
    assert report.rows["events"] == int(held)


def publish(sender: Sender) -> None:
    sender.database.write(lambda: sender.outbox.publish([Event("order.new", "1")]))
