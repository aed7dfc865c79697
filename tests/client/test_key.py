"""Where the key comes from: the environment, a file, a person at a terminal. Never a command line, never to be seen."""

import copy
import os
import pickle
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from ombud.client import AsyncShopClient, ShopClient
from ombud.client import key as keys
from ombud.client.key import access_of_environment
from ombud.client.secret import Secret
from ombud.errors import ConfigurationError
from tests.client.test_secrecy import assert_hidden, everything_said, locals_of_the_client

KEY = "k(3y)!#[å]:/+%&\"'<x> sk_live_0042"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY + "\n", "utf-8")
    return path


@pytest.mark.parametrize("name", ["QUICKBUTIK_API_KEY", "OMBUD_API_KEY"])
def test_the_key_is_in_the_environment_or_in_a_file(name: str, key_file: Path) -> None:
    assert access_of_environment({name: KEY}).key == KEY
    assert access_of_environment({f"{name}_FILE": str(key_file)}).key == KEY


def test_url_and_rate_come_along_and_one_key_has_one_budget() -> None:
    there = {"QUICKBUTIK_API_KEY": "one of its own", "OMBUD_API_URL": "http://127.0.0.1:8701/v1"}
    first = access_of_environment({**there, "OMBUD_READS_PER_SECOND": "7"})
    second = access_of_environment(there)

    assert first.api_url == "http://127.0.0.1:8701/v1"
    assert first.budget.state().per_second == 7.0
    assert second.budget is first.budget
    assert access_of_environment({**there, "QUICKBUTIK_API_KEY": "another"}).budget is not first.budget


@pytest.mark.parametrize("kind", [ShopClient, AsyncShopClient])
def test_a_client_of_the_environment(kind: Any, key_file: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("QUICKBUTIK_API_KEY_FILE", str(key_file))
    monkeypatch.setenv("OMBUD_API_URL", "http://127.0.0.1:8701/v1")

    client = kind.from_env()

    assert repr(client) == f"<{kind.__name__} http://127.0.0.1:8701/v1>"
    assert client.terms.budget is not None
    assert_hidden(KEY, repr(vars(client)) + repr(keys.BUDGETS) + repr(vars(keys.BUDGETS)))


def test_without_a_key_the_error_says_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match="QUICKBUTIK_API_KEY_FILE"):
        access_of_environment({})


def test_without_a_terminal_nobody_is_asked(monkeypatch: Any) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(ConfigurationError, match="no terminal"):
            access_of_environment({}, prompt=True)


@pytest.mark.parametrize("content", [KEY.encode() + b"\xff", b"\xff\xfe" + KEY.encode("utf-16")])
def test_a_file_that_is_no_text_does_not_show_what_it_holds(content: Any, key_file: Path) -> None:
    key_file.write_bytes(content)

    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        access_of_environment({"QUICKBUTIK_API_KEY_FILE": str(key_file)})

    said = everything_said(caught.value) + locals_of_the_client(caught.value)
    assert "sk_live" not in said
    assert "s\\x00k\\x00" not in said


@pytest.mark.parametrize("broken", [KEY + "\nsecond line", "\x00" + KEY])
def test_a_broken_key_is_refused_without_showing_it(broken: Any, key_file: Path) -> None:
    key_file.write_text(broken, "utf-8")

    with pytest.raises(ConfigurationError, match="unprintable") as caught:
        access_of_environment({"QUICKBUTIK_API_KEY_FILE": str(key_file)})

    assert "sk_live" not in everything_said(caught.value)


PROGRAM = """
import sys
from ombud.client import ShopClient
client = ShopClient.from_env(prompt=True)
print("asked", client)
print("right", client._secret._key == sys.argv[1][::-1], flush=True)
"""


def test_a_person_is_asked_and_nothing_that_is_typed_is_shown() -> None:
    """At a real terminal: the program is the child, the test is the person."""
    typed = "sk_live_typed_by_hand"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    person, terminal = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, typed[::-1]],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        start_new_session=True,
        preexec_fn=_own_terminal,  # noqa: PLW1509 - getpass speaks to the controlling terminal, which a child must take
    )
    os.close(terminal)
    shown = _read_until(person, b"(not shown): ")
    os.write(person, typed.encode() + b"\n")
    shown += _read_until(person, b"right True")
    assert child.wait(10) == 0
    os.close(person)

    assert b"<ShopClient https://api.quickbutik.com/v1>" in shown
    assert typed.encode() not in shown


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read_until(descriptor: int, words: bytes) -> bytes:
    shown = b""
    while words not in shown:
        piece = os.read(descriptor, 1_000)
        assert piece, shown
        shown += piece
    return shown


def test_a_secret_does_not_travel() -> None:
    secret = Secret(KEY)

    for carry in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="secret"):
            carry(secret)
    assert_hidden(KEY, repr(secret) + str(secret) + secret.fingerprint() + f"{secret}")


def test_settings_do_not_show_it() -> None:
    from ombud.settings import read_settings

    settings = read_settings({"QUICKBUTIK_API_KEY": KEY, "OMBUD_TOKEN": "a-token-of-a-hook"})

    assert_hidden(KEY, repr(settings))
    assert "a-token-of-a-hook" not in repr(settings)


def test_a_fingerprint_tells_keys_apart() -> None:
    assert Secret(KEY).fingerprint() == Secret(KEY).fingerprint() != Secret(KEY + "x").fingerprint()


def test_no_command_takes_a_key_on_its_command_line() -> None:
    from ombud.cli.main import app

    def options(command: Any) -> list[str]:
        own = [name for parameter in command.params for name in parameter.opts]
        inner = getattr(command, "commands", {}).values()
        return own + [name for one in inner for name in options(one)]

    found = options(typer.main.get_command(app))
    assert "--api-key-file" in found
    assert not {"--api-key", "--key", "--token", "--secret", "--password"} & set(found)
