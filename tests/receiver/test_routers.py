"""Routers, middleware, what is called at the start and at the end of it all."""

import asyncio
from typing import Any

import pytest

from ombud.client import Order
from ombud.errors import ConfigurationError
from ombud.mailbox import model
from ombud.receiver.control import Dead, Retry, Skip
from ombud.receiver.embedded import LocalRunner
from ombud.receiver.execute import execute
from ombud.receiver.model import Call, Context, Event, Failure, Proceed
from ombud.receiver.router import Router
from tests.receiver.store import Store
from tests.receiver.test_handlers import call_of
from tests.receiver.world import Desk


def call(handler: str, **changes: Any) -> Call:
    return call_of("order.new", handler=handler, **changes)


async def end_of(router: Router, name: str, **changes: Any) -> model.Outcome:
    return await execute(router.handlers[name], call(name, **changes))


def test_routers_compose_whatever_comes_first() -> None:
    inbox, billing, stock = Router(), Router(), Router()
    billing.on("order.new", name="invoice")(lambda: None)
    inbox.include(billing, prefix="billing.")
    billing.on("order.done", name="receipt")(lambda: None)
    billing.include(stock, prefix="stock.")
    stock.on("product.*", name="sync")(lambda: None)
    inbox.include(stock)
    assert list(inbox.handlers) == ["billing.invoice", "billing.receipt", "billing.stock.sync", "sync"]
    assert list(billing.handlers) == ["invoice", "receipt", "stock.sync"]


def test_a_name_is_one_handlers_in_the_whole() -> None:
    inbox, router = Router(), Router()
    inbox.on("order.new", name="a.ship")(lambda: None)
    inbox.include(router, prefix="a.")
    with pytest.raises(ConfigurationError, match=r"Two handlers are named 'a\.ship'"):
        router.on("order.new", name="ship")(lambda: None)
    assert router.handlers == {}


def test_a_router_cannot_include_itself() -> None:
    inbox, router = Router(), Router()
    inbox.include(router)
    with pytest.raises(ConfigurationError, match="cannot include itself"):
        router.include(inbox)
    with pytest.raises(ConfigurationError, match="cannot include itself"):
        router.include(router)


async def test_middleware_goes_around_runs_from_the_outside_in() -> None:
    said: list[str] = []
    inbox, router = Router(), Router()

    def around(word: str) -> Any:
        async def middleware(proceed: Proceed, event: Event, context: Context) -> None:
            said.append(f"{word} {event.object_id} {context.attempt}")
            await proceed()
            said.append(f"{word} ends")

        return middleware

    inbox.on("order.new", name="other")(lambda: said.append("other"))
    router.on("order.new", name="plain")(lambda: said.append("plain"))
    inbox.include(router)
    router.middleware(around("inner"))
    inbox.middleware(around("outer"))
    assert await end_of(inbox, "plain") == model.Done()
    assert said == ["outer 90017 2", "inner 90017 2", "plain", "inner ends", "outer ends"]
    said.clear()
    assert await end_of(inbox, "other") == model.Done()
    assert said == ["outer 90017 2", "other", "outer ends"]


async def test_middleware_sees_how_a_run_ends_and_may_decide_otherwise() -> None:
    router, seen = Router(), list[str]()

    @router.middleware
    async def translate(proceed: Proceed) -> None:
        try:
            await proceed()
        except ConnectionError as error:
            seen.append(str(error))
            raise Retry("the warehouse is away", after=3) from error

    @router.on("order.new")
    def ship() -> None:
        raise ConnectionError("refused")

    @router.on("order.new")
    async def bill() -> None:
        raise Skip("a test order")

    assert await end_of(router, "ship") == model.Retry("the warehouse is away", after=3)
    assert seen == ["refused"]
    assert await end_of(router, "bill") == model.Skip("a test order")


async def test_middleware_that_does_not_go_on_loses_nothing_in_silence() -> None:
    router, ran = Router(), list[str]()

    @router.middleware
    async def forgets(proceed: Proceed) -> None: ...

    router.on("order.new", name="ship")(lambda: ran.append("ran"))
    outcome = await end_of(router, "ship")
    assert isinstance(outcome, model.Retry)
    assert "middleware forgets has not awaited proceed" in outcome.reason
    assert ran == []


async def test_middleware_that_hangs_is_cut_like_a_handler() -> None:
    router = Router()

    @router.middleware
    async def hangs(proceed: Proceed) -> None:
        await proceed()
        await asyncio.Event().wait()

    router.on("order.new", name="ship", timeout_seconds=0.02)(lambda: None)
    outcome = await end_of(router, "ship")
    assert outcome == model.Retry("The handler took longer than 0.02 seconds.", fault=model.Fault.LANE)


def no_proceed(context: Context) -> None: ...
async def asks_nothing() -> None: ...
async def asks_too_much(proceed: Proceed, order: Order) -> None: ...
def with_argument(context: Context) -> None: ...


def test_what_stands_beside_handlers_is_checked_at_import() -> None:
    router = Router()
    for function in (no_proceed, asks_nothing):
        with pytest.raises(ConfigurationError, match="async function with a parameter of type Proceed"):
            router.middleware(function)
    with pytest.raises(ConfigurationError, match="one of: Change, Event, Context, Proceed"):
        router.middleware(asks_too_much)
    with pytest.raises(ConfigurationError, match="one of: Change, Event, Context, Failure"):
        router.on_dead(asks_too_much)
    with pytest.raises(ConfigurationError, match="takes no arguments"):
        router.on_start(with_argument)


async def test_the_start_comes_before_the_first_run_and_once() -> None:
    router, inner, said = Router(), Router(), list[str]()
    inner.on_start(lambda: said.append("plain start"))
    router.include(inner)

    @router.on_start
    async def connect() -> None:
        await asyncio.sleep(0)
        said.append("start")
        if len(said) == 1:
            raise OSError("no network yet")

    router.on("order.new", name="ship")(lambda: said.append("ship"))
    runner = LocalRunner(router.handlers, router.starts)
    failed = model.Retry("on_start failed: OSError: no network yet", fault=model.Fault.LANE)
    assert await runner.run(call("ship")) == failed
    assert [await runner.run(call("ship")) for _ in range(2)] == [model.Done()] * 2
    assert said == ["start", "start", "plain start", "ship", "ship"]


async def test_a_run_that_is_given_up_is_heard_of_once(desk: Desk, store: Store) -> None:
    heard: list[tuple[str, str, str, int]] = []
    router = Router()

    @router.on_dead
    async def tell(failure: Failure, event: Event, context: Context) -> None:
        heard.append((failure.reason, event.object_id, context.handler, context.attempt))
        raise ValueError("a failure in here changes nothing")

    @router.on("order.new", retry_seconds=(0.01,))
    def ship() -> None:
        raise ValueError("no paper")

    @router.on("order.new")
    async def bill() -> None:
        raise Dead("no such customer")

    @desk.inbox.on("order.new", retry_seconds=())
    async def count() -> None:
        raise ValueError("nobody asked to hear this")

    desk.inbox.include(router)
    order_id = store.pay()
    async with desk.at_work():
        await desk.tell("order.new", order_id)
    assert sorted(heard) == [
        ("ValueError: no paper (attempt 2 was the last)", order_id, "ship", 2),
        ("no such customer", order_id, "bill", 1),
    ]
    assert sorted((run["name"], run["state"], run["attempts"]) for run in desk.runs()) == [
        ("bill", "dead", 1),
        ("count", "dead", 1),
        ("ship", "dead", 2),
    ]
