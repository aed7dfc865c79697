"""`ombud receive` and `ombud work`: webhooks are taken whatever handlers do, and no process outlives its parent."""

import http.client
import time
from contextlib import closing
from functools import partial
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.receiver.reports import Reports, wait_for_end
from tests.receiver.served import Hook, hook_of
from tests.receiver.store import Store
from tests.receiver.world import TOKEN
from tests.support.processes import PATIENCE_SECONDS, Ombud, Ombuds

APP = "tests.receiver.unruly:inbox"
UNRULY = ("raises", "spins", "burns", "sleeps", "waits", "exits", "dies")
# Seconds: a sender gives up after 10.
ACK_LIMIT = 10.0


def processes(reports: Reports) -> set[int]:
    return {one["pid"] for one in reports.all()} | {one["child"] for one in reports.all("spins_for_long")}


def test_webhooks_are_taken_and_a_neighbour_works_whatever_handlers_do(
    ombuds: Ombuds, store: Store, reports: Reports, settings: dict[str, str]
) -> None:
    ombud = ombuds.start("receive", APP, "--port", "0", **settings)
    orders = [store.pay() for _ in range(20)]
    hook = Hook(hook_of(ombud))
    hook.hear_all([("order.new", order_id) for order_id in orders])
    for handler in UNRULY:
        reports.wait(handler)
    for _ in range(150):
        assert hook.hear("order.new", orders[0]) == 200
    for handler in UNRULY:
        # Again, in a process of its own when the first one did not survive.
        reports.wait(handler, 2)
    done = reports.wait("works", len(orders))
    say_acks(hook, "while seven handlers misbehave")
    assert sorted(one["order"] for one in done) == sorted(orders)
    assert len({one["pid"] for one in done}) == 1
    assert_ends(ombud, reports)


def say_acks(hook: Hook, when: str) -> None:
    p50, p99, longest = hook.share(50), hook.share(99), max(hook.seconds)
    print(f"{len(hook.seconds)} acks {when}: p50 {p50:.4f} s, p99 {p99:.4f} s, longest {longest:.4f} s")
    assert longest < ACK_LIMIT


def assert_ends(ombud: Ombud, reports: Reports) -> None:
    began = time.monotonic()
    assert ombud.stop() == 0
    assert time.monotonic() - began < 6
    for pid in processes(reports):
        wait_for_end(pid)


@pytest.fixture
def working(ombuds: Ombuds, store: Store, reports: Reports, settings: dict[str, str]) -> tuple[Ombud, Ombud]:
    """One process takes webhooks in, another one works and has a handler that never ends."""
    taking = ombuds.start("receive", APP, "--port", "0", "--no-work", **settings)
    work = ombuds.start("work", APP, **settings)
    order_id = store.pay()
    store.turn(order_id, "done")
    hook = Hook(hook_of(taking))
    assert hook.hear("order.done", order_id) == 200
    # A neighbour of the same event works, and may print.
    reports.wait("spins_for_long")
    reports.wait("prints")
    reports.wait("works")
    return taking, work


def test_no_process_outlives_a_stop(working: tuple[Ombud, Ombud], reports: Reports) -> None:
    _, work = working
    assert_ends(work, reports)


def test_no_process_outlives_a_kill_and_the_next_one_goes_on(
    working: tuple[Ombud, Ombud], ombuds: Ombuds, store: Store, reports: Reports, settings: dict[str, str]
) -> None:
    taking, work = working
    work.kill()
    for pid in processes(reports):
        wait_for_end(pid)
    order_id = store.pay()
    hook = Hook(hook_of(taking))
    assert hook.hear("order.new", order_id) == 200
    ombuds.start("work", APP, **settings)
    # What was under way goes on as well, as what it was: the same order, the same key.
    first, again = reports.wait("spins_for_long", 2)
    assert first["order"] == again["order"]
    reports.until(partial(was_handled, reports, order_id))


def test_a_second_worker_stands_by_and_takes_over(
    ombuds: Ombuds, store: Store, reports: Reports, settings: dict[str, str]
) -> None:
    taking = ombuds.start("receive", APP, "--port", "0", "--no-work", **settings)
    workers = [ombuds.start("work", APP, **settings) for _ in range(2)]
    orders = [store.pay() for _ in workers]
    hook = Hook(hook_of(taking))
    for order_id, worker in zip(orders, workers, strict=True):
        assert hook.hear("order.new", order_id) == 200
        reports.until(partial(was_handled, reports, order_id))
        worker.kill()
    # What a kill interrupts may come again, and then says so by its key.
    assert len({(one["order"], one["key"]) for one in reports.all("works")}) == len(orders)


def was_handled(reports: Reports, order_id: str) -> bool:
    return any(one["order"] == order_id for one in reports.all("works"))


@pytest.fixture
def receiving(ombuds: Ombuds, settings: dict[str, str]) -> Ombud:
    return ombuds.start("receive", APP, "--port", "0", "--no-work", **settings)


def test_what_no_webhook_looks_like_is_refused(receiving: Ombud) -> None:
    url = hook_of(receiving)
    assert 400 <= status_of_megabyte(url) < 500
    assert httpx2.get(f"{url}?a={'x' * 9_000}").status_code == 414
    assert httpx2.head(url).status_code == 405
    assert httpx2.post(url, content=b"x" * 2_000_000).status_code == 405
    assert httpx2.get(url, headers={"Sec-Fetch-Mode": "navigate"}).status_code == 400
    assert httpx2.get(url.replace(TOKEN, "nobody")).status_code == 404
    answer = httpx2.get(f"{url}?event_type=order.new&order_id=1")
    assert (answer.status_code, answer.text, answer.headers["cache-control"]) == (200, "", "no-store")


def status_of_megabyte(url: str) -> int:
    """Ask with a query of a megabyte, which the client of the other tests refuses to send."""
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_SECONDS)) as connection:
        connection.request("GET", f"{parts.path}?event_type=order.new&order_id={'9' * 1_000_000}")
        return connection.getresponse().status
