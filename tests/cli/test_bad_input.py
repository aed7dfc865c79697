"""Whatever is wrong with a flag, a setting or the machine: one line that says what, why and what to do, and exit 2."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import Commands, Ombuds, clean_environment


def assert_one_line(error: str, *words: str) -> None:
    lines = error.strip().splitlines()
    assert len(lines) == 1, error
    assert lines[0].startswith("ombud: ")
    for word in words:
        assert word in lines[0]


def test_a_port_that_is_taken(commands: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for verb in ("serve", "shop", "demo"):
            finished = commands.run(verb, "--port", port)
            assert finished.code == 2
            assert_one_line(finished.error, port, "--port")
    assert not list(commands.folder.iterdir()), "nothing may have been started"


def test_a_folder_that_cannot_be_written(commands: Commands) -> None:
    for folder in ("/proc/ombud-demo", "/dev/null/ombud-demo"):
        finished = commands.run("demo", "--port", "0", "--data", folder)
        assert finished.code == 2
        assert_one_line(finished.error, folder, "--data")


def test_a_database_that_cannot_be_opened(commands: Commands) -> None:
    for path in ("/proc/ombud.db", "/no/such/folder/ombud.db"):
        for verb in (["serve", "--port", "0"], ["keys", "add", "me"]):
            finished = commands.run(*verb, "--database", f"sqlite:///{path}")
            assert finished.code == 2
            assert_one_line(finished.error, path)


def test_a_file_that_is_no_database(commands: Commands) -> None:
    (commands.folder / "ombud.db").write_text("this is no database, but long enough to be taken for one " * 100)
    finished = commands.run("serve", "--port", "0")
    assert finished.code == 2
    assert_one_line(finished.error, "ombud.db")


def test_a_database_server_that_is_away(commands: Commands) -> None:
    """Nobody listens there; a supervisor may try again."""
    finished = commands.run("serve", "--port", "0", OMBUD_DATABASE_URL="postgresql://user:word@127.0.0.1:1/x")
    assert finished.code == 1
    assert_one_line(finished.error, "Cannot open postgresql://127.0.0.1:1/x now")
    assert "word" not in finished.error


@pytest.mark.parametrize("url", ["mysql://user:word@127.0.0.1/x", "sqlite://ombud.db", "sqlite:///", "ombud.db"])
def test_a_database_url_that_cannot_be_used(commands: Commands, url: str) -> None:
    finished = commands.run("serve", "--port", "0", OMBUD_DATABASE_URL=url)
    assert finished.code == 2
    assert_one_line(finished.error, "sqlite:///ombud.db")
    assert "word" not in finished.error


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OMBUD_RETRY_SECOND", "1", "OMBUD_RETRY_SECONDS"),
        ("OMBUD_RETRY_SECONDS", "1,-2", "OMBUD_RETRY_SECONDS"),
        ("OMBUD_RETRY_SECONDS", "1;2", "OMBUD_RETRY_SECONDS"),
        ("OMBUD_TIMEOUT_SECONDS", "soon", "OMBUD_TIMEOUT_SECONDS"),
        ("OMBUD_TIMEOUT_SECONDS", "nan", "OMBUD_TIMEOUT_SECONDS"),
        ("OMBUD_ALLOW_NETWORKS", "10.0.0.1/8", "OMBUD_ALLOW_NETWORKS"),
        ("OMBUD_PERFORM", "there", "elsewhere"),
        ("OMBUD_API_KEY_FILE", "/no/such/file", "OMBUD_API_KEY_FILE"),
    ],
)
def test_a_setting_that_cannot_be_used(commands: Commands, name: str, value: str, words: str) -> None:
    finished = commands.run("serve", "--port", "0", **{name: value})
    assert finished.code == 2
    assert_one_line(finished.error, name, words)


def test_a_sqlite_that_loses_rows(commands: Commands) -> None:
    program = (
        "import apsw; apsw.sqlite_lib_version = lambda: '3.40.1'\n"
        "import sys; sys.argv = ['ombud', 'serve', '--port', '0']\n"
        "from ombud.__main__ import main; main()"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=commands.folder,
        env=clean_environment(),
    )
    assert finished.returncode == 2
    assert_one_line(finished.stderr, "3.40.1", "3.51.3", "apsw")


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["trigger", "order.now", "--order-id", "1", "--to", "http://localhost:1/"], 2, "order.new"),
        (["trigger", "order.new", "--to", "http://localhost:1/"], 2, "--order-id"),
        (["trigger", "order.new", "--product-id", "1", "--to", "http://localhost:1/"], 2, "--order-id"),
        (["trigger", "order.new", "--order-id", "1 2", "--to", "http://localhost:1/"], 2, "--order-id"),
        (["trigger", "order.new", "--order-id", "1", "--to", "localhost:1"], 2, "http://"),
        (["trigger", "order.new", "--order-id", "1", "--to", "http://localhost:1/?order_id=2"], 2, "order_id"),
        (["trigger", "order.new", "--order-id", "1", "--to", "http://127.0.0.1:1/"], 5, "refused"),
        (["trigger", "order.new", "--order-id", "1", "--to", "http://169.254.169.254/"], 4, "credentials"),
        (["events"], 2, "no database"),
        (["events", "--data", "/no/such/folder"], 2, "no database"),
    ],
)
def test_a_command_that_cannot_be_done(commands: Commands, arguments: list[str], code: int, word: str) -> None:
    finished = commands.run(*arguments)
    assert finished.code == code
    assert_one_line(finished.error, word)


def test_an_event_that_is_not_there(commands: Commands) -> None:
    assert commands.run("keys", "add", "me").code == 0
    ready = commands.run("serve", "--port", "99999")
    assert ready.code == 2


def test_a_name_that_is_taken(commands: Commands) -> None:
    assert commands.run("keys", "add", "me").code == 0
    again = commands.run("keys", "add", "me")
    assert again.code == 1
    assert_one_line(again.error, "me")


def test_looking_at_a_database_without_tables(commands: Commands) -> None:
    assert commands.run("keys", "add", "me").code == 0
    finished = commands.run("events")
    assert finished.code == 2
    assert_one_line(finished.error)


def test_an_interrupt_is_130_and_a_term_is_0(ombuds: Ombuds, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/ombud.db"
    assert ombuds.start("serve", "--port", "0", "--database", database).stop(signal.SIGINT) == 130
    assert ombuds.start("serve", "--port", "0", "--database", database).stop(signal.SIGTERM) == 0


def test_no_secret_is_in_an_argument_list(ombuds: Ombuds, tmp_path: Path) -> None:
    shop = ombuds.start("shop", "--port", "0", "--database", f"sqlite:///{tmp_path}/ombud.db")
    arguments = Path(f"/proc/{shop.process.pid}/cmdline").read_bytes()
    assert shop.card["shop_key"].encode() not in arguments
    assert (tmp_path / "ombud.db").stat().st_mode & 0o077 == 0
