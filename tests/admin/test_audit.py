"""The audit finds every kind of row that somebody damages by hand, and nothing in a database that is well."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from ombud.admin import audit as audit_module
from ombud.admin.audit import EXAMPLES
from ombud.db.migrate import migrate
from ombud.db.queries import read_queries
from ombud.db.sqlite import SqliteDatabase
from tests.admin.audited import audited, contents, damage, kinds, make_receiver, make_sender, rows
from tests.admin.damages import RECEIVER, SENDER, Damage

EVERY = [*((make_sender, one) for one in SENDER), *((make_receiver, one) for one in RECEIVER)]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[Path], None]], Path]:
    """Databases that are well, each made once."""
    folder = tmp_path_factory.mktemp("healthy")

    def made(make: Callable[[Path], None]) -> Path:
        path = folder / f"{make.__name__}.db"
        if not path.exists():
            make(path)
        return path

    return made


@pytest.fixture
def copy(healthy: Callable[[Callable[[Path], None]], Path], tmp_path: Path) -> Callable[[Callable[[Path], None]], Path]:
    """A copy of one, to be damaged."""
    return lambda make: Path(shutil.copy(healthy(make), tmp_path / "ombud.db"))


Copy = Callable[[Callable[[Path], None]], Path]


@pytest.mark.parametrize("make", [make_sender, make_receiver])
def test_what_is_well_gives_no_finding(
    make: Callable[[Path], None], copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = audited(copy(make), capsys)
    assert document["findings"] == []
    assert (code, document["sound"]) == (0, True)


def test_the_healthy_databases_hold_every_state(healthy: Copy) -> None:
    """Else the test above would prove little."""
    sender, receiver = healthy(make_sender), healthy(make_receiver)
    for path in (sender, receiver):
        assert rows(path, "select distinct state from delivery order by state")[:2] == [(0,), (1,)]
    assert rows(sender, "select count(distinct state), max(generation) from delivery") == [(4, 1)]
    assert rows(sender, "select count(*) from lane where lease_token is not null") != [(0,)]
    assert rows(sender, "select count(*) from attempt where late = 1") == [(1,)]
    assert {"done", "dead", "retry", "interrupted"} <= {word for (word,) in rows(sender, "select outcome from attempt")}
    for path in (sender, receiver):
        held = "select count(*) from delivery d join lane l on l.id = d.lane_id where d.state = 0 and hold_until > 0"
        assert rows(path, held) != [(0,)]
    assert rows(receiver, "select count(*) from delivery where reason like 'covered by %'") == [(2,)]
    for table in ("reading", "document", "mirror", "ledger"):
        assert rows(receiver, f"select count(*) from {table}") != [(0,)]


@pytest.mark.parametrize(("make", "done"), EVERY, ids=[one.name for _, one in EVERY])
def test_damage_is_found(
    make: Callable[[Path], None], done: Damage, copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy(make)
    named = done.shown(*rows(path, done.where)[0]) if done.where else ""
    damage(path, *done.statements)
    code, document = audited(path, capsys)

    assert code == 1
    assert kinds(document) == done.kinds
    assert named in str(document["findings"])


def test_every_check_has_been_seen_to_find_something() -> None:
    proved = set.union(*(one.kinds for _, one in EVERY))
    assert {check.name for check in audit_module.CHECKS} - proved == set()


def test_many_findings_are_counted_and_few_are_shown(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    path = copy(make_sender)
    damage(path, "update event set fan_out = 99")
    _, document = audited(path, capsys)
    (finding,) = document["findings"]
    assert finding["count"] == len(rows(path, "select id from event"))
    assert len(finding["examples"]) == EXAMPLES


def test_a_statement_for_each_check_and_none_besides(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "ombud.db")
    migrate(database, ["ombud.mailbox", "ombud.sender", "ombud.receiver"])
    database.close()
    connection = apsw.Connection(str(tmp_path / "ombud.db"))
    source = Path(audit_module.__file__).read_text()
    for statement in read_queries("ombud.admin", "audit.sql"):
        connection.execute(f"explain {statement.sql}", dict.fromkeys(re.findall(r":([a-z_]+)", statement.sql)))
        assert f'"{statement.name}"' in source
    connection.close()


def test_the_audit_changes_nothing(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    path = copy(make_sender)
    damage(path, "update event set fan_out = 99")
    before = contents(path.parent)
    audited(path, capsys)
    after = contents(path.parent)
    assert after.pop(f"{path.name}-wal", b"") == b""
    assert after == before
