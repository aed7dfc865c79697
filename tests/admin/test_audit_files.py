"""The audit of files: damaged, foreign, missing, killed, of another version; and what the command prints."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from tests.admin.audited import audited, contents, damage, file_rows, kinds, make_receiver, make_sender
from tests.support.databases import Home
from tests.support.processes import Commands

# A program that may import nothing of the server extra.
BASE_ONLY = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in "fastapi starlette uvicorn httptools msgspec jinja2 uvloop asyncpg".split():
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Missing())
from ombud.__main__ import main
main()
"""
# A writer that commits one event more and is then killed: its log is all that holds it.
KILLED_WRITER = """
import apsw, os, signal, sys
connection = apsw.Connection(sys.argv[1])
connection.execute("insert into event select day, 1, 1, 1, type, subject, null, 1, 0 from event limit 1")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a demo leaves it."""
    folder = tmp_path_factory.mktemp("made")
    make_sender(home(folder / "sender.db"))
    make_receiver(home(folder / "receiver.db"))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    for name in ("sender.db", "receiver.db"):
        shutil.copy(made / name, tmp_path / name)
    return tmp_path


def test_every_database_of_a_demo_is_audited(folder: Path, commands: Commands) -> None:
    done = commands.run("audit", "--data", str(folder))
    assert (done.code, done.error) == (0, "")
    lines = done.out.splitlines()
    assert [line.split(" is sound: ")[0] for line in lines] == [f"{folder}/sender.db", f"{folder}/receiver.db"]
    assert "16 events" in lines[0]
    assert "are held" in lines[0]
    damage(home(folder / "receiver.db"), "delete from document")
    done = commands.run("audit", "--data", str(folder), "--json")
    assert done.code == 1
    document = json.loads(done.out)
    assert (document["sound"], [one["sound"] for one in document["databases"]]) == (False, [True, False])


def test_findings_are_plain_sentences(folder: Path, commands: Commands) -> None:
    damage(home(folder / "sender.db"), "update event set fan_out = 99")
    done = commands.run("audit", "--data", str(folder))
    assert done.code == 1
    lines = done.out.splitlines()
    assert "is NOT sound" in lines[0]
    assert lines[1] == "  wrong fan out: 16"
    assert lines[2].endswith(" was stored for 99 deliveries, and there are 8.")
    assert lines[7] == "    … and 11 more"
    event_id = lines[2].split()[0]
    assert commands.run("events", event_id, "--data", str(folder)).out.startswith(event_id)


def test_the_environment_names_the_database(folder: Path, commands: Commands) -> None:
    done = commands.run("audit", OMBUD_DATABASE_URL=f"sqlite:///{folder}/receiver.db")
    assert done.code == 0
    assert "receiver.db is sound" in done.out


def test_usage(folder: Path, commands: Commands) -> None:
    (folder / "empty.db").touch()
    connection = apsw.Connection(str(folder / "other.db"))
    connection.execute("create table t(a)")
    connection.close()
    for arguments in (
        ["--database", "sqlite:///missing.db"],
        ["--database", "mysql://user:secret@127.0.0.1/db"],
        ["--database", f"sqlite:///{folder}/empty.db"],
        ["--database", f"sqlite:///{folder}/other.db"],
        ["--data", str(folder / "nowhere")],
        ["--data", str(folder), "--database", f"sqlite:///{folder}/sender.db"],
    ):
        done = commands.run("audit", *arguments)
        assert (done.code, done.out) == (2, ""), arguments
        assert len(done.error.splitlines()) == 1
        assert "secret" not in done.error


@pytest.mark.parametrize("version", [0, 99])
def test_tables_of_another_version_are_not_judged(folder: Path, version: int, commands: Commands) -> None:
    damage(home(folder / "sender.db"), f"update schema_version set version = {version} where part = 'ombud.sender'")
    done = commands.run("audit", "--data", str(folder))
    assert (done.code, done.out) == (2, "")
    assert f"version {version}" in done.error


def test_it_needs_the_base_install_alone(folder: Path) -> None:
    command = [sys.executable, "-c", BASE_ONLY, "audit", "--data", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_postgresql_needs_one_more_package_and_it_says_which() -> None:
    command = [sys.executable, "-c", BASE_ONLY, "audit", "--database", "postgresql://user:secret@127.0.0.1:1/ombud"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ombud: PostgreSQL needs one more package: pip install 'ombud[postgres]'\n"


def test_a_killed_database_is_audited_with_what_its_log_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "sender.db"
    subprocess.run([sys.executable, "-c", KILLED_WRITER, str(path)], check=False)
    before = contents(folder)
    assert before["sender.db-wal"]
    code, document = audited(f"sqlite:///{path}", capsys)
    assert (code, document["rows"]["events"]) == (0, 17)
    assert contents(folder) == before


def test_a_page_of_rows_that_was_overwritten_is_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "sender.db"
    [(page,)] = file_rows(path, "select rootpage from sqlite_schema where name = 'delivery'")
    overwrite(path, page)
    code, document = audited(f"sqlite:///{path}", capsys)
    assert code == 1
    assert {"damaged_page", "unreadable_rows"} & kinds(document)


@pytest.mark.parametrize("page", [1, 2])
def test_a_file_without_its_head_is_reported(folder: Path, page: int, commands: Commands) -> None:
    overwrite(folder / "sender.db", page)
    done = commands.run("audit", "--data", str(folder))
    assert done.code == 1
    assert "Traceback" not in done.error
    assert "sender.db is NOT sound" in done.out
    assert "receiver.db is sound" in done.out


def test_a_file_that_was_cut_off_is_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "sender.db"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    code, document = audited(f"sqlite:///{path}", capsys)
    assert (code, document["sound"]) == (1, False)


def test_a_table_that_was_dropped_is_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "sender.db"
    hand(path, "drop table attempt")
    code, document = audited(f"sqlite:///{path}", capsys)
    assert (code, kinds(document)) == (1, {"unreadable_rows"})
    assert "attempt" in str(document["findings"])


def test_a_pending_delivery_that_its_index_has_lost_is_reported(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No query would ever find it due, and no row looks wrong."""
    path = folder / "sender.db"
    [schema] = file_rows(
        path, "select type, name, tbl_name, rootpage, sql from sqlite_schema where name = 'delivery_due'"
    )
    hand(path, "delete from sqlite_schema where name = 'delivery_due'")
    hand(path, "update delivery set state = 0, reason = null where state = 3")
    hand(path, "insert into sqlite_schema values (?, ?, ?, ?, ?)", *schema)
    code, document = audited(f"sqlite:///{path}", capsys)
    assert code == 1
    assert "damaged_page" in kinds(document)
    assert "delivery_due" in str(document["findings"])


def home(path: Path) -> Home:
    return Home(f"sqlite:///{path}")


def test_the_audit_changes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "sender.db"
    damage(home(path), "update event set fan_out = 99")
    before = contents(folder)
    assert audited(f"sqlite:///{path}", capsys)[0] == 1
    after = contents(folder)
    assert after.pop(f"{path.name}-wal", b"") == b""
    assert after == before


def overwrite(path: Path, page: int) -> None:
    [(size,)] = file_rows(path, "pragma page_size")
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)


def hand(path: Path, statement: str, *values: object) -> None:
    """Change even the schema by hand."""
    connection = apsw.Connection(str(path))
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    connection.execute("pragma writable_schema = on")
    connection.execute(statement, values)
    connection.close()
