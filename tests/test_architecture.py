"""The rules of the house that no linter knows."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from ombud.db.connect import open_database
from ombud.db.migrate import migrate
from ombud.db.queries import read_queries

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "ombud"
FILE_LINES = 300
FUNCTION_LINES = 40
# The heart knows neither what an event is about nor how it is delivered.
BANNED_IN_MAILBOX = re.compile(
    r"\b(https?|url|urls|handler|handlers|endpoint|endpoints|order|product)\b", re.IGNORECASE
)
ALLOWED_IN_MAILBOX = re.compile(r"order by|in order\b|in the order\b|https://", re.IGNORECASE)

SOURCES = sorted(SOURCE.rglob("*.py"))
ids = [str(path.relative_to(SOURCE)) for path in SOURCES]


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= FILE_LINES
    for function in functions(ast.parse(text)):
        assert (function.end_lineno or 0) - function.lineno < FUNCTION_LINES, function.name


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_nothing_is_silenced(path: Path) -> None:
    assert "type: ignore" not in path.read_text()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_the_mailbox_knows_no_web() -> None:
    for path in [*(SOURCE / "mailbox").rglob("*.py"), *(SOURCE / "mailbox").rglob("*.sql")]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = BANNED_IN_MAILBOX.findall(ALLOWED_IN_MAILBOX.sub("", line))
            assert not found, f"{path.name}:{number}: {found}"


def test_every_statement_can_be_prepared(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/ombud.db")
    parts = sorted(f"ombud.{path.parent.name}" for path in SOURCE.glob("*/queries.sql"))
    migrate(database, parts)
    database.close()
    connection = apsw.Connection(str(tmp_path / "ombud.db"))
    prepared = 0
    for part in parts:
        for statement in read_queries(part):
            connection.execute(f"explain {statement.sql}", dict.fromkeys(re.findall(r":([a-z0-9_]+)", statement.sql)))
            prepared += 1
    connection.close()
    assert prepared > len(parts)


def test_every_statement_is_used() -> None:
    text = "".join(path.read_text() for path in SOURCES)
    for path in SOURCE.glob("*/*.sql"):
        for statement in read_queries(f"ombud.{path.parent.name}", path.name):
            assert f'"{statement.name}"' in text, statement.name


def test_the_lock_names_no_host() -> None:
    assert not re.search(r"https?://|--index|--find-links", (ROOT / "requirements.lock").read_text())


def test_no_tracked_file_names_a_place_of_one_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    places = re.compile(r"/home/[a-z]|/root/")
    for name in tracked:
        text = (ROOT / name).read_bytes().decode("utf-8", "replace")
        if name != "tests/test_architecture.py":
            assert not places.search(text), name


def test_every_setting_and_verb_is_documented() -> None:
    from ombud.cli.main import app
    from ombud.settings import NAMES

    reference = (ROOT / "docs" / "reference.md").read_text()
    for name in NAMES:
        assert name in reference
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"`ombud {command.callback.__name__}" in reference
