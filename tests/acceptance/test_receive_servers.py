"""Inside other people's servers, with several processes: every webhook is taken, every change is told once."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from ombud.cli.servers import bind, url_of
from tests.receiver.reports import Reports, wait_for_end
from tests.receiver.served import Hook, query, wait_until_settled
from tests.receiver.store import Store
from tests.receiver.world import TOKEN
from tests.support.processes import PATIENCE_SECONDS, ROOT, Ombuds, clean_environment

ARRIVALS = 1_000
ORDERS = 25
PRODUCTS = 5
GUNICORN = ("-m", "gunicorn", "--workers", "4", "--bind", "fd://{fd}", "--log-level", "warning")
UVICORN = ("-m", "uvicorn", "--workers", "4", "--fd", "{fd}", "--log-level", "warning")


@contextmanager
def serving(command: Sequence[str], settings: dict[str, str]) -> Iterator[str]:
    """Run a server on a socket that is open already, so that its first request waits instead of failing."""
    with bind("127.0.0.1", 0) as listening:
        arguments = [argument.format(fd=listening.fileno()) for argument in command]
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=clean_environment(**settings),
            pass_fds=[listening.fileno()],
        )
        base = url_of(listening)
        try:
            assert httpx2.get(base, timeout=PATIENCE_SECONDS).status_code in {200, 404}
            yield base
        finally:
            process.terminate()
            assert process.wait(PATIENCE_SECONDS) in {0, -15}


@pytest.mark.parametrize(
    "command",
    [
        pytest.param((*UVICORN, "tests.receiver.mounted:star"), id="uvicorn, starlette"),
        pytest.param((*GUNICORN, "--worker-class", "asgi", "tests.receiver.mounted:fast"), id="gunicorn, fastapi"),
    ],
)
def test_four_processes_take_a_thousand_webhooks_and_one_works(
    command: Sequence[str], store: Store, reports: Reports, settings: dict[str, str], tmp_path: Path
) -> None:
    products = [store.client.create_product(title="Bowl", price="10.00") for _ in range(PRODUCTS)]
    with serving(command, settings) as base:
        storm(f"{base}/hooks/{TOKEN}", store, products, tmp_path)
        told = told_of(reports, products)
        workers = {one["pid"] for one in reports.all()}
    assert len(workers) == 1
    assert told == {"ship": ORDERS, "product.add": 0, "product.update": PRODUCTS, "product.delete": 0}
    for pid in workers:
        wait_for_end(pid)


def storm(url: str, store: Store, products: Sequence[str], folder: Path, arrivals: int = ARRIVALS) -> None:
    """Send many webhooks about a few things, and wait until nothing more comes of them."""
    orders = [store.pay() for _ in range(ORDERS)]
    hook = Hook(url)
    assert hook.hear("product.update", "101") == 200
    # From here on the shop's products are known.
    wait_until_settled(folder)
    for product_id in products:
        store.price(product_id, "11.00")
    webhooks = [("order.new", order_id) for order_id in orders] + [("product.update", one) for one in products]
    hook.hear_all((webhooks * (arrivals // len(webhooks) + 1))[:arrivals])
    wait_until_settled(folder)
    assert len(query(folder, "select 1 from event where box = 2 and fan_out = 1")) == arrivals + 1


def told_of(reports: Reports, products: Sequence[str]) -> dict[str, int]:
    """How often handlers were told of something; nothing was told twice."""
    keys = Counter(one["key"] for one in reports.all())
    assert set(keys.values()) == {1}
    events = Counter(one["event"] for one in reports.all("sync") if one["product"] in products)
    return {"ship": len(reports.all("ship"))} | {
        event: events[event] for event in ("product.add", "product.update", "product.delete")
    }


def test_wsgi_under_gunicorn_and_a_worker_beside_it(
    ombuds: Ombuds, store: Store, reports: Reports, settings: dict[str, str], tmp_path: Path
) -> None:
    products = [store.client.create_product(title="Bowl", price="10.00") for _ in range(PRODUCTS)]
    ombuds.start("work", "tests.receiver.mounted:inbox", **settings)
    with serving((*GUNICORN, "--threads", "4", "tests.receiver.mounted:wsgi"), settings) as base:
        storm(f"{base}/hooks/{TOKEN}", store, products, tmp_path, arrivals=300)
    told = told_of(reports, products)
    assert (told["ship"], told["product.update"]) == (ORDERS, PRODUCTS)


def test_wsgi_under_the_standard_librarys_server(
    ombuds: Ombuds, store: Store, reports: Reports, settings: dict[str, str]
) -> None:
    ombuds.start("work", "tests.receiver.plain_app:inbox", **settings)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.receiver.plain_server"],
        cwd=ROOT,
        env=clean_environment(**settings),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = f"http://127.0.0.1:{process.stdout.readline().strip()}/{TOKEN}"
    order_id = store.pay()
    hook = Hook(url)
    assert hook.hear("order.new", order_id) == 200
    assert httpx2.head(url).status_code == 405
    assert [one["order"] for one in reports.wait("ship")] == [order_id]
    process.terminate()
    process.wait(PATIENCE_SECONDS)
    process.stdout.close()


def test_rsgi_under_granian(store: Store, reports: Reports, settings: dict[str, str], tmp_path: Path) -> None:
    with bind("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    options = ["--interface", "rsgi", "--port", str(port), "--log-level", "warning"]
    command = ["granian", *options, "tests.receiver.mounted:rsgi"]
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=clean_environment(**settings))
    hook = Hook(hook_url(port))
    order_id = store.pay()
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                assert hook.hear("order.new", order_id) == 200
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        wait_until_settled(tmp_path)
        assert [one["order"] for one in reports.wait("ship")] == [order_id]
        assert httpx2.head(hook_url(port)).status_code == 405
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def hook_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/hooks/{TOKEN}"
