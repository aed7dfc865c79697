"""The examples run as they stand, under the servers that they name."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ombud.cli.servers import bind, url_of
from tests.receiver.served import Hook, environment, hook_of, wait_until_settled
from tests.receiver.store import Store
from tests.receiver.world import TOKEN
from tests.support.processes import PATIENCE_SECONDS, ROOT, Ombud, Ombuds, clean_environment

EXAMPLES = ROOT / "examples"
MOST_LINES = 80


@pytest.fixture
def settings(tmp_path: Path, store: Store) -> dict[str, str]:
    return environment(tmp_path, store) | {"SITE_DB": str(tmp_path / "site.sqlite3")}


@contextmanager
def serving(command: Sequence[str], settings: dict[str, str], path: str) -> Iterator[str]:
    """Run a server on a socket that is open already; gives its URL once it answers."""
    with bind("127.0.0.1", 0) as listening:
        arguments = [argument.format(fd=listening.fileno()) for argument in command]
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=clean_environment(**settings),
            pass_fds=[listening.fileno()],
        )
        base = url_of(listening)
        try:
            assert httpx2.get(base + path, timeout=PATIENCE_SECONDS).status_code in {200, 500}
            yield base
        finally:
            process.terminate()
            assert process.wait(PATIENCE_SECONDS) in {0, -15}


def hear(hook: Hook, store: Store, folder: Path) -> str:
    """Pay an order and send its webhook three times; returns its id, once all that came of it has ended."""
    order_id = store.pay()
    for _ in range(3):
        assert hook.hear("order.new", order_id) == 200
    wait_until_settled(folder)
    return order_id


def lines_of(ombud: Ombud, count: int) -> list[str]:
    out = ombud.process.stdout
    assert out is not None
    return sorted(out.readline().decode() for _ in range(count))


def until(read: Callable[[], Any], wanted: Any) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := read()) != wanted:
        assert time.monotonic() < deadline, found


def test_plain(ombuds: Ombuds, store: Store, settings: dict[str, str], tmp_path: Path) -> None:
    ombud = ombuds.start("receive", "examples.plain:inbox", "--port", "0", **settings)
    product_id = store.client.create_product(title="Bowl", price="10.00", stock=7)
    hook = Hook(hook_of(ombud))
    assert hook.hear("product.add", product_id) == 200
    order_id = hear(hook, store, tmp_path)
    lines = lines_of(ombud, 2)
    assert lines[0] == f"product {product_id} Bowl: 7\n"
    assert lines[1].startswith(f"ship order {order_id}, ")


def test_fastapi(store: Store, settings: dict[str, str], tmp_path: Path) -> None:
    command = ("uvicorn", "examples.with_fastapi:app", "--fd", "{fd}", "--log-level", "warning")
    with serving(command, settings, "/shipped") as base:
        order_id = hear(Hook(f"{base}/hooks/{TOKEN}"), store, tmp_path)
        assert list(httpx2.get(f"{base}/shipped").json()) == [order_id]


GUNICORN = ("gunicorn", "--bind", "fd://{fd}", "--log-level", "warning", "--workers")


def test_flask_under_gunicorn_with_four_workers(
    ombuds: Ombuds, store: Store, settings: dict[str, str], tmp_path: Path
) -> None:
    ombud = ombuds.start("work", "examples.with_flask:inbox", **settings)
    with serving((*GUNICORN, "4", "examples.with_flask:app"), settings, "/") as base:
        order_id = hear(Hook(f"{base}/hooks/{TOKEN}"), store, tmp_path)
        assert httpx2.get(base).text == "The shop's integration."
        [line] = lines_of(ombud, 1)
    assert line.startswith(f"ship order {order_id} with 1 lines (key ")


def test_django(ombuds: Ombuds, store: Store, settings: dict[str, str], tmp_path: Path) -> None:
    ombuds.start("work", "examples.with_django:inbox", **settings)
    with serving((*GUNICORN, "1", "examples.with_django:application"), settings, "/shipments") as base:
        order_id = hear(Hook(f"{base}/hooks/{TOKEN}"), store, tmp_path)
        until(lambda: httpx2.get(f"{base}/shipments").json(), {"shipped": [order_id]})


def test_each_example_is_a_page_and_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f"({path.name})" in listed
        assert path.read_text().count("\n") <= MOST_LINES
