"""From a database URL to a file."""

import subprocess
import sys
from pathlib import Path

import pytest

from ombud.db.connect import database_path, open_database
from ombud.errors import ConfigurationError
from tests.support.postgres import PostgresServers


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///ombud.db", "ombud.db"),
        ("sqlite:///data/ombud.db", "data/ombud.db"),
        ("sqlite:////var/lib/ombud/ombud.db", "/var/lib/ombud/ombud.db"),
        ("sqlite:////srv/my%20shop/%C3%A5.db", "/srv/my shop/å.db"),
        ("sqlite:///50%25.db", "50%.db"),
    ],
)
def test_a_sqlite_url_names_a_file(url: str, path: str) -> None:
    assert database_path(url) == Path(path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ombud.db",
        "sqlite://ombud.db",
        "sqlite:///",
        "sqlite:////var/lib/",
        "sqlite:///:memory:",
        "sqlite:///ombud.db?mode=memory",
        "postgresql://ombud:hunter2@db/ombud",
    ],
)
def test_any_other_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"sqlite:///ombud\.db") as caught:
        database_path(url)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_opening_makes_the_file(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path}/new%20one.db").close()

    assert (tmp_path / "new one.db").is_file()


def test_a_postgres_url_opens_postgres(postgres_servers: PostgresServers) -> None:
    server = postgres_servers["newest"]
    with server.database() as name:
        database = open_database(server.url(name))
        assert database.name == f"postgresql:///{name}"
        database.close()


def test_without_its_package_the_line_to_run_is_said() -> None:
    script = """
import sys
sys.modules["asyncpg"] = None  # as if it was not installed
from ombud.db.connect import open_database
from ombud.errors import ConfigurationError
from tests.support.postgres import PostgresServers
try:
    open_database("postgresql://ombud:hunter2@db/ombud")
except ConfigurationError as error:
    print(error)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert ended.stdout == "PostgreSQL needs one more package: pip install 'ombud[postgres]'\n", ended.stderr
