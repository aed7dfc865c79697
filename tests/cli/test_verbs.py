"""What the verbs print."""

import json
import subprocess
import sys
import time

import pytest

from tests.support.endpoint import Endpoint
from tests.support.processes import Commands, clean_environment

# Seconds, the best of some starts: what a person does not notice. Measured on two cores: 0.2.
HELP_SECONDS = 0.3
STARTS = 5


def test_trigger_sends_exactly_the_wire(commands: Commands, endpoint: Endpoint) -> None:
    done = commands.run("trigger", "order.new", "--order-id", "90017", "--to", f"{endpoint.url}?token=abc", "--json")
    assert done.code == 0
    assert json.loads(done.out)["status"] == 200
    assert endpoint.next().raw == (
        b"GET /webhooks?token=abc&event_type=order.new&order_id=90017 HTTP/1.1\r\n"
        b"Host: 127.0.0.1:%d\r\nUser-Agent: Quickbutik-Webhooks/1.0\r\nCache-Control: no-cache\r\n\r\n" % endpoint.port
    )


def test_trigger_reads_the_url_from_standard_input_and_shows_no_token(commands: Commands, endpoint: Endpoint) -> None:
    endpoint.answer(500)
    done = commands.run("trigger", "product.add", "--product-id", "7", "--to", "-", text=f"{endpoint.url}?token=abc\n")
    assert done.code == 1
    assert "500" in done.out
    assert "abc" not in done.out + done.error
    assert endpoint.next().query == "token=abc&event_type=product.add&product_id=7"


def test_a_key_is_shown_once_and_is_not_in_the_database(commands: Commands) -> None:
    made = commands.run("keys", "add", "me")
    assert made.code == 0
    key = made.out.strip()
    assert key.startswith("ombud_")
    stored = b"".join(path.read_bytes() for path in commands.folder.iterdir())
    assert key.encode() not in stored


@pytest.mark.alone
def test_help_is_quick() -> None:
    seconds = []
    for _ in range(STARTS):
        began = time.monotonic()
        shown = subprocess.run(
            [sys.executable, "-m", "ombud", "--help"], capture_output=True, check=True, env=clean_environment()
        )
        seconds.append(time.monotonic() - began)
        assert b"trigger" in shown.stdout
    print(f"ombud --help: best {min(seconds):.2f} s of {STARTS}")
    assert min(seconds) <= HELP_SECONDS


def test_help_needs_no_server_package() -> None:
    program = (
        "import sys, ombud.cli.main\n"
        "heavy = {'fastapi', 'starlette', 'uvicorn', 'msgspec', 'jinja2', 'apsw', 'httpx2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=clean_environment())
