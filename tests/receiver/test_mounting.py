"""An inbox inside somebody's web app: mounted, started with the app, started late, and stopped."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from ombud.client import Order
from ombud.errors import ConfigurationError, StorageUnavailable
from ombud.receiver import embedded
from ombud.receiver.inbox import Inbox
from tests.receiver.fronts import Request, ask_asgi
from tests.receiver.store import Store
from tests.receiver.world import TOKEN, settings_for
from tests.support.processes import PATIENCE_SECONDS
from tests.support.serving import serve


class Calls:
    """The orders that a handler was called with, in whatever thread."""

    def __init__(self, inbox: Inbox) -> None:
        self.orders: list[str] = []
        self._called = threading.Condition()
        inbox.on("order.new", name="ship")(self.ship)

    def ship(self, order: Order) -> None:
        with self._called:
            self.orders.append(order.id)
            self._called.notify_all()

    def wait(self, count: int) -> list[str]:
        with self._called:
            assert self._called.wait_for(lambda: len(self.orders) >= count, PATIENCE_SECONDS)
            return self.orders


@pytest.fixture
def inbox(tmp_path: Path, store: Store) -> Iterator[Inbox]:
    made = Inbox(settings_for(tmp_path, store))
    yield made
    made.close()


@pytest.fixture
def calls(inbox: Inbox) -> Calls:
    return Calls(inbox)


def hear(base: str, path: str, order_id: str) -> int:
    return httpx2.get(f"{base}{path}", params={"event_type": "order.new", "order_id": order_id}).status_code


def apps(inbox: Inbox) -> dict[str, Any]:
    fast = FastAPI(lifespan=inbox.lifespan)
    fast.mount("/hooks", inbox.asgi)
    deep = FastAPI()
    deep.mount("/v2/hooks", inbox.asgi)
    outer = FastAPI(lifespan=inbox.lifespan)
    outer.mount("/shop", deep)
    return {
        f"/hooks/{TOKEN}": fast,
        f"/hooks/{TOKEN}/": fast,
        f"/shop/v2/hooks/{TOKEN}": outer,
        f"/in/{TOKEN}": Starlette(routes=[Mount("/in", inbox.asgi)], lifespan=inbox.lifespan),
        f"/{TOKEN}": inbox.asgi,
    }


@pytest.mark.parametrize(
    "path", [f"/hooks/{TOKEN}", f"/hooks/{TOKEN}/", f"/shop/v2/hooks/{TOKEN}", f"/in/{TOKEN}", f"/{TOKEN}"]
)
def test_it_works_with_the_app(inbox: Inbox, store: Store, calls: Calls, path: str) -> None:
    order_id = store.pay()
    with serve(apps(inbox)[path], lifespan="on") as base:
        assert hear(base, path, order_id) == 200
        assert calls.wait(1) == [order_id]
        assert hear(base, path.replace(TOKEN, "nobody"), order_id) == 404
        assert httpx2.post(f"{base}{path}", params={"event_type": "order.new"}).status_code == 405


def test_an_app_that_starts_again_works_again(inbox: Inbox, store: Store, calls: Calls) -> None:
    app = FastAPI(lifespan=inbox.lifespan)
    app.mount("/hooks", inbox.asgi)
    orders = [store.pay() for _ in range(2)]
    for number, order_id in enumerate(orders, start=1):
        with serve(app, lifespan="on") as base:
            assert hear(base, f"/hooks/{TOKEN}", order_id) == 200
            assert calls.wait(number) == orders[:number]


def test_a_mounted_app_without_lifespan_starts_late_and_says_so_once(
    inbox: Inbox, store: Store, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    app.mount("/hooks", inbox.asgi)
    orders = [store.pay() for _ in range(2)]
    with serve(app) as base:
        for number, order_id in enumerate(orders, start=1):
            assert hear(base, f"/hooks/{TOKEN}", order_id) == 200
            assert calls.wait(number) == orders[:number]
    assert [record.levelno for record in caplog.records if "starts with its first webhook" in record.message] == [
        logging.WARNING
    ]
    asyncio.run(inbox.stop_embedded())


def test_somebody_without_a_token_starts_nothing(inbox: Inbox, calls: Calls) -> None:
    with serve(inbox.asgi) as base:
        assert hear(base, "/hooks/nobody", "1") == 404
    assert not inbox.started


def test_an_app_without_a_key_does_not_start(tmp_path: Path) -> None:
    inbox = Inbox(settings_for(tmp_path, api_key=None))
    sent = asyncio.run(lifespan(inbox.asgi, ["lifespan.startup"]))
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "Set QUICKBUTIK_API_KEY" in sent[0]["message"]
    inbox.close()


async def lifespan(app: Callable[..., Any], messages: list[str]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []
    coming = iter(messages)

    async def receive() -> dict[str, Any]:
        return {"type": next(coming)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "lifespan"}, receive, send)
    return sent


def test_nothing_works_where_another_process_does(tmp_path: Path, store: Store) -> None:
    inbox = Inbox(settings_for(tmp_path, store, perform="elsewhere"))
    calls = Calls(inbox)
    with serve(inbox.asgi, lifespan="on") as base:
        assert hear(base, f"/hooks/{TOKEN}", "1") == 200
    assert (inbox.started, calls.orders, store.dials.reads) == (True, [], [])


async def test_a_web_socket_is_turned_away(inbox: Inbox) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await inbox.asgi({"type": "websocket", "path": f"/{TOKEN}", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close"}]


async def test_work_that_fails_begins_again(
    inbox: Inbox, store: Store, calls: Calls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded, "AGAIN_SECONDS", 0.01)
    order_id = store.pay()
    real = inbox.receiver.run
    failures = iter([StorageUnavailable(), StorageUnavailable()])

    async def run(*arguments: Any, **named: Any) -> None:
        for failure in failures:
            raise failure
        await real(*arguments, **named)

    monkeypatch.setattr(inbox.receiver, "run", run)
    inbox.start_embedded()
    await ask_asgi(inbox, Request(f"event_type=order.new&order_id={order_id}".encode(), path=f"/{TOKEN}"))
    assert await asyncio.to_thread(calls.wait, 1) == [order_id]
    assert caplog.text.count("the inbox works again in 0.01 seconds") == 2
    await inbox.stop_embedded()


async def test_a_handler_that_holds_up_the_loop_does_not_hold_up_the_stop(
    inbox: Inbox, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded, "STOP_SECONDS", 0.05)
    monkeypatch.setattr(embedded, "PATIENCE_SECONDS", 0.05)
    began, released = threading.Event(), threading.Event()

    @inbox.on("order.new")
    async def burn() -> None:
        began.set()
        released.wait()

    inbox.start_embedded()
    order_id = store.pay()
    await ask_asgi(inbox, Request(f"event_type=order.new&order_id={order_id}".encode(), path=f"/{TOKEN}"))
    assert await asyncio.to_thread(began.wait, PATIENCE_SECONDS)
    thread = inbox._embedded._thread  # type: ignore[union-attr]
    await inbox.stop_embedded()
    assert "a handler holds up the inbox's loop" in caplog.text
    released.set()
    await asyncio.to_thread(thread.join, PATIENCE_SECONDS)
    assert not thread.is_alive()


async def test_starting_without_a_key_leaves_nothing_behind(tmp_path: Path) -> None:
    inbox = Inbox(settings_for(tmp_path, api_key=None))
    with pytest.raises(ConfigurationError, match="QUICKBUTIK_API_KEY"):
        inbox.start_embedded()
    assert not inbox.started
    await inbox.stop_embedded()
    inbox.close()
